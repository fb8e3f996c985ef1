-- What filters compare follows the documents.
create or replace function ragpg_internal.keep_document_values() returns trigger
language plpgsql security definer
set search_path = ragpg, pg_temp
as $$
declare
    document_ids bigint[];
begin
    -- Each has other rows to look at, and a statement is planned with those it names.
    if tg_op = 'INSERT' then
        document_ids := array(select added.id from new_rows as added);
    elsif tg_op = 'DELETE' then
        document_ids := array(select dropped.id from old_rows as dropped);
    else
        document_ids := array(
            select later.id
            from new_rows as later
            join old_rows as earlier on earlier.id = later.id
            where (later.metadata, later.collection_id, later.tenant)
                is distinct from (earlier.metadata, earlier.collection_id, earlier.tenant)
        );
    end if;
    perform ragpg_internal.put_document_values(document_ids);
    return null;
end
$$;
revoke execute on function ragpg_internal.keep_document_values() from public;
comment on function ragpg_internal.keep_document_values() is
'Trigger of documents: their metadata''s values in document_values, once a statement. Security definer, so that nobody but it writes there.';
