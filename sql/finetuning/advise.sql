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
    where of_set.collection_id = parent_id and run.finished_at is not null and not run.is_trial;
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
'Walks from what the database knows to retrieval, fine-tuning, the prompt or neither: how often documents change, whether answers are cited, what the newest evaluation run that is no trial got wrong (facts missing, read wrongly, or right in fact and wrong in form), and how many examples a person vouched for. A row a step with what it points to and the next command, last the verdict. No model is asked.';
