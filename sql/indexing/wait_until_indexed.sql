-- Can what was just written be found?
create or replace function ragpg.wait_until_indexed(
    collection text, source text default null, timeout interval default '30 seconds'
) returns boolean
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(wait_until_indexed.collection);
    until timestamptz := clock_timestamp() + timeout;
    is_own boolean;
    is_waiting boolean;
begin
    loop
        select
            coalesce(bool_or(document.updated_at = now()), false),
            count(*) > 0
        into is_own, is_waiting
        from ragpg.documents as document
        join ragpg.collections as one on one.id = document.collection_id
        left join ragpg.index_documents as state
            on state.document_id = document.id and state.index_id = one.active_index_id
        where one.id = parent_id
            and (wait_until_indexed.source is null or document.source = wait_until_indexed.source)
            and state.document_version is distinct from document.version;
        if not is_waiting then
            return true;
        elsif is_own then
            raise exception 'this transaction wrote the document: no worker sees it before commit'
                using errcode = 'RG005', hint = 'commit, then wait';
        elsif clock_timestamp() >= until then
            return false;
        end if;
        perform pg_sleep(0.05);
    end loop;
end
$$;
comment on function ragpg.wait_until_indexed(text, text, interval) is
'Returns true as soon as searches see the newest version of the document, or of all documents of the collection when no source is given; false after the timeout. A worker must be running; to be called after the commit of what was written.';
