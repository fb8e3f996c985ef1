-- More than one server: the chunks go to the workers of Citus.
create or replace function ragpg.distribute(shard_count integer default null) returns integer
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    workers integer;
    part regclass;
    moved regclass[];
    routine record;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
    refused text;
    by_tenant constant boolean := ragpg_internal.tenants_enabled();
    owner_name constant regrole := (
        select known.relowner::regrole
        from pg_class as known
        where known.oid = 'ragpg.chunks'::regclass
    );
begin
    if not pg_has_role(current_user, owner_name, 'usage') then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    if not exists (
        select
        from pg_extension as citus
        where citus.extname = 'citus' and split_part(citus.extversion, '.', 1)::integer >= 13
    ) then
        raise exception 'the extension citus, 13 or newer, is not in this database'
            using errcode = 'RG005',
                hint = 'on the coordinator and on each worker: shared_preload_libraries = ''citus'', then create extension citus; docs/scale.md';
    end if;
    -- One connection to each worker: what follows in the transaction must see what came before it.
    perform set_config('citus.multi_shard_modify_mode', 'sequential', true);
    lock table ragpg.chunks in access exclusive mode;
    perform from pg_dist_partition as known where known.logicalrelid = 'ragpg.chunks'::regclass;
    if found then
        raise exception 'the chunks are distributed already'
            using errcode = 'RG005',
                hint = format(
                    'a new worker: there set citus.enable_ddl_propagation = off; alter role %s login;'
                    ' then select citus_rebalance_start(), docs/scale.md',
                    owner_name
                );
    end if;
    select count(*) into workers
    from pg_dist_node as node
    where node.isactive and node.noderole = 'primary' and node.shouldhaveshards;
    if workers = 0 then
        raise exception 'no worker is known that takes shards'
            using errcode = 'RG005',
                hint = 'select citus_add_node(''its address'', 5432) for each; docs/scale.md';
    end if;
    if shard_count < workers then
        raise exception 'shard_count is %, there are % workers', shard_count, workers
            using errcode = 'RG005', hint = 'each worker needs a shard, better four';
    end if;
    -- What a distributed table cannot have: a foreign key to one that is not, and triggers. Who
    -- writes chunks makes their words (ragpg_internal.chunk_words).
    alter table ragpg.chunks drop constraint if exists chunks_document_id_fkey;
    alter table ragpg.chunks drop constraint if exists chunks_index_id_fkey;
    drop trigger if exists chunks_set_lexemes on ragpg.chunks;
    drop policy if exists chunks_tenant on ragpg.chunks;
    drop trigger if exists documents_delete_chunks on ragpg.documents;
    create trigger documents_delete_chunks
        after delete on ragpg.documents
        referencing old table as old_rows
        for each statement execute function ragpg_internal.delete_chunks();
    moved := array(
        select inherited.inhrelid::regclass
        from pg_inherits as inherited
        where inherited.inhparent = 'ragpg.chunks'::regclass
    );
    if by_tenant then
        -- All of a tenant's are in one shard, which alone is asked for it.
        alter table ragpg.chunks drop constraint chunks_pkey;
        alter table ragpg.chunks
            add constraint chunks_pkey primary key (document_id, ordinal, index_id, tenant);
    end if;
    -- A search asks every shard: few are quicker, and four a worker leave room for more workers.
    perform create_distributed_table(
        'ragpg.chunks'::regclass, case when by_tenant then 'tenant' else 'document_id' end,
        colocate_with => 'none',
        shard_count => coalesce(distribute.shard_count, 4 * workers)
    );
    foreach part in array moved loop
        perform truncate_local_data_after_distributing_table(part);
    end loop;
    -- Functions that run as the owner reach the workers as the owner.
    select string_agg(format('%s:%s: %s', told.nodename, told.nodeport, told.result), '; ')
    into refused
    from run_command_on_workers(format(
        'do $do$ begin if not (select rolcanlogin from pg_roles where oid = %L::regrole) then'
        -- On the coordinator nobody logs in as it.
        ' perform set_config(''citus.enable_ddl_propagation'', ''off'', true);'
        ' alter role %s login; end if; end $do$',
        owner_name, owner_name
    )) as told
    where not told.success;
    if refused is not null then
        raise exception 'the role % cannot log in on the workers: %', owner_name, refused
            using errcode = 'RG005',
                hint = format('as a superuser, on each worker: set citus.enable_ddl_propagation = off; alter role %s login', owner_name);
    end if;
    create or replace function ragpg_internal.is_distributed() returns boolean
    language sql immutable parallel safe
    return true;
    -- What is_distributed() said is in plans of other sessions: each function is compiled anew.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    for routine in
        select known.oid::regprocedure as name, known.procost
        from pg_proc as known
        where known.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and known.proowner = owner_name
            and known.prokind = 'f'
    loop
        execute format('alter function %s cost %s', routine.name, routine.procost);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
    if by_tenant then
        for part in select held.relation from ragpg_internal.protected_tables() as held loop
            perform ragpg_internal.protect_table(part, true);
        end loop;
        perform ragpg_internal.hand_legs();
    end if;
    return coalesce(distribute.shard_count, 4 * workers);
end
$$;
revoke execute on function ragpg.distribute(integer) from public;
comment on function ragpg.distribute(integer) is
'Spreads the chunks of this database, those there are and those to come, over the workers of Citus by their document, or by tenant where tenants are kept apart, and returns over how many shards (shard_count; 4 for each worker). Everything else stays on the coordinator, where all is called as before. The owner of the tables runs it, once; searching and writing wait meanwhile. It is not taken back. Raises RG005 where Citus is missing or has no worker and where the chunks are distributed already.';
