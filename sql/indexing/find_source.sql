-- Which document is meant by this name?
create or replace function ragpg.find_source(collection text, variadic names text[]) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(find_source.collection);
    of_tenant constant text := ragpg_internal.written_tenant();
    found_sources text[];
begin
    -- Deleted ones are meant, too: they have a history, and can be erased.
    select array_agg(known.source order by known.is_gone, known.source) into found_sources
    from (
        select document.source, false as is_gone
        from ragpg.documents as document
        where document.collection_id = parent_id and document.tenant = of_tenant
        union
        select earlier.source, true
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = of_tenant
            and not exists (
                select
                from ragpg.documents as document
                where document.collection_id = parent_id
                    and document.tenant = of_tenant
                    and document.source = earlier.source
            )
    ) as known
    where known.source = any(names)
        or right(known.source, char_length(names[1]) + 1) = '/' || names[1];
    if cardinality(found_sources) > 1 and not found_sources && names then
        raise exception '"%" is the end of % sources: %',
            names[1], cardinality(found_sources), array_to_string(found_sources[:5], ', ')
            using errcode = 'RG005', hint = 'name one of them whole';
    end if;
    return coalesce(
        (
            select known.name
            from unnest(names) with ordinality as known (name, place)
            where known.name = any(found_sources)
            order by known.place
            limit 1
        ),
        found_sources[1],
        names[1]
    );
end
$$;
comment on function ragpg.find_source(text, text[]) is
'Returns the source of the document that is meant, a deleted one too: the first of the names that is one, or else the only one that ends with a slash and the first name; the first name itself where there is none. Raises RG005 where several end so.';
