-- The values of some documents' metadata, as they are now.
create or replace function ragpg_internal.put_document_values(document_ids bigint[]) returns void
language sql volatile
begin atomic
    delete from ragpg.document_values as known
    where known.document_id = any(put_document_values.document_ids);
    insert into ragpg.document_values (
        document_id, collection_id, tenant, kind, key, number, word
    )
    select document.id, document.collection_id, document.tenant, held.*
    from unnest(put_document_values.document_ids) as asked (id)
    join ragpg.documents as document on document.id = asked.id
    cross join lateral ragpg_internal.metadata_values(document.metadata) as held;
end;
revoke execute on function ragpg_internal.put_document_values(bigint[]) from public;
comment on function ragpg_internal.put_document_values(bigint[]) is
'Makes document_values of these documents what their metadata hold; of those that are no more, nothing. For the trigger of documents, and for an owner whom ragpg.verify told to.';
