-- How well does a static encoder stand in for its model?
create or replace function ragpg.measure_static_encoder(
    index_id bigint, queries text[], embeddings vector[]
) returns boolean
language sql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
    with asked as materialized (
        select
            listed.place,
            listed.exact,
            ragpg.embed_query_static(listed.query, measure_static_encoder.index_id) as static
        from unnest(queries, embeddings) with ordinality as listed (query, exact, place)
    ),
    found as (
        select
            asked.place,
            1 - (asked.exact <=> asked.static) as cosine,
            (
                select count(by_static.chunk_id)::double precision / count(*)
                from ragpg.vector_candidates(
                    measure_static_encoder.index_id, asked.exact::halfvec, 10
                ) as by_model
                left join ragpg.vector_candidates(
                    measure_static_encoder.index_id, asked.static::halfvec, 10
                ) as by_static on by_static.chunk_id = by_model.chunk_id
            ) as overlap
        from asked
    )
    update ragpg.static_encoders as fitted
    set held_out_count = measured.asked_count,
        mean_cosine = measured.mean_cosine,
        mean_overlap = measured.mean_overlap,
        enabled = false
    from (
        select count(*) as asked_count, avg(cosine) as mean_cosine, avg(overlap) as mean_overlap
        from found
    ) as measured
    where fitted.index_id = measure_static_encoder.index_id
    returning fitted.agrees
$$;
comment on function ragpg.measure_static_encoder(bigint, text[], vector[]) is
'Compares a static encoder with the embeddings its model gives queries it was not fitted to, stores mean cosine and mean overlap of the ten nearest chunks, switches it off, and returns whether it agrees well enough to be switched on.';
