-- The advisory lock that stands for one document in one search index.
create or replace function ragpg_internal.claim_key(
    index_id bigint, document_id bigint
) returns bigint
language sql immutable parallel safe
begin atomic
    select hashtextextended(format('ragpg.index_documents %s %s', index_id, document_id), 0);
end;
comment on function ragpg_internal.claim_key(bigint, bigint) is
'Returns the key of the advisory lock a worker holds while it indexes a document.';
