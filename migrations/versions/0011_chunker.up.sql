-- 0011: the chunker became another: new search indexes say so.

alter table ragpg.search_indexes alter column chunker set default 'structure-2';
comment on column ragpg.search_indexes.chunker is
'The chunker and its version when the search index was made. Documents that change are cut by the present one; ragpg index build makes all of them anew.';
comment on column ragpg.chunks.context is
'What is put before the content for word search and, but for the title of all but the first chunk, for embedding; not verbatim: title, heading path; for later parts of a table its header rows and which rows they are.';
