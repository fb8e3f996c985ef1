-- How similar is a question to what there is, on the whole?
create or replace function ragpg_internal.similarity_spread(
    embedding_sample halfvec[],
    query_embedding halfvec,
    out mean double precision,
    out deviation double precision
)
language sql immutable parallel safe
begin atomic
    select
        coalesce(avg(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0),
        coalesce(
            nullif(stddev_pop(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0), 1
        )
    from unnest(embedding_sample) as sample;
end;
comment on function ragpg_internal.similarity_spread(halfvec[], halfvec) is
'Returns mean and standard deviation of the cosine similarities of a question to a sample of embeddings (ragpg.index_statistics): 0 and 1 of an empty one.';
