-- 0018: fine-tuning jobs.

create table ragpg.finetune_jobs (
    id bigint generated always as identity,
    provider text not null,
    base_model text not null,
    training_hash bytea not null,
    validation_hash bytea,
    parameters jsonb not null default '{}',
    training_file_id text,
    validation_file_id text,
    job_id text,
    state text not null default 'uploading',
    finished_model text,
    error text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint finetune_jobs_pkey primary key (id),
    constraint finetune_jobs_training_hash_is_a_sha256 check (octet_length(training_hash) = 32)
);
comment on table ragpg.finetune_jobs is
'Datasets handed to a provider for fine-tuning, and what became of them.';
comment on column ragpg.finetune_jobs.id is 'Key.';
comment on column ragpg.finetune_jobs.provider is 'Whose machines: openai or bedrock.';
comment on column ragpg.finetune_jobs.base_model is 'The model that is fine-tuned.';
comment on column ragpg.finetune_jobs.training_hash is 'SHA-256 of the training file: the same data is not submitted twice unasked.';
comment on column ragpg.finetune_jobs.validation_hash is 'SHA-256 of the validation file, if there is one.';
comment on column ragpg.finetune_jobs.parameters is 'What else the provider was told.';
comment on column ragpg.finetune_jobs.training_file_id is 'The provider''s name of the uploaded training file.';
comment on column ragpg.finetune_jobs.validation_file_id is 'The same of the validation file.';
comment on column ragpg.finetune_jobs.job_id is 'The provider''s name of the job; null until it is known.';
comment on column ragpg.finetune_jobs.state is 'uploading, then a word of OpenAI''s API: validating_files, queued, running, succeeded, failed, cancelled.';
comment on column ragpg.finetune_jobs.finished_model is 'The name of the model that came out.';
comment on column ragpg.finetune_jobs.error is 'Why it failed, in the provider''s words.';
comment on column ragpg.finetune_jobs.created_at is 'When the submission began.';
comment on column ragpg.finetune_jobs.updated_at is 'When the state was last heard of.';

-- May this data be submitted, or was it already?
create or replace function ragpg.start_finetuning(
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
        hashtext('ragpg.start_finetuning'), hashtext(encode(training_hash, 'hex') || base_model)
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
comment on function ragpg.start_finetuning(text, text, bytea, bytea, jsonb, boolean) is
'Returns the id of the row of ragpg.finetune_jobs for this data and base model: a new one, or one whose submission was interrupted. Raises RG005 when the same data was submitted before, unless again, or that job failed or was cancelled.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant insert, update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';
