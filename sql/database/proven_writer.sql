-- Whose will be what a function that runs as its owner writes?
create or replace function ragpg_internal.proven_writer(proof uuid) returns text
language sql stable
begin atomic
    select coalesce(
        case
            when not ragpg_internal.tenants_enabled() then ragpg_internal.written_tenant()
            else (
                select coalesce(bound.tenant, nullif(current_setting('ragpg.tenant', true), ''))
                from ragpg.tenant_roles as bound
                where bound.proof = proven_writer.proof
            )
        end,
        ''
    );
end;
comment on function ragpg_internal.proven_writer(uuid) is
'Returns the tenant of who handed over ragpg_internal.proof(), empty for none: for what readers leave behind by functions that run as their owner.';
