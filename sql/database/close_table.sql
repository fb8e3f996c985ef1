-- A distributed table is its owner's alone, or again everybody's who may read documents.
create or replace function ragpg_internal.close_table(kept regclass, closed boolean) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    allowed record;
begin
    -- Nobody has a policy there, so that where a right is left nothing is shown.
    execute format(
        'alter table %s %s row level security',
        kept, case when closed then 'enable' else 'disable' end
    );
    if closed then
        for allowed in
            select distinct
                case given.grantee
                    when 0 then 'public' else given.grantee::regrole::text
                end as to_whom
            from (
                select acl.grantee
                from pg_class as one
                cross join aclexplode(one.relacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
                union all
                select acl.grantee
                from pg_class as one
                join pg_attribute as col on col.attrelid = one.oid
                cross join aclexplode(col.attacl) as acl
                where one.oid = kept and acl.grantee <> one.relowner
            ) as given
        loop
            execute format('revoke all on %s from %s', kept, allowed.to_whom);
        end loop;
        return;
    end if;
    for allowed in
        select
            case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom,
            bool_or(acl.privilege_type = 'DELETE') as writes
        from pg_class as documents
        cross join aclexplode(documents.relacl) as acl
        where documents.oid = 'ragpg.documents'::regclass
            and acl.privilege_type in ('SELECT', 'DELETE')
            and acl.grantee <> documents.relowner
        group by acl.grantee
    loop
        execute format('grant select on %s to %s', kept, allowed.to_whom);
        -- As ragpg.grant_writer gives it.
        if allowed.writes and kept = 'ragpg.chunks'::regclass then
            execute format(
                'grant update, delete, insert (%s) on %s to %s',
                (
                    select string_agg(quote_ident(col.attname), ', ' order by col.attnum)
                    from pg_attribute as col
                    where col.attrelid = kept
                        and col.attnum > 0
                        and not col.attisdropped
                        and col.attidentity = ''
                        and col.attgenerated = ''
                ),
                kept, allowed.to_whom
            );
        end if;
    end loop;
end
$$;
revoke execute on function ragpg_internal.close_table(regclass, boolean) from public;
comment on function ragpg_internal.close_table(regclass, boolean) is
'Takes every right on ragpg.chunks, distributed, or on a partition of it from all but its owner, or gives them back to who has them on ragpg.documents. Part of ragpg_internal.protect_table.';
