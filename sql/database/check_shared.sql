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
