-- Who was given the right to call what gets another argument below.
create temporary table given_rights on commit drop as
select routine.proname as name, acl.grantee::regrole::text as role_name
from pg_proc as routine
cross join aclexplode(routine.proacl) as acl
where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
    and routine.proname in (
        'activate_search_index', 'create_search_index', 'drop_collection', 'drop_search_index',
        'log_search', 'remember_query', 'tune_ef_search'
    )
    and acl.grantee not in (0, routine.proowner);

drop function ragpg_internal.claim_documents(integer, text, bigint);
drop function ragpg_internal.index_row(text, text, text, text, jsonb, text, uuid);
drop function ragpg_internal.check_shared(text, uuid);
drop function ragpg_internal.remember_query(bigint, text, uuid);
drop function ragpg_internal.remembered_query(bigint, text, text);
drop function ragpg_internal.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision, uuid
);
drop function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision, uuid
);
drop function ragpg_internal.matching_documents(bigint, jsonpath, uuid);
drop function ragpg.activate_search_index(bigint, boolean, uuid);
drop function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer, uuid);
drop function ragpg.drop_collection(text, uuid);
drop function ragpg.drop_search_index(bigint, uuid);
drop function ragpg.tune_ef_search(text, double precision, integer, integer, bigint, uuid);

-- Who calls, also from within a function that runs as its owner?
create or replace function ragpg_internal.calling_role() returns name
language sql stable parallel safe
begin atomic
    select coalesce(nullif(current_setting('role'), 'none')::name, session_user);
end;
comment on function ragpg_internal.calling_role() is
'Returns the role of the session, or the one it took by set role; unlike current_user also within functions that run as their owner.';

-- Does whoever calls see the rows of every tenant?
create or replace function ragpg_internal.sees_all_tenants() returns boolean
language sql stable parallel safe
begin atomic
    select
        not kept.relrowsecurity
        or pg_has_role(ragpg_internal.calling_role(), kept.relowner, 'usage')
        or (
            select known.rolbypassrls
            from pg_roles as known
            where known.rolname = ragpg_internal.calling_role()
        )
    from pg_class as kept
    where kept.oid = 'ragpg.documents'::regclass;
end;
comment on function ragpg_internal.sees_all_tenants() is
'Returns true where row-level security hides nothing: tenants are off, or the caller owns the tables, is a superuser or bypasses row-level security.';

-- Whose rows does this session read and write?
create or replace function ragpg.current_tenant() returns text
language plpgsql stable parallel safe
-- Security definer: who may act for whom (tenant_roles) is nobody's to read. Everybody may call it,
-- because policies do, in the name of whoever queries; it tells a session only its own tenant.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
    allowed text[];
    is_trusted boolean;
begin
    -- Not by current_user, which in a security definer function is another's.
    select
        array_agg(distinct bound.tenant) filter (where bound.tenant is not null),
        bool_or(bound.tenant is null)
    into allowed, is_trusted
    from ragpg.tenant_roles as bound
    join pg_roles as known on known.rolname = bound.role
    where pg_has_role(ragpg_internal.calling_role(), known.oid, 'usage');
    if is_trusted or wanted = any(allowed) or ragpg_internal.sees_all_tenants() then
        return wanted;
    elsif wanted is null and cardinality(allowed) = 1 then
        return allowed[1];
    end if;
    return null;
end
$$;
comment on function ragpg.current_tenant() is
'Returns the tenant this session acts for, null for none: for a role bound by ragpg.bind_role the setting ragpg.tenant, if it is one of its tenants, or without a setting the only one it has; for one of ragpg.trust_role, and for whoever sees all, the setting. Null for every other role. Policies compare rows with it.';

-- May the caller change what all tenants use?
create or replace function ragpg_internal.check_shared(what text) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not ragpg_internal.sees_all_tenants() then
        raise exception '% belongs to all tenants', what
            using errcode = 'RG014', hint = 'only the owner of the schema may do this';
    end if;
end
$$;
comment on function ragpg_internal.check_shared(text) is
'Raises RG014 when tenants are on and the caller is none who sees all of them.';

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.answers', 'ragpg.searches',
            'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    -- Metadata under their tenant's name: see ragpg_internal.tenant_filter.
    drop index if exists ragpg.documents_metadata_gin;
    create index if not exists documents_tenant_metadata_gin
        on ragpg.documents using gin ((jsonb_set('{}', array[tenant], metadata)) jsonb_path_ops);
    comment on index ragpg.documents_tenant_metadata_gin is
        'Serves the jsonpath filter of ragpg.search, for each tenant on its own.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Lets a role search and look, and nothing else.
