-- Whose are these documents, and may they be written for whoever handed over this proof?
create or replace function ragpg_internal.document_owners(document_ids bigint[], proof uuid)
returns table (tenant text, owned_ids bigint[])
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    proven record;
    missing bigint;
begin
    select known.* into proven from ragpg_internal.proven_tenant(proof) as known;
    select given.id into missing
    from unnest(document_ids) as given (id)
    where not exists (
        select
        from ragpg.documents as document
        where document.id = given.id and (proven.sees_all or document.tenant = proven.tenant)
    )
    limit 1;
    if found then
        -- The same for one of another tenant as for one that never was.
        raise exception 'there is no document %', missing
            using errcode = 'RG007', hint = 'read the documents again and repeat';
    end if;
    return query
    select document.tenant, array_agg(document.id)
    from ragpg.documents as document
    where document.id = any(document_ids)
    group by document.tenant;
end
$$;
comment on function ragpg_internal.document_owners(bigint[], uuid) is
'Returns the tenants of documents, with the documents of each, for functions that write chunks as their owner. Raises RG007 where one is not there, or not the caller''s.';
