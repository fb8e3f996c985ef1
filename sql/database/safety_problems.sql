-- Who could see too much, or sees nothing?
create or replace function ragpg_internal.safety_problems()
returns table (problem text, object text, detail text, what_to_do text)
language sql stable
begin atomic
    with kept as materialized (
        select
            held.relation, part.relrowsecurity,
            part.relispartition or part.relkind = 'p' as is_spread
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
            'others may create in ragpg', acl.grantee::regrole::text,
            format('in the schema %I, on which functions that run as their owner rely', space.nspname),
            format('revoke create on schema %I from %s', space.nspname, acl.grantee::regrole)
        from pg_namespace as space
        cross join aclexplode(space.nspacl) as acl
        where space.nspname in ('ragpg', 'ragpg_internal')
            and acl.privilege_type = 'CREATE'
            and acl.grantee <> space.nspowner
        union all
        select
            'object of another role in ragpg', made.name, format('%s made it', made.owner::regrole),
            'see what it does; drop it, or give it to the owner of ragpg'
        from pg_namespace as space
        cross join lateral (
            select routine.oid::regprocedure::text as name, routine.proowner as owner
            from pg_proc as routine
            where routine.pronamespace = space.oid
            union all
            select relation.oid::regclass::text, relation.relowner
            from pg_class as relation
            where relation.relnamespace = space.oid and relation.relkind in ('r', 'p', 'v', 'm')
            union all
            select operator.oid::regoperator::text, operator.oprowner
            from pg_operator as operator
            where operator.oprnamespace = space.oid
        ) as made
        where space.nspname in ('ragpg', 'ragpg_internal') and made.owner <> space.nspowner
        union all
        select
            'table is not kept apart', kept.relation::text, 'every reader sees all its rows',
            'select ragpg.secure()'
        from kept
        where not kept.relrowsecurity
        union all
        select
            'function does not run as its owner', leg.called::text,
            'it searches slowly, without its index, or not at all', 'select ragpg.secure()'
        from ragpg_internal.tenant_legs() as leg
        join pg_proc as routine on routine.oid = leg.called
        where ragpg_internal.tenants_enabled() and not routine.prosecdef
        union all
        select
            'table of all tenants may be read', kept.relation::text,
            format('by %s', string_agg(acl.grantee::regrole::text, ', ')), 'select ragpg.secure()'
        from kept
        join pg_class as part on part.oid = kept.relation
        cross join aclexplode(part.relacl) as acl
        where ragpg_internal.is_distributed()
            and kept.is_spread
            and acl.grantee <> part.relowner
        group by kept.relation
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
        where (
            told.target <> 0 or exists (
                select
                from pg_stats as known
                where known.schemaname = told.schema_name
                    and known.tablename = told.relation_name
                    and known.attname = told.name
            )
        )
            -- Who may not read the chunks, and distributed nobody may, is told no estimates.
            and not (kept.is_spread and ragpg_internal.is_distributed())
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
        where bound.role <> '' and not exists (select from pg_roles as known where known.rolname = bound.role)
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
