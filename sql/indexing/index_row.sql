-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    collection text,
    source text,
    content text,
    title text,
    metadata jsonb,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(source, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(content, '') !~ '\S' then
        perform ragpg.delete_document(collection, source);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => index_row.source,
        content => index_row.content,
        title => coalesce(index_row.title, ''),
        media_type => index_row.media_type,
        metadata => index_row.metadata
    );
end
$$;
comment on function ragpg_internal.index_row(text, text, text, text, jsonb, text) is
'Stores what a row says as a document of a collection; one without content is deleted. For ragpg.index_table.';
