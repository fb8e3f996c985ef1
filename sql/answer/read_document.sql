-- What stands in a document between two characters?
create or replace function ragpg_internal.read_document(
    collection text, source text, start_char integer, end_char integer, filter jsonpath
) returns table (
    document_id bigint, document_version integer, title text, content text, page integer,
    metadata jsonb, length integer
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select
        document.id, document.version, document.title,
        substr(
            document.content, read_document.start_char + 1,
            read_document.end_char - read_document.start_char
        ),
        ragpg_internal.page_at(document.id, document.version, read_document.start_char),
        document.metadata, char_length(document.content)
    from ragpg.documents as document
    where document.collection_id = ragpg.collection_id(read_document.collection)
        and document.source = read_document.source
        and document.tenant = coalesce(ragpg_internal.searched_tenant(), document.tenant)
        and (
            read_document.filter is null
            or ragpg_internal.passes(document.metadata, read_document.filter)
        )
    order by document.tenant = ragpg_internal.written_tenant() desc, document.id
    limit 1;
end
$$;
comment on function ragpg_internal.read_document(text, text, integer, integer, jsonpath) is
'Returns the characters of a document''s newest version from start_char (from 0) to before end_char, with its length, where the collection holds the document for the session''s tenant and the filter, if given, lets it through; no row else.';
