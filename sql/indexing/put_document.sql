-- Stores a document: new, changed or as it was.
create or replace function ragpg.put_document(
    collection text,
    source text,
    content text,
    title text default '',
    media_type text default 'text/plain',
    metadata jsonb default '{}',
    source_hash bytea default null,
    page_starts integer[] default '{}'
) returns table (document_id bigint, version integer, outcome text)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg_internal.ensure_collection(put_document.collection);
    old_version integer;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    insert into ragpg.documents as document (
        collection_id, source, content, title, media_type, metadata, source_hash, page_starts,
        tenant
    )
    values (
        parent_id, put_document.source, put_document.content, put_document.title,
        put_document.media_type, put_document.metadata, put_document.source_hash,
        put_document.page_starts, owner_name
    )
    on conflict do nothing
    returning document.id, document.version, 'added' into document_id, version, outcome;
    if document_id is null then
        select document.id, document.version into strict document_id, old_version
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = put_document.source
        for update;
        update ragpg.documents as document
        set content = put_document.content,
            title = put_document.title,
            media_type = put_document.media_type,
            metadata = put_document.metadata,
            source_hash = put_document.source_hash,
            page_starts = put_document.page_starts
        where document.id = document_id
        returning document.version into version;
        outcome := case when version = old_version then 'unchanged' else 'updated' end;
    end if;
    return next;
end
$$;
comment on function ragpg.put_document(text, text, text, text, text, jsonb, bytea, integer[]) is
'Stores a document under its source and returns its id, version and whether it was added, updated or unchanged. A worker (ragpg worker) makes its chunks; until then it is in the view ingest_queue. page_starts are the characters, from 0, at which its pages begin.';
