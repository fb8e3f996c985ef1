-- How large are the chunks of a search index, and how many say the same?
create or replace function ragpg_internal.chunk_overview(
    index_id bigint,
    proof uuid default case
        when ragpg_internal.is_distributed() then ragpg_internal.proof()
    end
)
returns table (
    chunks bigint, texts bigint, tokens_p05 integer, tokens_p50 integer, tokens_p95 integer
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
begin
    return query execute
        'select'
        ' count(*),'
        ' count(distinct ragpg_internal.hash_text(chunk.content)),'
        ' percentile_disc(0.05) within group (order by chunk.token_count),'
        ' percentile_disc(0.5) within group (order by chunk.token_count),'
        ' percentile_disc(0.95) within group (order by chunk.token_count)'
        ' from ragpg.chunks as chunk where chunk.index_id = $1'
        || ragpg_internal.own_condition(proof)
    using chunk_overview.index_id;
end
$$;
comment on function ragpg_internal.chunk_overview(bigint, uuid) is
'Returns how many chunks a search index has, how many different texts, and the tokens that 5, 50 and 95 % of them do not exceed; for the view corpus_overview. Security definer while tenants are kept apart on several servers (ragpg_internal.tenant_legs); then of the caller''s alone.';
