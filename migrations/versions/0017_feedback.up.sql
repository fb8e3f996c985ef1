-- 0017: what people think of answers, examples to learn from, and which way to go.

create table ragpg.answer_feedback (
    id bigint generated always as identity,
    answer_id bigint not null,
    rating text not null,
    corrected_text text,
    comment text not null default '',
    given_by text not null default current_user,
    given_at timestamptz not null default now(),
    constraint answer_feedback_pkey primary key (id),
    constraint answer_feedback_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete cascade,
    constraint answer_feedback_rating_is_known check (rating in ('good', 'bad')),
    constraint answer_feedback_corrected_text_is_not_blank check (corrected_text ~ '\S')
);
comment on table ragpg.answer_feedback is
'What people think of answers; the newest row of an answer counts. It goes with its answer, also when a cited document is erased.';
comment on column ragpg.answer_feedback.id is 'Key.';
comment on column ragpg.answer_feedback.answer_id is 'The answer.';
comment on column ragpg.answer_feedback.rating is 'good or bad.';
comment on column ragpg.answer_feedback.corrected_text is 'What it should have said; null when nothing was corrected.';
comment on column ragpg.answer_feedback.comment is 'A remark.';
comment on column ragpg.answer_feedback.given_by is 'The role that stored it.';
comment on column ragpg.answer_feedback.given_at is 'When.';
create index answer_feedback_answer_id_btree on ragpg.answer_feedback (answer_id);
comment on index ragpg.answer_feedback_answer_id_btree is 'Serves the newest feedback of an answer.';

