-- One row of somebody's table as a document.
create or replace function ragpg_internal.index_row(
    stored jsonb,
    collection text,
    source_column text,
    content_column text,
    title_column text,
    metadata_columns text,
    media_type text
) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    if coalesce(stored ->> source_column, '') !~ '\S' then
        return;  -- nothing to call it by
    end if;
    if coalesce(stored ->> content_column, '') !~ '\S' then
        perform ragpg.delete_document(collection, stored ->> source_column);
        return;
    end if;
    perform ragpg.put_document(
        collection => index_row.collection,
        source => stored ->> source_column,
        content => stored ->> content_column,
        title => coalesce(stored ->> nullif(title_column, ''), ''),
        media_type => index_row.media_type,
        metadata => (
            select coalesce(jsonb_object_agg(wanted.name, stored -> wanted.name), '{}')
            from unnest(metadata_columns::text[]) as wanted (name)
        )
    );
end
$$;
comment on function ragpg_internal.index_row(jsonb, text, text, text, text, text, text) is
'Stores a row, as jsonb, as a document of a collection; one without content is deleted. For ragpg.index_table.';
