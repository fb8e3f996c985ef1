-- Which sentences shall a batch write that no other writes yet?
create or replace function ragpg_internal.start_context_batch(
    collection text,
    model text,
    asked_hashes bytea[],
    document_hashes bytea[]
) returns table (batch_id bigint, asked_hash bytea)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(start_context_batch.collection);
    new_id bigint;
begin
    insert into ragpg.context_batches as batch (collection_id, model, request_count)
    values (parent_id, start_context_batch.model, 0)
    returning batch.id into new_id;
    -- Two at once: the second waits for the first's rows and leaves them to it.
    return query
    insert into ragpg.chunk_contexts as written (
        collection_id, asked_hash, document_hash, model, batch_id
    )
    select parent_id, wanted.asked_hash, wanted.document_hash, start_context_batch.model, new_id
    from unnest(asked_hashes, document_hashes) as wanted (asked_hash, document_hash)
    order by wanted.asked_hash
    on conflict do nothing
    returning new_id, written.asked_hash;
    update ragpg.context_batches as batch
    set request_count = (
        select count(*) from ragpg.chunk_contexts as written where written.batch_id = new_id
    )
    where batch.id = new_id;
    delete from ragpg.context_batches as batch
    where batch.id = new_id and batch.request_count = 0;
end
$$;
comment on function ragpg_internal.start_context_batch(text, text, bytea[], bytea[]) is
'Makes a row of ragpg.context_batches and reserves for it those of the asked sentences (arrays of equal length) that are neither written nor in another open batch; returns them with the batch''s id, no row when none is left. To be committed before the batch is submitted.';
