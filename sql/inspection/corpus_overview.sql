-- What kind of texts does each collection hold, and how did they become chunks?
create or replace view ragpg.corpus_overview with (security_invoker = true) as
select
    one.name as collection,
    held.documents,
    held.characters,
    held.median_characters,
    held.table_share,
    held.code_share,
    spoken.languages,
    cut.chunks,
    cut.tokens_p05,
    cut.tokens_p50,
    cut.tokens_p95,
    recipe.chunk_tokens as window_tokens,
    cut.chunks - cut.texts as duplicate_chunks,
    (
        select count(distinct near.first_chunk_id)::double precision
        from ragpg.near_duplicates(one.name, chunks => 200) as near
    ) / nullif(least(200, cut.texts), 0) as near_duplicate_share
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        count(*) as documents,
        coalesce(sum(char_length(document.content)), 0) as characters,
        percentile_cont(0.5) within group (order by char_length(document.content))
            as median_characters,
        sum(part.table_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as table_share,
        sum(part.code_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as code_share
    from ragpg.documents as document
    cross join lateral ragpg_internal.text_parts(document.content, document.media_type) as part
    where document.collection_id = one.id
) as held
cross join lateral (
    select jsonb_object_agg(counted.language, counted.documents) as languages
    from (
        select
            coalesce(
                case when not ragpg_internal.is_code(drawn.media_type)
                    then ragpg.text_language(drawn.content) end,
                'unknown'
            ) as language,
            count(*) as documents
        from (
            select document.content, document.media_type
            from ragpg.documents as document
            where document.collection_id = one.id
            order by hashint8extended(document.id, 0)
            limit 500
        ) as drawn
        group by 1
    ) as counted
) as spoken
cross join lateral ragpg_internal.chunk_overview(one.active_index_id) as cut;
comment on view ragpg.corpus_overview is
'A row per collection: sizes, shares of tables and code, languages, chunk sizes, duplicates. It reads every text: name the collection in where.';
comment on column ragpg.corpus_overview.collection is 'Name of the collection.';
comment on column ragpg.corpus_overview.documents is 'Documents stored.';
comment on column ragpg.corpus_overview.characters is 'Characters of all of them.';
comment on column ragpg.corpus_overview.median_characters is 'Characters of the middle one.';
comment on column ragpg.corpus_overview.table_share is 'Share of the characters that is in rows of tables.';
comment on column ragpg.corpus_overview.code_share is 'Share of the characters that is in fenced code or source code.';
comment on column ragpg.corpus_overview.languages is
'Documents by language (ragpg.text_language), of at most 500 drawn by hash.';
comment on column ragpg.corpus_overview.chunks is 'Chunks of the active search index.';
comment on column ragpg.corpus_overview.tokens_p05 is 'Tokens that 5 % of the chunks do not exceed.';
comment on column ragpg.corpus_overview.tokens_p50 is 'Tokens of the middle chunk.';
comment on column ragpg.corpus_overview.tokens_p95 is 'Tokens that 5 % of the chunks exceed.';
comment on column ragpg.corpus_overview.window_tokens is 'Most tokens of a chunk with its context.';
comment on column ragpg.corpus_overview.duplicate_chunks is
'Chunks whose text another chunk has, to the character; the first of each text not counted.';
comment on column ragpg.corpus_overview.near_duplicate_share is
'Share of the chunks, of 200 drawn by hash, that ragpg.near_duplicates pairs with another one.';
