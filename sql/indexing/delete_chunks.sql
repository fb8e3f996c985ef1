-- The chunks of deleted documents, where no foreign key deletes them.
create or replace function ragpg_internal.delete_chunks() returns trigger
language plpgsql security definer
set search_path = ragpg, pg_temp
as $$
declare
    document_ids constant bigint[] := array(select dropped.id from old_rows as dropped);
begin
    delete from ragpg.chunks as chunk where chunk.document_id = any(document_ids);
    return null;
end
$$;
revoke execute on function ragpg_internal.delete_chunks() from public;
comment on function ragpg_internal.delete_chunks() is
'Trigger of documents while ragpg.chunks is distributed: a distributed table has no foreign key to one that is not. Security definer, as a foreign key''s action is.';
