-- May the caller change what all tenants use?
create or replace function ragpg_internal.check_shared(what text, proof uuid) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if not (select known.sees_all from ragpg_internal.proven_tenant(proof) as known) then
        raise exception '% belongs to all tenants', what
            using errcode = 'RG014', hint = 'only the owner of the schema may do this';
    end if;
end
$$;
revoke execute on function ragpg_internal.check_shared(text, uuid) from public;
comment on function ragpg_internal.check_shared(text, uuid) is
'Raises RG014 when tenants are on and who handed over its ragpg_internal.proof() is none who sees all of them.';
