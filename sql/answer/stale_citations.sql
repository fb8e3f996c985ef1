-- Which answers rest on text that has changed since?
create or replace view ragpg.stale_citations with (security_invoker = true) as
select
    one.name as collection,
    answer.id as answer_id,
    answer.question,
    cited.ordinal,
    coalesce(document.source, earlier.source) as source,
    cited.document_version as cited_version,
    document.version as current_version,
    case
        when document.id is null then 'deleted'
        when position(cited.quote in document.content) > 0 then 'kept'
        else 'gone'
    end as quote_is,
    cited.quote,
    answer.created_at as answered_at,
    document.updated_at as changed_at
from ragpg.citations as cited
join ragpg.answers as answer on answer.id = cited.answer_id
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.documents as document on document.id = cited.document_id
left join ragpg.document_versions as earlier
    on earlier.document_id = cited.document_id and earlier.version = cited.document_version
where document.version is distinct from cited.document_version;
comment on view ragpg.stale_citations is
'A row per citation of a document version that is no longer the current one.';
comment on column ragpg.stale_citations.collection is 'The collection that was asked.';
comment on column ragpg.stale_citations.answer_id is 'The answer.';
comment on column ragpg.stale_citations.question is 'What was asked.';
comment on column ragpg.stale_citations.ordinal is 'Place among the answer''s citations, from 0.';
comment on column ragpg.stale_citations.source is 'The document''s source.';
comment on column ragpg.stale_citations.cited_version is 'The version that was read.';
comment on column ragpg.stale_citations.current_version is 'The version now; null: the document was deleted.';
comment on column ragpg.stale_citations.quote_is is 'kept (the new version still says it), gone, or deleted with the document.';
comment on column ragpg.stale_citations.quote is 'The cited characters.';
comment on column ragpg.stale_citations.answered_at is 'When the answer was given.';
comment on column ragpg.stale_citations.changed_at is 'When the document last changed.';
