-- How far is the k-th nearest chunk, truly?
create or replace function ragpg_internal.exact_distances(
    index_id bigint, embeddings halfvec[], own_ids bigint[], k integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    distances double precision[] := '{}';
    farthest double precision;
begin
    for place in 1..cardinality(embeddings) loop
        -- Without the cast it is not the index's expression, so every chunk is looked at.
        execute format(
            'select max(near.distance) from ('
            '  select chunk.embedding operator(%s.<=>) $1 as distance from ragpg.chunks as chunk'
            '  where chunk.index_id = %s and chunk.id is distinct from $2 order by 1 limit %s'
            ' ) as near',
            ragpg_internal.vector_schema(), exact_distances.index_id, k
        )
        into farthest
        using embeddings[place], own_ids[place];
        distances := distances || farthest;
    end loop;
    return distances;
end
$$;
comment on function ragpg_internal.exact_distances(bigint, halfvec[], bigint[], integer) is
'Returns for each embedding the cosine distance of its k-th nearest chunk in a search index, by looking at every chunk but the one of own_ids.';