create or replace function ragpg.grant_reader(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    execute format('grant usage on schema ragpg, ragpg_internal to %I', role_name);
    execute format('grant select on all tables in schema ragpg to %I', role_name);
    execute format(
        'alter default privileges for role %s in schema ragpg grant select on tables to %I',
        (
            select space.nspowner::regrole
            from pg_namespace as space
            where space.nspname = 'ragpg'
        ),
        role_name
    );
    execute format('grant execute on function ragpg_internal.remember_query(bigint, text) to %I', role_name);
    execute format('grant execute on function ragpg_internal.log_search to %I', role_name);
    execute format(
        'grant execute on function ragpg_internal.keyword_candidates, ragpg_internal.matching_documents to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_reader(text) from public;
comment on function ragpg.grant_reader(text) is
'Lets a role search, and read every table and view of ragpg, those made later too; its questions are remembered in the cache of query embeddings and, where a collection wants it, in the log of searches. For dashboards. To be called by the owner of the schema.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text, text, integer),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- Everything of ragpg becomes a role's that has nothing else.
create or replace function ragpg_internal.hand_over() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    change text;
begin
    if to_regrole('ragpg_owner') is null then
        create role ragpg_owner;
        comment on role ragpg_owner is 'Owns ragpg in every database of this server; nobody logs in as it. Its members administer ragpg.';
        if current_setting('is_superuser') = 'off' then
            execute format('grant ragpg_owner to %I', current_user);
        end if;
    elsif exists (
        select
        from pg_roles as known
        where known.rolname = 'ragpg_owner'
            and (known.rolcanlogin or known.rolsuper or known.rolcreaterole or known.rolbypassrls)
    ) then
        raise exception 'the role ragpg_owner may log in, or more than own ragpg'
            using errcode = '42501',
                hint = 'alter role ragpg_owner nologin nosuperuser nocreaterole nobypassrls';
    end if;
    -- Schemas first: what is in them may only be given to who may create there.
    for change in select owned.statement from ragpg_internal.ownership_changes() as owned loop
        execute change;
    end loop;
    if not has_schema_privilege('ragpg_owner', ragpg_internal.vector_schema()::regnamespace, 'usage')
    then
        execute format('grant usage on schema %s to ragpg_owner', ragpg_internal.vector_schema());
    end if;
exception
    when insufficient_privilege then
        raise notice 'ragpg stays with the role %: %', current_user, sqlerrm
            using hint = 'a role that may create roles gives it to one of its own: select ragpg.secure()';
    when duplicate_object or unique_violation then
        -- Another database of this server was quicker.
        perform ragpg_internal.hand_over();
end
$$;
revoke execute on function ragpg_internal.hand_over() from public;
comment on function ragpg_internal.hand_over() is
'Gives the schemas ragpg and ragpg_internal, and all in them, to the role ragpg_owner, which it makes; leaves all as it is, with a notice, where the caller may not.';

-- What of ragpg is not yet ragpg_owner's, and how does it become so?
create or replace function ragpg_internal.ownership_changes() returns table (statement text)
language sql stable
begin atomic
    with owned as (
        select space.oid, space.nspname
        from pg_namespace as space
        where space.nspname in ('ragpg', 'ragpg_internal')
    ),
    thing as (
        select 1 as place, format('schema %I', owned.nspname) as name, space.nspowner as owner
        from owned
        join pg_namespace as space on space.oid = owned.oid
        union all
        select
            2,
            case relation.relkind
                when 'v' then 'view' when 'm' then 'materialized view' when 'c' then 'type' else 'table'
            end || format(' %I.%I', owned.nspname, relation.relname),
            relation.relowner
        from owned
        join pg_class as relation on relation.relnamespace = owned.oid
        where relation.relkind in ('r', 'p', 'v', 'm', 'c')
        union all
        select 3, format('domain %I.%I', owned.nspname, kind.typname), kind.typowner
        from owned
        join pg_type as kind on kind.typnamespace = owned.oid
        where kind.typtype = 'd'
        union all
        select 4, 'routine ' || routine.oid::regprocedure, routine.proowner
        from owned
        join pg_proc as routine on routine.pronamespace = owned.oid
        union all
        select 5, 'operator ' || operator.oid::regoperator, operator.oprowner
        from owned
        join pg_operator as operator on operator.oprnamespace = owned.oid
    )
    select told.statement
    from (
        select thing.place, format('alter %s owner to ragpg_owner', thing.name) as statement
        from thing
        where thing.owner is distinct from to_regrole('ragpg_owner')::oid
        union all
        -- What readers may see of tables to come, whoever makes them.
        select
            6,
            format(
                'alter default privileges for role %s in schema ragpg %s',
                maker.role, format(maker.change, acl.grantee::regrole)
            )
        from owned
        join pg_default_acl as given on given.defaclnamespace = owned.oid
        cross join aclexplode(given.defaclacl) as acl
        cross join lateral (
            values
                ('ragpg_owner', 'grant select on tables to %s'),
                (given.defaclrole::regrole::text, 'revoke select on tables from %s')
        ) as maker (role, change)
        where given.defaclobjtype = 'r'
            and acl.privilege_type = 'SELECT'
            and acl.grantee <> 0
            and acl.grantee <> given.defaclrole
            and given.defaclrole is distinct from to_regrole('ragpg_owner')::oid
        union all
        -- Before a table that is followed is emptied, its trigger reads it.
        select
            7,
            format(
                'grant select (%I) on %s to ragpg_owner', followed.source_column, followed.table_name
            )
        from ragpg.indexed_tables as followed
        join pg_class as relation on relation.oid = followed.table_name
        join pg_attribute as col
            on col.attrelid = relation.oid and col.attname = followed.source_column
            and not col.attisdropped
        where pg_has_role(relation.relowner, 'usage')
            and not has_column_privilege(
                to_regrole('ragpg_owner')::oid, relation.oid, col.attnum, 'select'
            )
    ) as told
    order by told.place, told.statement;
end;
comment on function ragpg_internal.ownership_changes() is
'Returns the statements that give to ragpg_owner what of ragpg is somebody else''s. For ragpg_internal.hand_over.';

-- Which tables does a tenant see a part of?
create or replace function ragpg_internal.protected_tables()
returns table (relation regclass, closed boolean)
language sql stable
begin atomic
    select
        policy.polrelid::regclass,
        bool_and(pg_get_expr(policy.polqual, policy.polrelid) = 'false')
    from pg_policy as policy
    join pg_class as kept on kept.oid = policy.polrelid
    where kept.relnamespace = 'ragpg'::regnamespace
    group by policy.polrelid
    union all
    -- Policies of chunks hold where chunks is named; a partition named itself shows nothing.
    select part.inhrelid::regclass, true
    from pg_inherits as part
    where part.inhparent = 'ragpg.chunks'::regclass
    order by 1;
end;
comment on function ragpg_internal.protected_tables() is
'Returns the tables that ragpg.enable_tenants() puts under row-level security, those that are closed to all tenants marked; every other table of ragpg holds no content.';

-- Who could see too much, or sees nothing?
create or replace function ragpg_internal.safety_problems()
returns table (problem text, object text, detail text, what_to_do text)
language sql stable
begin atomic
    with kept as materialized (
        select held.relation, part.relrowsecurity
        from ragpg_internal.protected_tables() as held
        join pg_class as part on part.oid = held.relation
        where ragpg_internal.tenants_enabled()
    ),
    wrong as (
        select
            'functions run as a superuser' as problem, owner.rolname::text as object,
            format('%s functions run as their owner', count(*)) as detail,
            'select ragpg.secure()' as what_to_do
        from pg_proc as routine
        join pg_roles as owner on owner.oid = routine.proowner
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
            and owner.rolsuper
        group by owner.rolname
        union all
        select
            'table is not kept apart', kept.relation::text, 'every reader sees all its rows',
            'select ragpg.secure()'
        from kept
        where not kept.relrowsecurity
        union all
        select
            'function does not run as its owner', leg.called::text,
            'it searches without its index, and slowly', 'select ragpg.secure()'
        from ragpg_internal.tenant_legs() as leg
        join pg_proc as routine on routine.oid = leg.called
        where ragpg_internal.tenants_enabled() and not routine.prosecdef
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('of %s', string_agg(format('%s.%s', told.relation_name, told.name), ', ')),
            case
                when bool_or(told.target <> 0) then 'select ragpg.secure()'
                else 'as a superuser: delete from pg_statistic where starelid = '
                    || quote_literal(kept.relation) || '::regclass'
            end
        from kept
        cross join lateral ragpg_internal.told_columns(kept.relation) as told
        where told.target <> 0 or exists (
            select
            from pg_stats as known
            where known.schemaname = told.schema_name
                and known.tablename = told.relation_name
                and known.attname = told.name
        )
        group by kept.relation
        union all
        select
            'statistics tell of all tenants', kept.relation::text,
            format('extended statistics %I', extended.stxname),
            format('drop statistics %s.%I', extended.stxnamespace::regnamespace, extended.stxname)
        from kept
        join pg_statistic_ext as extended on extended.stxrelid = kept.relation
        union all
        select
            'bound role is missing', bound.role, format('it would act for %L', bound.tenant),
            format('create the role, or select ragpg.unbind_role(%L, %L)', bound.role, bound.tenant)
        from ragpg.tenant_roles as bound
        where not exists (select from pg_roles as known where known.rolname = bound.role)
        union all
        select
            'role acts for no tenant', known.rolname::text,
            'it may read ragpg and sees nothing',
            format(
                'select ragpg.bind_role(%1$L, ''...''), or ragpg.trust_role(%1$L) for one that chooses',
                known.rolname
            )
        from pg_roles as known
        join pg_class as documents on documents.oid = 'ragpg.documents'::regclass
        where ragpg_internal.tenants_enabled()
            and known.rolcanlogin
            and not known.rolbypassrls
            and not pg_has_role(known.oid, documents.relowner, 'usage')
            and has_table_privilege(known.oid, documents.oid, 'select')
            and not exists (
                select
                from ragpg.tenant_roles as bound
                join pg_roles as giving on giving.rolname = bound.role
                where pg_has_role(known.oid, giving.oid, 'usage')
            )
    )
    select wrong.problem, wrong.object, wrong.detail, wrong.what_to_do
    from wrong
    -- Who acts for one tenant learns nothing of the roles of others.
    where ragpg_internal.sees_all_tenants();
end;
comment on function ragpg_internal.safety_problems() is
'Returns a row per thing that lets somebody see more than docs/security.md promises, or less than the owner meant; to those who see all tenants. For ragpg.verify and ragpg.health_problems.';

-- Whose chunks may a search read?
create or replace function ragpg_internal.searched_tenant() returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found_tenant text;
    wanted text := nullif(current_setting('ragpg.tenant', true), '');
begin
    if not ragpg_internal.tenants_enabled() then
        return null;
    end if;
    found_tenant := ragpg.current_tenant();
    if found_tenant is null and not ragpg_internal.sees_all_tenants() then
        raise exception 'role % %', ragpg_internal.calling_role(), coalesce(
            format('may not act for tenant "%s"', wanted), 'acts for no tenant'
        )
            using errcode = 'RG013',
                hint = 'select ragpg.set_tenant(''...''), connect(tenant=...) in Python; who may: ragpg.bind_role, ragpg.trust_role';
    end if;
    return found_tenant;
end
$$;
comment on function ragpg_internal.searched_tenant() is
'Returns the tenant whose chunks a search reads; null for all, when tenants are off or the caller sees all and set none. Raises RG013 when there is none to read for.';

-- From now on, act for this tenant.
create or replace function ragpg.set_tenant(tenant text, for_session boolean default false)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(tenant, '') !~ '\S' then
        raise exception 'the tenant is blank' using errcode = 'RG005', hint = 'name one';
    end if;
    perform set_config('ragpg.tenant', set_tenant.tenant, not for_session);
    if ragpg.current_tenant() is distinct from set_tenant.tenant then
        raise exception 'role % may not act for tenant "%"', ragpg_internal.calling_role(), tenant
            using errcode = 'RG013', hint = 'the owner of the schema binds roles (ragpg.bind_role), or lets them choose (ragpg.trust_role)';
    end if;
end
$$;
comment on function ragpg.set_tenant(text, boolean) is
'Sets the tenant (the setting ragpg.tenant) until the transaction ends, or for_session. The session''s outlasts a transaction of a pooler such as pgbouncer and would be the next client''s: there keep to the transaction''s. Raises RG013 when the role may not act for it.';

-- Which functions read indexes that a policy would hide from the planner?
create or replace function ragpg_internal.tenant_legs() returns table (called regprocedure)
language sql stable
begin atomic
    select leg.oid::regprocedure
    from pg_proc as leg
    where leg.pronamespace = 'ragpg_internal'::regnamespace
        and leg.proname in ('keyword_candidates', 'matching_documents');
end;
comment on function ragpg_internal.tenant_legs() is
'Returns the functions that ragpg.enable_tenants() makes security definer: they use the indexes of words and of metadata, and compare the tenant themselves (ragpg_internal.searched_tenant).';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into strict collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    perform ragpg_internal.check_shared('collection ' || collection_name)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
    );
    execute format(
        'comment on view ragpg.%I is %L',
        'chunks_of_' || collection_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean) from public;
comment on function ragpg.activate_search_index(bigint, boolean) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

-- Which waiting documents does this worker take?
create or replace function ragpg_internal.claim_documents(
    wanted integer default 32,
    only_collection text default null,
    only_index_id bigint default null
) returns table (
    index_id bigint, document_id bigint, version integer, source text, title text,
    media_type text, content text, page_starts integer[]
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    waiting record;
    taken integer := 0;
    characters bigint := 0;
begin
    for waiting in
        select state.index_id, state.document_id
        from ragpg.index_documents as state
        join ragpg.search_indexes as recipe on recipe.id = state.index_id
        join ragpg.collections as one on one.id = recipe.collection_id
        where state.pending_since is not null
            and state.next_attempt_at <= now()
            and (only_collection is null or one.name = only_collection)
            and (only_index_id is null or state.index_id = only_index_id)
            -- Nobody pays for sentences of a recipe that never answered, unless told to fill it.
            and (
                recipe.context_model is null
                or recipe.activated_at is not null
                or state.index_id = only_index_id
            )
        order by state.next_attempt_at, state.document_id
    loop
        exit when taken >= wanted or characters > 2000000;
        -- The lock belongs to the session: it goes with a worker that is killed, and nobody who
        -- writes the document waits for it.
        continue when not pg_try_advisory_lock(
            ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
        );
        -- Read after the lock: another worker may have finished it in between.
        select
            state.index_id, document.id, document.version, document.source, document.title,
            document.media_type, document.content, document.page_starts
        into
            index_id, document_id, version, source, title, media_type, content, page_starts
        from ragpg.index_documents as state
        join ragpg.documents as document on document.id = state.document_id
        where state.index_id = waiting.index_id
            and state.document_id = waiting.document_id
            and state.pending_since is not null
            and state.next_attempt_at <= now();
        if not found then
            perform pg_advisory_unlock(
                ragpg_internal.claim_key(waiting.index_id, waiting.document_id)
            );
            continue;
        end if;
        taken := taken + 1;
        characters := characters + char_length(content);
        return next;
    end loop;
end
$$;
comment on function ragpg_internal.claim_documents(integer, text, bigint) is
'Returns waiting documents that no other session has claimed, the longest waiting first, at most wanted (fewer when they are long), and claims them until this session calls ragpg_internal.release_document or ends. Those of a contextual search index that was never activated only when it is named.';

-- A new recipe for a collection: its row, its partition of chunks, its view.
create or replace function ragpg.create_search_index(
    collection text,
    embedding_model_id bigint,
    chunk_tokens integer,
    overlap_tokens integer default 0,
    language text default 'english',
    context_model text default null,
    context_tokens integer default 0
) returns bigint
language plpgsql volatile
-- Security definer: a partition is the one piece of DDL of daily work, and a role that may
-- write documents should not need to own the tables. Execute is revoked from public.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(collection);
    new_id bigint;
    dimensions integer;
begin
    -- The first one is anybody's who begins a collection, another one is work for all.
    perform ragpg_internal.check_shared('collection ' || collection)
    from ragpg.collections as one
    where one.id = parent_id and one.active_index_id is not null;
    -- Attaching a partition takes this lock anyway; taken first, whoever writes documents is done,
    -- or waits and then queues them for the new index too.
    lock table ragpg.documents in share row exclusive mode;
    select model.dimensions into strict dimensions
    from ragpg.embedding_models as model
    where model.id = embedding_model_id;
    insert into ragpg.search_indexes (
        collection_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    values (
        parent_id, embedding_model_id, chunk_tokens, overlap_tokens, language,
        context_model, context_tokens
    )
    returning id into new_id;
    -- Made apart and attached: that locks the parent less than "partition of" does.
    execute format(
        'create table ragpg.%I (like ragpg.chunks including defaults including constraints'
        ' including generated including storage, constraint chunks_embedding_has_%s_dimensions'
        ' check (%s.vector_dims(embedding) = %s))',
        'chunks_' || new_id, dimensions, ragpg_internal.vector_schema(), dimensions
    );
    execute format(
        'alter table ragpg.chunks attach partition ragpg.%I for values in (%s)',
        'chunks_' || new_id, new_id
    );
    if ragpg_internal.tenants_enabled() then
        perform ragpg_internal.protect_table(format('ragpg.%I', 'chunks_' || new_id)::regclass, true);
    end if;
    execute format(
        'comment on table ragpg.%I is %L',
        'chunks_' || new_id,
        format('Chunks of search index %s, collection %s.', new_id, collection)
    );
    insert into ragpg.index_documents (index_id, document_id, pending_since, tenant)
    select new_id, document.id, now(), document.tenant
    from ragpg.documents as document
    where document.collection_id = parent_id;
    notify ragpg_documents;
    return new_id;
end
$$;
revoke execute on function
ragpg.create_search_index(text, bigint, integer, integer, text, text, integer)
from public;
comment on function ragpg.create_search_index(text, bigint, integer, integer, text, text, integer) is
'Returns the id of a new search index of a collection, with all its documents queued for it. Workers fill it; it answers searches once activate_search_index names it. With a context_model each chunk gets a sentence by that language model, for which context_tokens are kept free; until it is activated only ragpg index build and continue fill it, because that costs money.';

-- Takes a collection away with everything that belongs to it.
create or replace function ragpg.drop_collection(collection text) returns bigint
language plpgsql volatile
-- Security definer: the partitions are dropped, which takes their owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    gone_id bigint := ragpg.collection_id(drop_collection.collection);
    documents_gone bigint;
    recipe_id bigint;
begin
    perform ragpg_internal.check_shared('collection ' || drop_collection.collection);
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || drop_collection.collection);
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = gone_id
    loop
        execute format('drop table ragpg.%I', 'chunks_' || recipe_id);
    end loop;
    select count(*) into documents_gone
    from ragpg.documents as document
    where document.collection_id = gone_id;
    update ragpg.collections as one set active_index_id = null where one.id = gone_id;
    delete from ragpg.collections as one where one.id = gone_id;
    delete from ragpg.document_versions as earlier where earlier.collection_id = gone_id;
    return documents_gone;
end
$$;
revoke execute on function ragpg.drop_collection(text) from public;
comment on function ragpg.drop_collection(text) is
'Drops a collection with its documents, all their versions, chunks, search indexes and answers, and returns how many documents went.';

-- Takes a recipe away with its chunks, in an instant.
create or replace function ragpg.drop_search_index(index_id bigint) returns void
language plpgsql volatile
-- Security definer: the partition is dropped, which takes its owner and leaves no bloat.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    given_up constant timestamptz := clock_timestamp() + interval '5 seconds';
    running text[];
begin
    perform ragpg_internal.check_shared('search index ' || drop_search_index.index_id);
    if exists (
        select from ragpg.collections as one where one.active_index_id = drop_search_index.index_id
    ) then
        raise exception 'search index % answers searches', index_id
            using errcode = 'RG010', hint = 'activate another one first: ragpg index activate';
    end if;
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id
    ) then
        raise exception 'there is no search index %', index_id
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    -- A search that began before the switch still means to read these chunks, and would find
    -- nothing: a dropped table is gone for older snapshots, too. So those that run now may end
    -- first, up to five seconds; one that outlasts that gets an error from ragpg.search.
    select array_agg(held.virtualtransaction) into running
    from pg_locks as held
    where held.locktype = 'virtualxid' and held.pid <> pg_backend_pid();
    while clock_timestamp() < given_up and exists (
        select
        from pg_locks as held
        where held.locktype = 'virtualxid' and held.virtualtransaction = any(running)
    ) loop
        perform pg_sleep(0.01);
    end loop;
    execute format('drop table ragpg.%I', 'chunks_' || index_id);
    delete from ragpg.search_indexes as recipe where recipe.id = drop_search_index.index_id;
end
$$;
revoke execute on function ragpg.drop_search_index(bigint) from public;
comment on function ragpg.drop_search_index(bigint) is
'Drops a search index that is not the active one, with its chunks, once the searches that run now have ended (it waits five seconds at most). Raises RG010 when it is, or when there is none.';

-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    collection text,
    source text,
    content text,
    title text,
    metadata jsonb,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(source, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(content, '') !~ '\S' then
        perform ragpg.delete_document(collection, source);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => index_row.source,
        content => index_row.content,
        title => coalesce(index_row.title, ''),
        media_type => index_row.media_type,
        metadata => index_row.metadata
    );
end
$$;
comment on function ragpg_internal.index_row(text, text, text, text, jsonb, text) is
'Stores what a row says as a document of a collection; one without content is deleted. For ragpg.index_table.';

-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    arguments text := format(
        '%L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type
    );
    missing text;
    source text;
    content text;
    title text;
    metadata jsonb;
    rows_done bigint := 0;
    before text := current_setting('row_security');
begin
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    perform ragpg_internal.let_owner_read(table_name, source_column);
    perform set_config('row_security', 'off', true);  -- an error rather than a policy of its owner's
    for source, content, title, metadata in execute format(
        'select %s from %s as stored',
        ragpg_internal.row_reading(
            table_name, source_column, content_column, title_column, metadata_columns, 'stored'
        ),
        table_name
    ) loop
        perform ragpg_internal.index_row(collection, source, content, title, metadata, media_type);
        rows_done := rows_done + 1;
    end loop;
    perform set_config('row_security', before, true);
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner; the owner of schema ragpg must be able to read it.';

-- Trigger: what happened to a table that is indexed?
create or replace function ragpg_internal.index_table_row() returns trigger
language plpgsql
-- Security definer: who writes the table needs no rights on ragpg.
security definer
set search_path = ragpg, pg_temp
as $$
declare
    source_was text;
    source text;
    content text;
    title text;
    metadata jsonb;
    sources text[];
    before text := current_setting('row_security');
begin
    -- The table may be anybody's: what its owner has made of types, casts and policies must not run
    -- with the rights of this function.
    if tg_op = 'TRUNCATE' then  -- before it: the sources are still there to read
        begin
            perform set_config('row_security', 'off', true);  -- an error rather than a policy
            execute format(
                'select array_agg(%s) from %s as stored',
                ragpg_internal.column_reading(tg_relid, tg_argv[1], 'stored'), tg_relid::regclass
            )
            into sources;
            perform set_config('row_security', before, true);
        exception
            when insufficient_privilege then
                raise exception 'collection % would keep the rows of %: %',
                    tg_argv[0], tg_relid::regclass, sqlerrm
                    using errcode = '42501', hint = format(
                        'delete from %s instead, or let %s read it, or first ragpg.stop_indexing_table',
                        tg_relid::regclass, current_user
                    );
        end;
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(tg_argv[0])
            and document.tenant = ragpg_internal.written_tenant()
            and document.source = any(sources);
        return null;
    end if;
    if tg_op <> 'INSERT' then
        execute 'select ' || ragpg_internal.column_reading(tg_relid, tg_argv[1], '($1)')
        into source_was
        using old;
    end if;
    if tg_op <> 'DELETE' then
        execute 'select ' || ragpg_internal.row_reading(
            tg_relid, tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4]::text[], '($1)'
        )
        into source, content, title, metadata
        using new;
    end if;
    if tg_op <> 'INSERT' and source_was is distinct from source then
        perform ragpg.delete_document(tg_argv[0], source_was);
    end if;
    if tg_op <> 'DELETE' then
        perform ragpg_internal.index_row(tg_argv[0], source, content, title, metadata, tg_argv[5]);
    end if;
    return null;
