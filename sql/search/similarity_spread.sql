-- How similar is a question to what there is, on the whole?
create or replace function ragpg_internal.similarity_spread(
    index_id bigint,
    tenant text,
    query_embedding halfvec,
    out mean double precision,
    out deviation double precision
)
language sql stable
begin atomic
    select
        coalesce(avg(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0),
        coalesce(
            nullif(stddev_pop(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0), 1
        )
    from ragpg.index_statistics as known
    cross join unnest(known.embedding_sample) as sample
    where known.index_id = similarity_spread.index_id
        and known.tenant = similarity_spread.tenant
        -- Of a vector of zeros it is NaN.
        and sample operator(ragpg_internal.<=>) query_embedding <> 'NaN';
end;
comment on function ragpg_internal.similarity_spread(bigint, text, halfvec) is
'Returns mean and standard deviation of the cosine similarities of a question to a sample of a search index''s embeddings, or of a tenant''s in it (ragpg.index_statistics): 0 and 1 of an empty one.';
