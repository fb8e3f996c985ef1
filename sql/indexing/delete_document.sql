-- Takes a document and its chunks away; its last version stays in document_versions.
create or replace function ragpg.delete_document(collection text, source text) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(delete_document.collection)
        and document.tenant = ragpg_internal.written_tenant()
        and document.source = delete_document.source;
    return found;
end
$$;
comment on function ragpg.delete_document(text, text) is
'Deletes a document and its chunks and returns whether there was one. Its text stays in document_versions, for the citations that point at it.';
