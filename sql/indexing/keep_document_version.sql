-- What did a document say before? Keeps the old row of every change and counts the version.
create or replace function ragpg_internal.keep_document_version() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'UPDATE'
        and (old.source, old.title, old.media_type, old.content, old.metadata, old.page_starts)
            is not distinct from
            (new.source, new.title, new.media_type, new.content, new.metadata, new.page_starts)
    then
        new.version := old.version;
        return new;
    end if;
    insert into ragpg.document_versions (
        document_id, version, collection_id, source, title, media_type, content, metadata,
        page_starts, valid_from, valid_to, tenant
    )
    values (
        old.id, old.version, old.collection_id, old.source, old.title, old.media_type,
        old.content, old.metadata, old.page_starts, old.updated_at, greatest(old.updated_at, now()),
        old.tenant
    );
    if tg_op = 'DELETE' then
        return old;
    end if;
    new.version := old.version + 1;
    new.updated_at := greatest(old.updated_at, now());
    return new;
end
$$;
comment on function ragpg_internal.keep_document_version() is
'Trigger of documents: an update or delete first stores the row as it was in document_versions; an update that changes nothing keeps the version.';
