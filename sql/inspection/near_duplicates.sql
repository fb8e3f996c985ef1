-- Which chunks say nearly the same?
create or replace function ragpg.near_duplicates(
    collection text default null,
    min_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    neighbours integer default 5,
    chunks integer default null
) returns table (
    first_chunk_id bigint, second_chunk_id bigint, first_source text, second_source text,
    similarity double precision, overlap double precision, content text
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
-- A tenant's chunks may be few among the nearest.
set hnsw.iterative_scan = relaxed_order
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    quantize text;
    scanned integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
    first_ids bigint[];
    copy_ids bigint[];
    held record;  -- the chunks of the pairs
    is_closed constant boolean := ragpg_internal.chunks_are_closed();
    all_chunks text;
begin
    select
        recipe.id, model.dimensions, recipe.quantize,
        least(
            greatest(
                case recipe.quantize when 'bit' then recipe.ef_search else 40 end, neighbours + 1
            ),
            1000
        )
    into active_id, dimensions, quantize, scanned
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    all_chunks := case
        when is_closed
            then 'select chunk_id as id, content, embedding'
                ' from ragpg_internal.document_chunks($1, null)'
        else 'select id, content, embedding from ragpg.chunks where index_id = $1'
    end;
    perform set_config('hnsw.ef_search', scanned::text, true);
    if ragpg_internal.is_distributed() then
        perform ragpg_internal.set_on_shards(scanned, 'relaxed_order');
    end if;
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in execute
        'select drawn.id, drawn.embedding'
        ' from ('
        '  select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding'
        '  from (' || all_chunks || ') as chunk'
        '  order by ragpg_internal.hash_text(chunk.content), chunk.id'
        ' ) as drawn'
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        ' order by hashint8extended(drawn.id, 0)'
        ' limit $2'
        using active_id, near_duplicates.chunks
    loop
        if is_closed then
            select array_agg(near.chunk_id) into near_ids
            from ragpg_internal.vector_candidates(
                active_id, looked_at.embedding, neighbours + 1
            ) as near
            where near.chunk_id <> looked_at.id and near.similarity >= min_similarity;
        else
            execute format(
                'select array_agg(near.id) from (%s) as near'
                ' where near.id <> $2 and near.distance <= 1 - $3::double precision',
                ragpg_internal.nearest_query(
                    'chunks', active_id, dimensions, quantize, '', neighbours + 1, scanned
                )
            )
            into near_ids
            using looked_at.embedding, looked_at.id, min_similarity;
        end if;
        if near_ids is not null then
            pairs := pairs || (
                select array_agg(side.id order by near.id, side.place)
                from unnest(near_ids) as near (id)
                cross join lateral unnest(
                    case
                        when near_duplicates.chunks is null and near.id < looked_at.id
                            then array[near.id, looked_at.id]
                        else array[looked_at.id, near.id]
                    end
                ) with ordinality as side (id, place)
            );
        end if;
    end loop;
    if near_duplicates.chunks is null then
        execute
            'select array_agg(same.first_id), array_agg(same.id)'
            ' from ('
            '  select'
            '   chunk.id,'
            '   min(chunk.id) over ('
            '    partition by ragpg_internal.hash_text(chunk.content)'
            '   ) as first_id'
            '  from (' || all_chunks || ') as chunk'
            ' ) as same'
            ' where same.id <> same.first_id'
        into first_ids, copy_ids
        using active_id;
    end if;
    near_ids := array(
        select distinct one.id from unnest(pairs || first_ids || copy_ids) as one (id)
    );
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.embedding) as embeddings, array_agg(chunk.content) as contents
    into held
    from ragpg_internal.known_chunks(near_ids, active_id) as chunk;
    return query
    with pair as (
        select pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
        union
        select same.first_id, same.id from unnest(first_ids, copy_ids) as same (first_id, id)
    ),
    chunk as materialized (
        select one.*
        from unnest(held.ids, held.document_ids, held.embeddings, held.contents)
            as one (id, document_id, embedding, content)
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case
                when a.content = b.content then 1
                else ragpg_internal.word_overlap(a.content, b.content)
            end
                as overlap,
            a.content
        from pair
        join chunk as a on a.id = pair.a_id
        join chunk as b on b.id = pair.b_id
    )
    select
        measured.a_id, measured.b_id, a.source, b.source, measured.similarity, measured.overlap,
        measured.content
    from measured
    join ragpg.documents as a on a.id = measured.a_document
    join ragpg.documents as b on b.id = measured.b_document
    where measured.overlap >= min_overlap
    order by measured.similarity desc, measured.a_id, measured.b_id;
end
$$;
comment on function ragpg.near_duplicates(text, double precision, double precision, integer, integer) is
'Returns pairs of chunks of a collection''s active search index that say nearly the same: cosine similarity of at least min_similarity, found through the vector index among each chunk''s nearest neighbours, and at least min_overlap of their words in common (Jaccard). Of chunks with the same text each is paired with the first. About a millisecond a chunk: chunks bounds how many are looked at, drawn by hash and each the first of its pairs.';
