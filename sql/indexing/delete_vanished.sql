-- What is no longer there, below these paths? It goes, unless that is suspiciously much.
create or replace function ragpg.delete_vanished(
    collection text,
    paths text[],
    kept text[],
    unread text[] default '{}',
    max_share double precision default 0.2,
    few bigint default 0,
    dry_run boolean default false
) returns table (candidates bigint, vanished text[])
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(delete_vanished.collection);
    ids bigint[];
begin
    if max_share is null or max_share < 0 or max_share > 1 then
        raise exception 'max_share is a share between 0 and 1, not %', coalesce(max_share::text, 'null')
            using errcode = 'RG005';
    end if;
    with placed as materialized (
        select document.id, document.source, place.path
        from ragpg.documents as document
        cross join ragpg_internal.source_paths(document.source) as place(path)
        where document.collection_id = parent_id
            and document.tenant = ragpg_internal.written_tenant()
    ),
    candidate as materialized (
        select distinct placed.id, placed.source
        from placed
        where placed.path in (select rtrim(given.path, '/') from unnest(paths) as given(path))
    ),
    unsure as (
        select placed.id
        from placed
        where placed.path in (select rtrim(one.path, '/') from unnest(unread) as one(path))
    ),
    gone as (
        select candidate.id, candidate.source
        from candidate
        where not exists (
            select from unnest(kept) as one(source) where one.source = candidate.source
        )
            and not exists (select from unsure where unsure.id = candidate.id)
    )
    select
        (select count(*) from candidate),
        coalesce(array_agg(gone.source order by gone.source), '{}'),
        coalesce(array_agg(gone.id), '{}')
    into candidates, vanished, ids
    from gone;
    if cardinality(vanished) > greatest(max_share * candidates, few) then
        raise exception '% of % documents would be deleted, more than %',
            cardinality(vanished), candidates, round((max_share * 100)::numeric, 1)::float || ' %'
            using errcode = 'RG012',
                hint = 'look whether the folder is the right one and complete; to delete them all'
                    ' the same: ragpg add --sync --delete-many, max_deleted_share=1 in Python,'
                    ' max_share => 1 in SQL';
    end if;
    if not dry_run then
        delete from ragpg.documents as document where document.id = any(ids);
    end if;
    return next;
end
$$;
comment on function ragpg.delete_vanished(text, text[], text[], text[], double precision, bigint, boolean)
is
'Deletes the documents whose source is one of the paths or lies below one (after / or #) and is not among kept; returns how many lie there and the sources that went. What is one of the unread paths or below one stays: it could not be looked at. Raises RG012, deleting nothing, when more than max_share of them would go, and more than few. dry_run deletes nothing. Their last versions stay in document_versions.';
