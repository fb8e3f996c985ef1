alter table ragpg.search_indexes alter column chunker set default 'structure-1';
comment on column ragpg.search_indexes.chunker is 'The chunker and its version.';
comment on column ragpg.chunks.context is
'What is put before the content for embedding and word search: title, heading path, a table''s header row. Not verbatim.';
