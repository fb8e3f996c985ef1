-- What filters compare follows the documents.
create or replace function ragpg_internal.keep_document_values() returns trigger
language plpgsql security definer
set search_path = ragpg, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        delete from ragpg.document_values as known
        using old_rows as dropped
        where known.document_id = dropped.id;
    elsif tg_op = 'INSERT' then
        insert into ragpg.document_values (
            document_id, collection_id, tenant, kind, key, number, word
        )
        select added.id, added.collection_id, added.tenant, held.*
        from new_rows as added
        cross join lateral ragpg_internal.metadata_values(added.metadata) as held;
    else
        with changed as (
            select later.id, later.collection_id, later.tenant, later.metadata
            from new_rows as later
            join old_rows as earlier on earlier.id = later.id
            where (later.metadata, later.collection_id, later.tenant)
                is distinct from (earlier.metadata, earlier.collection_id, earlier.tenant)
        ),
        forgotten as (
            delete from ragpg.document_values as known
            using changed
            where known.document_id = changed.id
        )
        insert into ragpg.document_values (
            document_id, collection_id, tenant, kind, key, number, word
        )
        select changed.id, changed.collection_id, changed.tenant, held.*
        from changed
        cross join lateral ragpg_internal.metadata_values(changed.metadata) as held;
    end if;
    return null;
end
$$;
revoke execute on function ragpg_internal.keep_document_values() from public;
comment on function ragpg_internal.keep_document_values() is
'Trigger of documents: their metadata''s values in document_values, once a statement. Security definer, so that nobody but it writes there.';
