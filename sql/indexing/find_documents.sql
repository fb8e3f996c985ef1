-- Which documents are meant by a filter or a list of sources? A page of them.
create or replace function ragpg.find_documents(
    collection text default 'default',
    filter jsonpath default null,
    sources text[] default null,
    page_size integer default null,
    after text default null
) returns table (document_id bigint, source text)
language plpgsql stable
set search_path = ragpg, pg_temp
-- What is not given is planned away.
set plan_cache_mode = force_custom_plan
as $$
begin
    perform ragpg_internal.check_filter(filter);
    if page_size < 1 then
        raise exception 'page_size must be at least 1, not %', page_size using errcode = 'RG005';
    end if;
    return query
    select document.id, document.source
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(find_documents.collection)
        and (after is null or document.source > after)
        and ragpg_internal.is_chosen(document.source, document.metadata, sources, filter)
    order by document.source, document.id
    limit page_size;
end
$$;
comment on function ragpg.find_documents(text, jsonpath, text[], integer, text) is
'Returns the documents of a collection whose metadata match the filter and whose source is one of the sources, all without either, in the order of their sources; page_size of them, those after a source: the last one of the page before. document_status tells more of each. Raises RG004 for a filter that is no predicate.';
