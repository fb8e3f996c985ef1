-- Do the functions that read chunks do so as their owner, for whom no policy is asked?
create or replace function ragpg_internal.chunks_are_closed() returns boolean
language sql stable
begin atomic
    -- As it is now, in whichever plan: ragpg_internal.is_distributed() is folded into plans, and a
    -- session may have made them before.
    select bool_or(reader.prosecdef)
    from pg_proc as reader
    where reader.proname = 'known_chunks'
        and reader.pronamespace = 'ragpg_internal'::regnamespace;
end;
comment on function ragpg_internal.chunks_are_closed() is
'Returns whether ragpg.chunks is its owner''s alone, because tenants are kept apart and it is distributed: then those of ragpg_internal.proof_takers run as the owner.';
