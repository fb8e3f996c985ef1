-- May this data be submitted, or was it already?
create or replace function ragpg_internal.start_finetuning(
    provider text,
    base_model text,
    training_hash bytea,
    validation_hash bytea default null,
    parameters jsonb default '{}',
    again boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    known ragpg.finetune_jobs;
    new_id bigint;
begin
    -- Two at once: the second waits, and finds what the first made.
    perform pg_advisory_xact_lock(
        hashtext('ragpg_internal.start_finetuning'), hashtext(encode(training_hash, 'hex') || base_model)
    );
    select job.* into known
    from ragpg.finetune_jobs as job
    where job.provider = start_finetuning.provider
        and job.base_model = start_finetuning.base_model
        and job.training_hash = start_finetuning.training_hash
        and job.validation_hash is not distinct from start_finetuning.validation_hash
    order by job.id desc
    limit 1;
    if known.id is not null and known.job_id is null then
        return known.id;  -- interrupted before the provider knew it, or before we knew that it did
    end if;
    if known.id is not null and not again and known.state not in ('failed', 'cancelled') then
        raise exception 'this data was submitted already: job % of %, %',
            known.id, known.created_at::date, known.state
            using errcode = 'RG005', hint = format('ragpg finetune status %s, or submit --again', known.id);
    end if;
    insert into ragpg.finetune_jobs (
        provider, base_model, training_hash, validation_hash, parameters
    )
    values (
        start_finetuning.provider, start_finetuning.base_model, start_finetuning.training_hash,
        start_finetuning.validation_hash, start_finetuning.parameters
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_finetuning(text, text, bytea, bytea, jsonb, boolean) is
'Returns the id of the row of ragpg.finetune_jobs for this data and base model: a new one, or one whose submission was interrupted. Raises RG005 when the same data was submitted before, unless again, or that job failed or was cancelled.';
