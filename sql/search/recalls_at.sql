-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg_internal.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- As ragpg_internal.vector_candidates scans. Named here so that what is set below ends with it.
set hnsw.ef_search = 100
set hnsw.iterative_scan = relaxed_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(least(greatest(ef_search, k), 1000), 'relaxed_order');
    end if;
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from (%s) as near where near.id is distinct from $2'
            '  order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            ragpg_internal.nearest_query(
                'chunks', recalls_at.index_id, vector_dims(embeddings[place]), quantize, '',
                k + (own_ids[place] is not null)::integer, ef_search
            ),
            k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$$;
comment on function ragpg_internal.recalls_at(bigint, halfvec[], bigint[], double precision[], integer, integer) is
'Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg_internal.exact_distances), the chunk of own_ids left out.';
