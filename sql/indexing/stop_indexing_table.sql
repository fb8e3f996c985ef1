-- A table of one's own is no collection any more.
create or replace function ragpg.stop_indexing_table(
    table_name regclass, collection text, delete_documents boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    followed record;
    gone bigint := 0;
begin
    select known.* into followed
    from ragpg_internal.followed_tables() as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(stop_indexing_table.collection)
            and document.row_of = followed.row_of;
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';