end
$$;
revoke execute on function ragpg_internal.index_table_row() from public;
comment on function ragpg_internal.index_table_row() is
'Trigger that ragpg.index_table puts on a table: keeps the collection in step with it.';

-- Which tables of one's own are collections?
create or replace view ragpg.indexed_tables with (security_invoker = true) as
select
    trigger.tgrelid::regclass as table_name,
    convert_from(argument.list[1], 'utf8') as collection,
    convert_from(argument.list[2], 'utf8') as source_column,
    convert_from(argument.list[3], 'utf8') as content_column,
    nullif(convert_from(argument.list[4], 'utf8'), '') as title_column,
    convert_from(argument.list[5], 'utf8')::text[] as metadata_columns,
    convert_from(argument.list[6], 'utf8') as media_type
from pg_trigger as trigger
cross join lateral (
    -- pg_trigger keeps arguments as bytes with a zero after each.
    select array_agg(decode(part, 'hex') order by place) as list
    from regexp_split_to_table(
        regexp_replace(encode(trigger.tgargs, 'hex'), '(..)', '\1 ', 'g'), '00 '
    ) with ordinality as cut (part, place)
) as argument
where trigger.tgfoid = 'ragpg_internal.index_table_row'::regproc
    and trigger.tgtype & 1 = 1;
