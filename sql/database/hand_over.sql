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
    if exists (select from ragpg_internal.ownership_changes()) and exists (
        select
        from pg_auth_members as given
        where given.roleid = to_regrole('ragpg_owner')
            and given.member <> quote_ident(current_user)::regrole
    ) then
        raise notice 'members of the role ragpg_owner own ragpg here from now on: %', (
            select string_agg(given.member::regrole::text, ', ' order by given.member)
            from pg_auth_members as given
            where given.roleid = to_regrole('ragpg_owner')
        );
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
