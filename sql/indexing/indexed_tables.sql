-- Which tables of one's own are collections?
create or replace view ragpg.indexed_tables with (security_invoker = true) as
select
    followed.table_name,
    followed.collection collate "C" as collection,
    followed.source_column collate "C" as source_column,
    followed.content_column collate "C" as content_column,
    followed.title_column collate "C" as title_column,
    followed.metadata_columns collate "C" as metadata_columns,
    followed.media_type collate "C" as media_type
from ragpg_internal.followed_tables() as followed;
comment on view ragpg.indexed_tables is
'A row per table that ragpg.index_table keeps in step with a collection.';
comment on column ragpg.indexed_tables.table_name is 'The table.';
comment on column ragpg.indexed_tables.collection is 'Name of the collection.';
comment on column ragpg.indexed_tables.source_column is 'The column that gives a document''s source.';
comment on column ragpg.indexed_tables.content_column is 'The column that gives its text.';
comment on column ragpg.indexed_tables.title_column is 'The column that gives its title, if any.';
comment on column ragpg.indexed_tables.metadata_columns is 'The columns that become its metadata.';
comment on column ragpg.indexed_tables.media_type is 'How the text is read, such as text/markdown.';