comment on view ragpg.indexed_tables is
'A row per table that ragpg.index_table keeps in step with a collection.';
comment on column ragpg.indexed_tables.table_name is 'The table.';
comment on column ragpg.indexed_tables.collection is 'Name of the collection.';
comment on column ragpg.indexed_tables.source_column is 'The column that gives a document''s source.';
comment on column ragpg.indexed_tables.content_column is 'The column that gives its text.';
comment on column ragpg.indexed_tables.title_column is 'The column that gives its title, if any.';
comment on column ragpg.indexed_tables.metadata_columns is 'The columns that become its metadata.';
comment on column ragpg.indexed_tables.media_type is 'How the text is read, such as text/markdown.';

-- Before a followed table is emptied its trigger, which runs as ragpg's owner, reads the sources.
create or replace function ragpg_internal.let_owner_read(table_name regclass, source_column text)
returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    reader regrole := (select space.nspowner from pg_namespace as space where space.nspname = 'ragpg');
    place regnamespace := (
        select relation.relnamespace from pg_class as relation where relation.oid = table_name
    );
begin
    if not has_schema_privilege(reader, place, 'usage') then
        execute format('grant usage on schema %s to %s', place, reader);
    end if;
    if not has_column_privilege(reader, table_name, source_column, 'select') then
        execute format('grant select (%I) on %s to %s', source_column, table_name, reader);
    end if;
