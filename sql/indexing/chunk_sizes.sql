-- How large are the chunks?
create or replace view ragpg.chunk_sizes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    bin.place * bin.width + 1 as from_tokens,
    (bin.place + 1) * bin.width as to_tokens,
    count(*) as chunks,
    count(*)::double precision / sum(count(*)) over (partition by recipe.id) as share
from ragpg.chunks as chunk
join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
join ragpg.collections as one on one.id = recipe.collection_id
cross join lateral (
    select
        greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1) as width,
        greatest(chunk.token_count - 1, 0) / greatest(ceil(recipe.chunk_tokens / 16.0)::integer, 1)
            as place
) as bin
group by one.id, recipe.id, bin.place, bin.width;
comment on view ragpg.chunk_sizes is
'A row per search index and bin of chunk sizes: a histogram of tokens.';
comment on column ragpg.chunk_sizes.collection is 'Name of the collection.';
comment on column ragpg.chunk_sizes.index_id is 'The search index.';
comment on column ragpg.chunk_sizes.active is 'Whether it answers searches.';
comment on column ragpg.chunk_sizes.from_tokens is 'Fewest tokens of the bin; bins are a sixteenth of the most a chunk may have.';
comment on column ragpg.chunk_sizes.to_tokens is 'Most tokens of the bin.';
comment on column ragpg.chunk_sizes.chunks is 'Chunks in it.';
comment on column ragpg.chunk_sizes.share is 'Of the search index''s chunks.';
