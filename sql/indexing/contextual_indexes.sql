-- How many chunks have a sentence of context that a model wrote?
create or replace view ragpg.contextual_indexes with (security_invoker = true) as
select
    one.name as collection,
    recipe.id as index_id,
    recipe.id = one.active_index_id as active,
    recipe.context_model,
    recipe.context_tokens,
    coalesce(held.chunks, 0) as chunks,
    coalesce(held.chunks_with_sentence, 0) as chunks_with_sentence,
    held.mean_chars
from ragpg.search_indexes as recipe
join ragpg.collections as one on one.id = recipe.collection_id
left join (
    select
        chunk.index_id,
        count(*) as chunks,
        count(*) filter (where chunk.generated_chars > 0) as chunks_with_sentence,
        round(avg(chunk.generated_chars) filter (where chunk.generated_chars > 0)) as mean_chars
    from ragpg.chunks as chunk
    where chunk.index_id in (
        select known.id from ragpg.search_indexes as known where known.context_model is not null
    )
    group by chunk.index_id
) as held on held.index_id = recipe.id
where recipe.context_model is not null;
comment on view ragpg.contextual_indexes is
'A row per search index whose chunks get a sentence of context by a language model. It counts chunks, so it takes a scan.';
comment on column ragpg.contextual_indexes.collection is 'Name of the collection.';
comment on column ragpg.contextual_indexes.index_id is 'The search index.';
comment on column ragpg.contextual_indexes.active is 'Whether it answers searches.';
comment on column ragpg.contextual_indexes.context_model is 'The language model.';
comment on column ragpg.contextual_indexes.context_tokens is 'Tokens of a chunk kept free for its sentence.';
comment on column ragpg.contextual_indexes.chunks is 'Its chunks.';
comment on column ragpg.contextual_indexes.chunks_with_sentence is 'Those with a sentence.';
comment on column ragpg.contextual_indexes.mean_chars is 'Mean characters of a sentence.';
