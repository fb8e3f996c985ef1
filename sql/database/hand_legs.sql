-- Who may call what reads and writes for tenants, and as whom does it run?
create or replace function ragpg_internal.hand_legs() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    leg record;
    granted record;
    quiet regprocedure;
    propagated constant text := current_setting('citus.enable_ddl_propagation', true);
begin
    -- Workers have these functions, too, and there they stay without rights.
    perform set_config('citus.enable_ddl_propagation', 'off', true)
    where ragpg_internal.is_distributed();
    for leg in select own.* from ragpg_internal.proof_takers() as own loop
        if not leg.runs_as_owner then
            execute format('alter function %s security invoker', leg.called);
            execute format('grant execute on function %s to public', leg.called);
            continue;
        end if;
        execute format('alter function %s security definer', leg.called);
        execute format('revoke execute on function %s from public', leg.called);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as documents
            cross join aclexplode(documents.relacl) as acl
            where documents.oid = 'ragpg.documents'::regclass
                and acl.privilege_type = case when leg.writes then 'DELETE' else 'SELECT' end
        loop
            execute format('grant execute on function %s to %s', leg.called, granted.to_whom);
        end loop;
    end loop;
    if not ragpg_internal.is_distributed() then
        return;
    end if;
    -- What Citus sends to shards, and it tells whoever asks, names tenants where all are counted.
    for quiet in
        select routine.oid
        from pg_proc as routine
        where routine.pronamespace in ('ragpg'::regnamespace, 'ragpg_internal'::regnamespace)
            and routine.prosecdef
    loop
        execute format('alter function %s set citus.log_remote_commands = off', quiet);
        execute format('alter function %s set client_min_messages = notice', quiet);
    end loop;
    perform set_config('citus.enable_ddl_propagation', propagated, true);
end
$$;
revoke execute on function ragpg_internal.hand_legs() from public;
comment on function ragpg_internal.hand_legs() is
'Makes the functions of ragpg_internal.proof_takers security definer, for those who may read (or write) documents, or what they were; where ragpg.chunks is distributed, functions that run as their owner do not tell what Citus sends. Part of ragpg.enable_tenants.';
