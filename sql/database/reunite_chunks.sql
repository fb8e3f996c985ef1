-- A distributed database was restored where its chunks are in one place: what is missing then?
create or replace function ragpg_internal.reunite_chunks() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    is_spread boolean := false;
    part regclass;
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
    -- By tenant it has a key of more columns; and who might read nothing of it may again.
    if exists (
        select
        from pg_constraint as known
        where known.conname = 'chunks_pkey'
            and known.conrelid = 'ragpg.chunks'::regclass
            and cardinality(known.conkey) > 3
    ) then
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id);
    end if;
    for part in
        select 'ragpg.chunks'::regclass
        union all
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    loop
        perform ragpg_internal.close_table(part, false);
    end loop;
    perform ragpg_internal.hand_legs() where ragpg_internal.tenants_enabled();
end
$$;
revoke execute on function ragpg_internal.reunite_chunks() from public;
comment on function ragpg_internal.reunite_chunks() is
'Gives ragpg.chunks back what ragpg.distribute took from it, where a dump of a distributed database was restored on one server. For ragpg.secure.';
