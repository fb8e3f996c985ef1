-- What did a source say at that time?
create or replace function ragpg.document_as_of(
    collection text, source text, as_of timestamptz default now()
) returns text
language sql stable
begin atomic
    select ragpg.document_text(history.document_id, history.version)
    from ragpg.document_history as history
    where history.collection = document_as_of.collection
        and history.source = document_as_of.source
        and history.valid_from <= document_as_of.as_of
        and (history.valid_to is null or document_as_of.as_of < history.valid_to)
    order by history.valid_from desc, history.version desc
    limit 1;
end;
comment on function ragpg.document_as_of(text, text, timestamptz) is
'Returns the text a source had at a time; null when there was none, or when that version was pruned.';