exception
    when insufficient_privilege then
        raise exception 'the role % cannot read %: %', reader, table_name, sqlerrm
            using errcode = '42501',
                hint = format(
                    'grant usage on schema %s to %s; grant select on %s to %s',
                    place, reader, table_name, reader
                );
end
$$;
comment on function ragpg_internal.let_owner_read(regclass, text) is
'Lets the owner of schema ragpg read the column of a table that ragpg.index_table follows. Raises 42501 with what to grant where the caller may not.';

-- A table of one's own is no collection any more.
create or replace function ragpg.stop_indexing_table(
    table_name regclass, collection text, delete_documents boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    followed ragpg.indexed_tables;
    gone bigint := 0;
    sources text[];
    before text := current_setting('row_security');
begin
    select known.* into followed
    from ragpg.indexed_tables as known
    where known.table_name = stop_indexing_table.table_name
        and known.collection = stop_indexing_table.collection;
    if not found then
        return 0;
    end if;
    execute format('drop trigger %I on %s', 'ragpg_' || collection, table_name);
    execute format('drop trigger %I on %s', 'ragpg_truncate_' || collection, table_name);
    if delete_documents then
        perform set_config('row_security', 'off', true);  -- an error rather than a policy
        execute format(
            'select array_agg(%s) from %s as stored',
            ragpg_internal.column_reading(table_name, followed.source_column, 'stored'), table_name
        )
        into sources;
        perform set_config('row_security', before, true);
        delete from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(stop_indexing_table.collection)
            and document.tenant = ragpg_internal.written_tenant()
            and document.source = any(sources);
        get diagnostics gone = row_count;
    end if;
    return gone;
end
$$;
comment on function ragpg.stop_indexing_table(regclass, text, boolean) is
'Takes the triggers of ragpg.index_table off a table; with delete_documents also the documents its rows became. Returns how many documents went. To be called by the table''s owner.';

-- Where does a question lie among the embeddings?
-- Stable, though a new question is remembered: an index scan takes no volatile operand, and a
-- stable function may call a volatile one, whose writing does not change the result here. Not
-- parallel safe, because writing is not.
create or replace function ragpg.embed_query(query text, model_id bigint default null)
returns vector
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    usable bigint[];
    encoder ragpg.encoders;
    known vector;
begin
    if query is null then
        return null;
    end if;
    select array_agg(stored.embedding_model_id) into usable
    from ragpg.encoders as stored
    where stored.verified
        and (model_id is null or stored.embedding_model_id = model_id);
    if usable is null and model_id is not null then
        raise exception 'embedding model % is not loaded and verified in the database', model_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    elsif usable is null then
        raise exception 'no embedding model is loaded and verified in the database'
            using errcode = 'RG009', hint = 'load one: ragpg model load';
    elsif cardinality(usable) > 1 then
        raise exception 'several embedding models are loaded: say which'
            using errcode = 'RG009', hint = 'pass model_id, a key of ragpg.encoders';
    end if;
    known := ragpg_internal.remembered_query(usable[1], query);
    if known is not null then
        return known;
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = usable[1];
    if encoder.cached_queries > 0
        -- On a standby every transaction is read-only.
        and current_setting('transaction_read_only') = 'off'
        -- In a stricter transaction, rows that others evict would make it fail.
        and current_setting('transaction_isolation') = 'read committed'
        and has_function_privilege('ragpg_internal.remember_query(bigint, text)', 'execute')
    then
        return ragpg_internal.remember_query(usable[1], query);
    end if;
    return ragpg_internal.encode(usable[1], ragpg_internal.query_tokens(usable[1], query));
end
$$;
comment on function ragpg.embed_query(text, bigint) is
'Returns the embedding of a question, computed in the database by the model whose key is given, else by the only one that is loaded and verified; the same vector as in Python, of length 1. A question asked before is looked up in ragpg.query_embeddings, a new one is stored there where the transaction may write.';

-- Is this the model we know under that name? Registers a new one, refuses an impostor.
create or replace function ragpg_internal.ensure_embedding_model(
    provider text,
    name text,
    max_tokens integer,
    probe halfvec
) returns bigint
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    known ragpg.embedding_models;
begin
    insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe)
    values (provider, name, vector_dims(probe), max_tokens, probe)
    on conflict do nothing;
    select model.* into strict known
    from ragpg.embedding_models as model
    where model.provider = ensure_embedding_model.provider
        and model.name = ensure_embedding_model.name
        and model.dimensions = vector_dims(ensure_embedding_model.probe);
    if known.probe <=> probe > 0.01 then
        raise exception 'the model "%" gives another embedding than the one stored here under that name (cosine % of the probe text)',
            name, round((1 - (known.probe <=> probe))::numeric, 4)
            using errcode = 'RG008',
                hint = 'use the model the collection was built with, or build a new collection';
    end if;
    return known.id;
