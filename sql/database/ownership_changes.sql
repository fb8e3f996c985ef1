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
        -- What somebody else has made there stays theirs: ragpg_internal.safety_problems tells.
        where thing.owner is distinct from to_regrole('ragpg_owner')::oid
            and (
                thing.owner = quote_ident(current_user)::regrole
                or thing.owner in (
                    select space.nspowner
                    from owned
                    join pg_namespace as space on space.oid = owned.oid
                )
            )
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
    ) as told
    order by told.place, told.statement;
end;
comment on function ragpg_internal.ownership_changes() is
'Returns the statements that give to ragpg_owner what of ragpg is somebody else''s. For ragpg_internal.hand_over.';
