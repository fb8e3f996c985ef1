-- The nearest chunks, for clients written for the convention of this name.
create or replace function ragpg.match_documents(
    query_embedding vector,
    match_count integer default 10,
    filter jsonb default '{}',
    collection text default null
) returns table (id bigint, content text, metadata jsonb, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    conditions jsonpath;
begin
    if jsonb_path_exists(filter, '$.* ? (@.type() == "object" || @.type() == "array")') then
        raise exception 'the filter % holds more than plain values', filter
            using errcode = 'RG005', hint = 'use ragpg.search, whose filter is a jsonpath predicate';
    end if;
    select string_agg(format('$.%s == %s', to_json(wanted.key), wanted.value), ' && ')::jsonpath
    into conditions
    from jsonb_each(filter) as wanted;
    return query
    select hit.chunk_id, hit.content, hit.metadata, hit.similarity
    from ragpg.search(
        query => '', k => match_count, collection => match_documents.collection,
        filter => conditions, query_embedding => match_documents.query_embedding::halfvec,
        mode => 'vector'
    ) as hit
    order by hit.place;
end
$$;
comment on function ragpg.match_documents(vector, integer, jsonb, text) is
'Returns the match_count chunks nearest to an embedding, best first, of documents whose metadata have each key''s value in the filter. The calling convention of many client libraries; ragpg.search does more. Raises RG005 when the filter is nested.';
