-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    collection text,
    source text,
    content text,
    title text,
    metadata jsonb,
    media_type text,
    row_of uuid
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    stored_id bigint;
begin
    if coalesce(source, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(content, '') !~ '\S' then
        perform ragpg.delete_document(collection, source);
        return;
    end if;
    select stored.document_id into stored_id
    from ragpg.put_document(
        collection => index_row.collection,
        source => index_row.source,
        content => index_row.content,
        title => coalesce(index_row.title, ''),
        media_type => index_row.media_type,
        metadata => index_row.metadata
    ) as stored;
    update ragpg.documents as document
    set row_of = index_row.row_of
    where document.id = stored_id and document.row_of is distinct from index_row.row_of;
end
$$;
comment on function ragpg_internal.index_row(text, text, text, text, jsonb, text, uuid) is
'Stores what a row says as a document of a collection; one without content is deleted. For ragpg.index_table.';
