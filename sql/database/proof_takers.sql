-- Which functions are told for whom they are called, and compare the tenant themselves?
create or replace function ragpg_internal.proof_takers()
returns table (called regprocedure, runs_as_owner boolean, writes boolean)
language sql stable
begin atomic
    select
        leg.oid::regprocedure,
        leg.proname in ('keyword_candidates', 'matching_documents')
        or ragpg_internal.is_distributed(),
        leg.proname in ('write_chunks', 'carry_chunks')
    from pg_proc as leg
    where leg.pronamespace = 'ragpg_internal'::regnamespace
        and leg.proname in (
            'keyword_candidates', 'matching_documents', 'vector_candidates', 'word_scores',
            'known_chunks', 'document_chunks', 'chunk_overview', 'known_embeddings',
            'write_chunks', 'carry_chunks'
        );
end;
comment on function ragpg_internal.proof_takers() is
'Returns the functions that read or write chunks and are handed ragpg_internal.proof(): which of them run as their owner while tenants are on (ragpg_internal.tenant_legs), and which write.';
