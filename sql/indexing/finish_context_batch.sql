-- A batch is over: what did it not write?
create or replace function ragpg_internal.finish_context_batch(
    batch_id bigint, error text default null
)
returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    left_over bigint;
begin
    delete from ragpg.chunk_contexts as written
    where written.batch_id = finish_context_batch.batch_id and written.sentence is null;
    get diagnostics left_over = row_count;
    update ragpg.context_batches as batch
    set state = 'ended', error = finish_context_batch.error, ended_at = clock_timestamp()
    where batch.id = finish_context_batch.batch_id;
    return left_over;
end
$$;
comment on function ragpg_internal.finish_context_batch(bigint, text) is
'Ends a batch whose results are stored: what it left unwritten may be asked again. Returns how many sentences that are; error says why.';
