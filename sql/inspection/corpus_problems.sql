-- What is wrong with what is stored, and what is to be done about it?
create or replace view ragpg.corpus_problems with (security_invoker = true) as
select
    one.name as collection,
    rule.problem,
    found.source,
    found.document_id,
    found.detail,
    rule.what_to_do
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        wrong.kind as problem, document.source, document.id as document_id,
        format('%s %s: %s', wrong.count, rule.unit, wrong.example) as detail
    from ragpg.documents as document
    cross join lateral ragpg.text_problems(document.content) as wrong
    join ragpg_internal.inspection_rules() as rule on rule.problem = wrong.kind
    where document.collection_id = one.id
    union all
    select
        'other language', document.source, document.id,
        format('%s, not %s', spoken.language, meant.language)
    from ragpg.documents as document
    join ragpg_internal.inspection_rules() as rule on rule.problem = 'other language'
    cross join lateral ragpg.text_language(document.content) as spoken (language)
    -- Before there is a search index, the setting says what they are meant for.
    cross join lateral (
        select coalesce(recipe.language, current_setting('ragpg.language', true)) as language
    ) as meant
    where document.collection_id = one.id
        and char_length(document.content) >= rule.minimum
        and not ragpg_internal.is_code(document.media_type)
        and meant.language not in ('simple', 'auto')
        and spoken.language <> meant.language
    union all
    select
        case when same.is_copy then 'duplicate document' else 'near-duplicate document' end,
        same.second_source, same.second_document_id,
        format('%s %% as %s', floor(100 * same.similarity), same.first_source)
    from ragpg_internal.inspection_rules() as rule
    cross join lateral ragpg.near_duplicate_documents(one.name, rule.minimum) as same
    where rule.problem = 'near-duplicate document'
    union all
    select 'repeated line', null, null, format('%s documents: %s', again.documents, left(again.line, 80))
    from ragpg_internal.inspection_rules() as rule
    cross join lateral ragpg.repeated_lines(one.name, rule.minimum) as again
    where rule.problem = 'repeated line'
    union all
    select
        'cut chunk', document.source, document.id,
        format('%s chunks: %s', count(*), right(min(cut.content), 60))
    from ragpg_internal.cut_chunks(one.name) as cut
    join ragpg.documents as document on document.id = cut.document_id
    group by document.id
    union all
    select
        'not indexed', waiting.source, waiting.document_id,
        format('since %s: %s', waiting.waiting_since, coalesce(waiting.error, 'no worker took it'))
    from ragpg.ingest_queue as waiting
    where waiting.collection = one.name and (waiting.active or waiting.index_id is null)
) as found
join ragpg_internal.inspection_rules() as rule on rule.problem = found.problem;
comment on view ragpg.corpus_problems is
'A row per problem of a stored document, and per line repeated through a collection: what would make search find garbage. It reads every text: name the collection in where.';
comment on column ragpg.corpus_problems.collection is 'Name of the collection.';
comment on column ragpg.corpus_problems.problem is 'The kind, as ragpg_internal.inspection_rules() lists them.';
comment on column ragpg.corpus_problems.source is 'The document''s source; null for a line of many documents.';
comment on column ragpg.corpus_problems.document_id is 'Its id.';
comment on column ragpg.corpus_problems.detail is 'How often, and an example; or the other document.';
comment on column ragpg.corpus_problems.what_to_do is 'What helps.';
