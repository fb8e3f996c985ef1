-- A distributed database was restored where its chunks are in one place: what is missing then?
create or replace function ragpg_internal.reunite_chunks() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    is_spread boolean := false;
begin
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    if to_regclass('pg_catalog.pg_dist_partition') is not null then
        select exists (
            select
            from pg_dist_partition as known
            where known.logicalrelid = 'ragpg.chunks'::regclass
        )
        into is_spread;
    end if;
    if is_spread then
        return;
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return false;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    alter table ragpg.chunks
        add constraint chunks_document_id_fkey
            foreign key (document_id, tenant)
                references ragpg.documents (id, tenant) on update cascade on delete cascade,
        add constraint chunks_index_id_fkey
            foreign key (index_id) references ragpg.search_indexes (id) on delete cascade;
    create trigger chunks_set_lexemes before insert or update of context, content, language
        on ragpg.chunks
        for each row execute function ragpg_internal.set_chunk_lexemes();
    comment on trigger chunks_set_lexemes on ragpg.chunks is 'Sets lexemes and lexeme_count.';
    create policy chunks_tenant on ragpg.chunks
        using (
            (select ragpg_internal.acting_for())[tenant] is not null
            and tenant = (select ragpg.current_tenant())
        );
    comment on policy chunks_tenant on ragpg.chunks is 'Rows of the session''s tenant.';
end
$$;
revoke execute on function ragpg_internal.reunite_chunks() from public;
comment on function ragpg_internal.reunite_chunks() is
'Gives ragpg.chunks back what ragpg.distribute took from it, where a dump of a distributed database was restored on one server. For ragpg.secure.';