end
$$;
comment on function ragpg_internal.ensure_embedding_model(text, text, integer, halfvec) is
'Returns the id of an embedding model, registering it with the embedding of the probe text; raises RG008 when a model of that name and dimension gave another one (cosine below 0.99; one model in float32 and in bfloat16 differs by 0.002).';

-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg_internal.remember_query(encoder_id bigint, query text)
returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg_internal.remembered_query(encoder_id, query);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg_internal.encode(encoder_id, ragpg_internal.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg_internal.hash_text(remember_query.query), computed, loaded_at,
        ragpg_internal.written_tenant()
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$$;
revoke execute on function ragpg_internal.remember_query(bigint, text) from public;
comment on function ragpg_internal.remember_query(bigint, text) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';

-- Was this question embedded before?
create or replace function ragpg_internal.remembered_query(encoder_id bigint, query text)
returns vector
language sql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg_internal.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = (select ragpg_internal.written_tenant())
    limit 1
$$;
comment on function ragpg_internal.remembered_query(bigint, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';

-- Which chunks are best by words?
create or replace function ragpg_internal.keyword_candidates(
    index_id bigint,
    query text,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    words tsquery[];  -- the rarest first
    weights double precision[];
    total_count bigint;  -- chunks that hold one of the words, at most
    total_weight double precision;
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    select
        array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
        sum(word.chunk_count), sum(word.weight)
    into words, weights, total_count, total_weight
    from ragpg_internal.query_words(keyword_candidates.index_id, keyword_candidates.query) as word;
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, setweight(stored.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(keyword_candidates.index_id, keyword_candidates.query),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
                ' and case when $4 is null or stored.tenant = $4 then'
                '  (select ragpg_internal.passes(document.metadata, $3)'
                '   from ragpg.documents as document where document.id = stored.document_id) end'
        end,
        case
            when only_tenant is not null then ' and ' || ragpg_internal.tenant_condition(
                keyword_candidates.index_id, only_tenant, 'stored.tenant', '$4'
            )
        end,
        wanted
    );
    most_added := case when total_count <= exact_limit then 1 else 0.75 end;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when document_ids is null and total_count > few then 0.45 * most_added * total_weight
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score;
end
$$;
grant execute on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
)
to public;
comment on function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision
) is
'Returns the best chunks of a search index by BM25, any word of the query counting, best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the query''s words; beyond that a chunk may be missed whose few words occur very often in it.';

-- Keeps one search of the share that is logged.
create or replace function ragpg_internal.log_search(
    index_id bigint, query text, query_embedding halfvec, mode text, k integer, filtered boolean,
    hit_count integer, best_similarity double precision, latency_ms double precision
) returns void
language sql volatile
-- Security definer: roles that may only read are logged, too.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    insert into ragpg.searches (
        collection_id, index_id, query, query_embedding, mode, k, filtered, hit_count,
        best_similarity, latency_ms, share, tenant
    )
    select
        one.id, recipe.id, coalesce(log_search.query, ''), log_search.query_embedding, log_search.mode,
        log_search.k, log_search.filtered, log_search.hit_count, log_search.best_similarity,
        log_search.latency_ms, one.search_log_share, ragpg_internal.written_tenant()
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.collection_id = one.id
    where recipe.id = log_search.index_id and one.search_log_share > 0
    -- The foreign key's row: when somebody holds it, the search is not kept waiting.
    for key share of one skip locked
$$;
revoke execute on function ragpg_internal.log_search(
    bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision
) from public;
comment on function ragpg_internal.log_search(bigint, text, halfvec, text, integer, boolean, integer, double precision, double precision) is
'Stores a row of ragpg.searches when its collection logs searches. Called by ragpg.search, which decides by chance.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := ragpg_internal.searched_tenant();
begin
    -- Planned for this filter: how many documents pass decides whether their index is worth it.
    execute format(
        'select array_agg(document.id), sum(state.chunk_count)'
        ' from ragpg.documents as document'
        ' join ragpg.index_documents as state'
        '  on state.document_id = document.id and state.index_id = $1'
        ' where document.collection_id = ('
        '   select recipe.collection_id from ragpg.search_indexes as recipe where recipe.id = $1)'
        '  and %s',
        case
            when only_tenant is null then 'ragpg_internal.passes(document.metadata, $2)'
            -- Of other tenants' rows the filter finds nothing, in whichever order it is asked.
            else 'ragpg_internal.passes('
                'jsonb_set(''{}'', array[document.tenant], document.metadata), $2) and '
                || ragpg_internal.tenant_condition(
                    matching_documents.index_id, only_tenant, 'document.tenant', '$3'
                )
        end
    )
    into document_ids, chunks
    using matching_documents.index_id,
        case
            when only_tenant is null then matching_documents.filter
            else ragpg_internal.tenant_filter(matching_documents.filter, only_tenant)
        end,
        only_tenant;
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- How little work suffices for this recall?
create or replace function ragpg.tune_ef_search(
    collection text default null,
    recall double precision default 0.98,
    k integer default 10,
    queries integer default 100,
    index_id bigint default null
) returns ragpg.recall_measurements
language plpgsql volatile
-- Security definer: the search index is changed, which writers may do by functions only.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    recipe ragpg.search_indexes :=
        ragpg_internal.recipe_of(tune_ef_search.collection, tune_ef_search.index_id);
    drawn record;
    distances double precision[];
    low integer := k;
    high integer := 1000;  -- the most pgvector takes
    middle integer;
begin
    perform ragpg_internal.check_shared('search index ' || recipe.id);
    if recall is null or recall not between 0 and 1 or k is null or k not between 1 and 1000 then
        raise exception 'recall is %, k is %', recall, k
            using errcode = 'RG005', hint = 'recall is a share, 0.98 say; k is from 1 to 1000';
    end if;
    select sample.* into drawn
    from ragpg_internal.sample_queries(recipe.id, tune_ef_search.queries) as sample;
    distances := ragpg_internal.exact_distances(recipe.id, drawn.embeddings, drawn.own_ids, k);
    -- Recall grows with ef_search, so halving finds the least that suffices.
    while low < high loop
        middle := (low + high) / 2;
        if (
            select coalesce(avg(one.recall), 1) >= tune_ef_search.recall - 1e-9
            from unnest(
                ragpg_internal.recalls_at(
                    recipe.id, drawn.embeddings, drawn.own_ids, distances, k, middle
                )
            ) as one (recall)
        ) then
            high := middle;
        else
            low := middle + 1;
        end if;
    end loop;
    update ragpg.search_indexes as known set ef_search = low where known.id = recipe.id;
    return ragpg.measure_recall(k => k, queries => queries, index_id => recipe.id);
end
$$;
revoke execute on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint)
from public;
comment on function ragpg.tune_ef_search(text, double precision, integer, integer, bigint) is
'Finds the smallest hnsw.ef_search whose mean recall of the k nearest is at least recall (1000 when none is), stores it with the search index, so that searches use it, and returns what ragpg.measure_recall then stores. A search never scans with less than the candidates it asks for: search_indexes.candidates in hybrid mode, k in vector mode.';

create policy embedding_models_add on ragpg.embedding_models
    for insert with check (true);
comment on policy embedding_models_add on ragpg.embedding_models is
'A tenant may add one; changing it is the owner''s.';

drop function ragpg_internal.followed_tables();
drop function ragpg_internal.session_tenant();
drop function ragpg_internal.proven_writer(uuid);
drop function ragpg_internal.proven_tenant(uuid);
drop function ragpg_internal.proof();

alter table ragpg.documents drop column row_of;
revoke select on ragpg.tenant_roles from public;
drop policy tenant_roles_own on ragpg.tenant_roles;
delete from ragpg.tenant_roles where role = '';
alter table ragpg.tenant_roles drop column proof;
comment on table ragpg.tenant_roles is
'Which roles act for which tenant, whatever they set: ragpg.bind_role; and which for any: ragpg.trust_role. A role of neither kind sees no rows. Read by nobody but the owner.';

do $$
declare
    given record;
begin
    for given in
        select known.role_name, routine.oid::regprocedure as routine
        from pg_temp.given_rights as known
        join pg_proc as routine on routine.proname = known.name
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
    loop
        execute format('grant execute on function %s to %s', given.routine, given.role_name);
    end loop;
end
$$;
drop table pg_temp.given_rights;
