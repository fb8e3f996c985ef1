-- After an upgrade or a restore: whose ragpg is, and who sees what.
create or replace function ragpg.secure() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.secure'));
    perform ragpg_internal.hand_over();
    perform ragpg_internal.reunite_chunks();
    if ragpg_internal.tenants_enabled() then
        perform ragpg.enable_tenants();
    end if;
end
$$;
revoke execute on function ragpg.secure() from public;
comment on function ragpg.secure() is
'Gives everything of ragpg to the role ragpg_owner, which nobody logs in as, so that functions that run as their owner have no more rights than ragpg itself; where the caller may not make that role, all stays whose it is, with a notice. Where tenants are on, they are kept apart anew. ragpg init and ragpg migrate call it; call it after a restore.';