-- Was an answer good, and what should it have said?
create or replace function ragpg.feedback(
    answer_id bigint,
    rating text,
    corrected_text text default null,
    comment text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    new_id bigint;
begin
    if rating is null or rating not in ('good', 'bad') then
        raise exception 'the rating is %, not good or bad', coalesce(quote_literal(rating), 'null')
            using errcode = 'RG005', hint = 'say good or bad; what it should have said is corrected_text';
    end if;
    if not exists (select from ragpg.answers as answer where answer.id = feedback.answer_id) then
        raise exception 'there is no answer %', coalesce(answer_id::text, 'null')
            using errcode = 'RG005', hint = 'table ragpg.answers has them, with their questions';
    end if;
    insert into ragpg.answer_feedback (answer_id, rating, corrected_text, comment)
    values (
        feedback.answer_id, feedback.rating, nullif(btrim(feedback.corrected_text), ''),
        coalesce(feedback.comment, '')
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.feedback(bigint, text, text, text) is
'Stores what a person thinks of an answer: good or bad, what it should have said, a comment; returns its id. The newest counts. Raises RG005.';

-- Which question and answer pairs has a person vouched for?
create or replace view ragpg.finetuning_examples with (security_invoker = true) as
select
    one.name as collection,
    case when newest.corrected_text is null then 'accepted answer' else 'corrected answer' end
        as origin,
    answer.question,
    coalesce(newest.corrected_text, answer.content) as answer,
    coalesce(
        (
            select coalesce(document.source, earlier.source)
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = answer.id
            order by cited.ordinal
            limit 1
        ),
        answer.question
    ) as split_by
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
cross join lateral (
    select said.rating, said.corrected_text
    from ragpg.answer_feedback as said
    where said.answer_id = answer.id
    order by said.id desc
    limit 1
) as newest
where newest.corrected_text is not null or newest.rating = 'good'
union all
select
    one.name,
    'evaluation set ' || of_set.name,
    question.question,
    question.expected_answer,
    coalesce(
        (
            select min(label.source)
            from ragpg.evaluation_labels as label
            where label.evaluation_question_id = question.id
        ),
        question.question
    )
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
where question.expected_answer ~ '\S';
comment on view ragpg.finetuning_examples is
'A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.';
comment on column ragpg.finetuning_examples.collection is 'Name of the collection.';
comment on column ragpg.finetuning_examples.origin is 'accepted answer, corrected answer, or the evaluation set.';
comment on column ragpg.finetuning_examples.question is 'The question.';
comment on column ragpg.finetuning_examples.answer is 'The answer to learn.';
comment on column ragpg.finetuning_examples.split_by is
'Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.';

-- Retrieval or fine-tuning?
create or replace function ragpg.advise(collection text default null)
returns table (step text, finding text, points_to text, next_command text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(advise.collection);
    asked_as text := (
        select '-c ' || one.name from ragpg.collections as one where one.id = parent_id
    );
    measure_command text := format(
        'ragpg eval load FILE %1$s && ragpg eval run %1$s --answers', asked_as
    );
    documents bigint;
    changed bigint;
    answered bigint;
    cited bigint;
    run_id bigint;
    judged bigint;
    knowledge bigint;
    reading bigint;
    behaviour bigint;
    commonest text;
    remedy text;
    corrected bigint;
    examples bigint;
    -- Fewer teach a form unreliably; OpenAI's guide sees clear improvements from 50 to 100.
    enough constant integer := 50;
begin
    select count(*), count(*) filter (where document.updated_at > document.created_at
        and document.updated_at > now() - interval '30 days')
    into documents, changed
    from ragpg.documents as document
    where document.collection_id = parent_id;
    step := 'does the knowledge change?';
    finding := format('%s of %s documents changed in the last 30 days', changed, documents);
    points_to := case when changed > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg history SOURCE %s', asked_as);
    return next;

    select
        count(*),
        count(*) filter (where exists (
            select from ragpg.citations as quoted where quoted.answer_id = answer.id
        ))
    into answered, cited
    from ragpg.answers as answer
    where answer.collection_id = parent_id;
    step := 'must answers be traceable?';
    finding := format('%s of %s stored answers cite their source', cited, answered);
    points_to := case when cited > 0 then 'retrieval' else 'either' end;
    next_command := format('ragpg ask QUESTION %s', asked_as);
    return next;

    select max(run.id) into run_id
    from ragpg.evaluation_runs as run
    join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
    where of_set.collection_id = parent_id and run.finished_at is not null;
    select count(*) filter (where result.answer_id is not null) into judged
    from ragpg.evaluation_results as result
    where result.evaluation_run_id = run_id;
    select
        count(*) filter (where missed.kind in (
            'not in the corpus', 'cut across chunks', 'not among the candidates', 'ranked low',
            'should have abstained'
        )),
        count(*) filter (where missed.kind = 'answer wrong or uncited'),
        count(*) filter (where missed.kind = 'answer right in fact, wrong in form'),
        mode() within group (order by missed.kind),
        (array_agg(missed.what_to_try order by missed.times desc, missed.kind))[1]
    into knowledge, reading, behaviour, commonest, remedy
    from (
        select failed.kind, failed.what_to_try, count(*) over (partition by failed.kind) as times
        from ragpg.evaluation_failures as failed
        where failed.evaluation_run_id = run_id
    ) as missed;
    step := 'what goes wrong?';
    finding := case
        when run_id is null then 'no evaluation run yet'
        else format(
            'run %s: %s questions lack knowledge, %s were read wrongly, %s are right in fact and'
            ' wrong in form (%s answers judged)',
            run_id, knowledge, reading, behaviour, judged
        )
    end;
    points_to := case
        when run_id is null then 'measure'
        when knowledge > 0 and knowledge >= behaviour then 'retrieval'
        when behaviour > 0 then 'fine-tuning'
        when reading > 0 then 'prompt'
        else 'neither'
    end;
    next_command := case
        when run_id is null then measure_command
        else format('ragpg eval diagnose %s', run_id)
    end;
    return next;

    select count(*), count(*) filter (where example.origin = 'corrected answer')
    into examples, corrected
    from ragpg.finetuning_examples as example
    join ragpg.collections as one on one.name = example.collection
    where one.id = parent_id;
    step := 'are there examples to learn from?';
    finding := format('%s vouched for, %s of them corrected by a person', examples, corrected);
    points_to := case when examples >= enough then 'either' else 'retrieval' end;
    next_command := 'ragpg feedback ANSWER_ID good';
    return next;

    step := 'verdict';
    if run_id is null then
        finding := 'nothing is measured: evaluate before deciding';
        points_to := 'measure';
        next_command := measure_command;
    elsif knowledge > 0 and knowledge >= behaviour then
        finding := format(
            'a knowledge gap, mostly "%s": %s. Fine-tuning would not close it', commonest, remedy
        );
        points_to := 'retrieval';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif behaviour > 0 and behaviour >= reading and examples >= enough then
        finding := 'a behaviour gap with enough examples: fine-tune the form, leave facts to retrieval';
        points_to := 'fine-tuning';
        next_command := format('ragpg finetune export FILE %s', asked_as);
    elsif behaviour > 0 and behaviour >= reading then
        finding := format(
            'a behaviour gap, but %s examples (%s at least): say it in the prompt, collect corrections',
            examples, enough
        );
        points_to := 'prompt';
        next_command := 'ragpg feedback ANSWER_ID bad --corrected TEXT';
    elsif reading > 0 then
        finding := 'the facts were found and read wrongly: the prompt or another model comes first';
        points_to := 'prompt';
        next_command := format('ragpg eval diagnose %s', run_id);
    elsif judged = 0 then
        finding := 'retrieval finds what is labelled; whether answers are right is not measured';
        points_to := 'measure';
        next_command := format('ragpg eval run %s --answers', asked_as);
    else
        finding := 'nothing goes wrong in this evaluation set: ask harder questions';
        points_to := 'neither';
        next_command := format('ragpg eval draft %s', asked_as);
    end if;
    return next;
end
$$;
comment on function ragpg.advise(text) is
'Walks from what the database knows to retrieval, fine-tuning, the prompt or neither: how often documents change, whether answers are cited, what the newest evaluation run got wrong (facts missing, read wrongly, or right in fact and wrong in form), and how many examples a person vouched for. A row a step with what it points to and the next command, last the verdict. No model is asked.';

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
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback to %I',
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
