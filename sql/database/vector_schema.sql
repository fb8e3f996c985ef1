-- Where is pgvector? For statements that use its indexes, whose operator must be its own.
create or replace function ragpg_internal.vector_schema() returns text
language sql stable parallel safe
-- No search_path, but names bound when it is made: this is inlined, into every search.
return (
    select quote_ident(installed.nspname)
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as installed on installed.oid = extension.extnamespace
    where extension.extname = 'vector'
);
comment on function ragpg_internal.vector_schema() is
'Returns the schema of the extension vector, quoted. No function of ragpg has it on its search_path, because others may create operators there: ragpg_internal has names of its own for pgvector''s types, operators and functions, and statements that use an index name this schema.';
