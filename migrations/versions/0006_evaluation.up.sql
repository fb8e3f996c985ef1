-- Runs that tried other settings than those in use.
alter table ragpg.evaluation_runs add column is_trial boolean not null default false;
comment on column ragpg.evaluation_runs.is_trial is
'Whether it tried other settings than those in use (ragpg tune, ragpg index compare): such a run is judged only where it is named.';
update ragpg.evaluation_runs set is_trial = true where note in ('tune', 'index compare');

drop function ragpg_internal.start_evaluation(text, text, integer, text, bigint, text);

-- Is there such a run, and is it finished?
create or replace function ragpg_internal.check_run(run_id bigint) returns bigint
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    known text;
begin
    if exists (
        select
        from ragpg.evaluation_runs as run
        where run.id = check_run.run_id and run.finished_at is not null
    ) then
        return run_id;
    end if;
    select string_agg(newest.id::text, ', ' order by newest.id) into known
    from (
        select run.id
        from ragpg.evaluation_runs as run
        where run.finished_at is not null
        order by run.id desc
        limit 10
    ) as newest;
    raise exception 'there is no finished evaluation run %', coalesce(run_id::text, '(null)')
        using errcode = 'RG011',
            hint = coalesce('the newest are: ' || known, 'there is none yet: ragpg eval run');
end
$$;
comment on function ragpg_internal.check_run(bigint) is
'Returns the id of a finished evaluation run; raises RG011, with those there are, for any other.';

-- When is there an answer?
create or replace function ragpg.calibrate(
    run_id bigint, keep double precision default 0.95, store boolean default true
) returns table (
    min_similarity double precision, min_relevance double precision,
    relevance_weights double precision[], answerable bigint, kept double precision,
    kept_low double precision, kept_high double precision, unanswerable bigint,
    refused double precision, refused_low double precision, refused_high double precision,
    kept_by_similarity double precision, refused_by_similarity double precision
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    run ragpg.evaluation_runs;
    best double precision[];
    held double precision[];
    missing integer[];
    unmatched boolean[];
    truth boolean[];
    part integer[];
    chosen record;  -- on all questions
    other record;  -- on four fifths of them
    -- Of each question, by what was chosen on the other four fifths: is it answered?
    answered boolean[] := '{}';
    answered_by_similarity boolean[] := '{}';
    counts record;
begin
    if not (calibrate.keep between 0 and 1) then
        raise exception 'keep is %, a share from 0 to 1 is needed', calibrate.keep
            using errcode = 'RG005';
    end if;
    select known.* into run
    from ragpg.evaluation_runs as known
    where known.id = ragpg_internal.check_run(run_id);
    if not exists (
        select from ragpg.search_indexes as recipe where recipe.id = run.index_id
    ) then
        raise exception 'search index % of evaluation run % was dropped', run.index_id, run_id
            using errcode = 'RG010', hint = 'run the evaluation again: ragpg eval run';
    end if;
    select
        array_agg(asked.similarity order by asked.id),
        array_agg(signal.words_held order by asked.id),
        array_agg(cardinality(signal.missing_names) order by asked.id),
        array_agg(signal.unmatched_negation order by asked.id),
        array_agg(asked.is_answerable order by asked.id)
    into best, held, missing, unmatched, truth
    from (
        select
            question.id, question.question, question.is_answerable,
            coalesce(max(hit.similarity), 0) as similarity,
            array_agg(
                substring(
                    ragpg.document_text(hit.document_id, hit.document_version)
                    from hit.start_char + 1 for hit.end_char - hit.start_char
                ) order by hit.place
            ) filter (where hit.place <= 3) as passages,
            array_agg(document.title order by hit.place) filter (where hit.place <= 3) as titles
        from ragpg.evaluation_results as result
        join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
        left join ragpg.evaluation_hits as hit
            on hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
        left join ragpg.documents as document on document.id = hit.document_id
        where result.evaluation_run_id = run.id
        group by question.id
    ) as asked
    cross join lateral ragpg_internal.answer_signals(
        run.index_id, asked.question, asked.passages, asked.titles
    ) as signal;
    select fitted.* into chosen
    from ragpg_internal.choose_abstention(
        best, held, missing, unmatched, truth, calibrate.keep
    ) as fitted;
    -- A fifth of either kind in each part.
    part := array(
        select row_number() over (partition by given.yes order by given.place) % 5
        from unnest(truth) with ordinality as given (yes, place)
        order by given.place
    );
    if least(
        cardinality(array_positions(truth, true)), cardinality(array_positions(truth, false))
    ) < 2 then
        raise exception 'one of the % questions is %answerable: what is chosen cannot be tested',
            cardinality(truth),
            case when cardinality(array_positions(truth, true)) = 1 then '' else 'un' end
            using errcode = 'RG011', hint = 'an evaluation set needs some of both kinds';
    end if;
    for fifth in 0..4 loop
        select fitted.* into other
        from (
            select
                array_agg(one.similarity) as best, array_agg(one.held) as held,
                array_agg(one.missing) as missing, array_agg(one.unmatched) as unmatched,
                array_agg(one.yes) as truth
            from unnest(best, held, missing, unmatched, truth, part)
                as one (similarity, held, missing, unmatched, yes, part)
            where one.part <> fifth
        ) as four
        cross join lateral ragpg_internal.choose_abstention(
            four.best, four.held, four.missing, four.unmatched, four.truth, calibrate.keep
        ) as fitted;
        for place in 1..cardinality(truth) loop
            if part[place] = fifth then
                answered[place] := best[place] >= other.min_similarity
                    and ragpg_internal.logistic(
                        other.relevance_weights, best[place], held[place], missing[place],
                        unmatched[place]
                    ) >= other.min_relevance;
                answered_by_similarity[place] := best[place] >= other.similarity_alone;
            end if;
        end loop;
    end loop;
    select
        count(*) filter (where given.yes) as answerable,
        count(*) filter (where not given.yes) as unanswerable,
        count(*) filter (where given.yes and given.answered) as kept,
        count(*) filter (where not given.yes and not given.answered) as refused,
        count(*) filter (where given.yes and given.by_similarity) as kept_by_similarity,
        count(*) filter (where not given.yes and not given.by_similarity) as refused_by_similarity
    into counts
    from unnest(truth, answered, answered_by_similarity) as given (yes, answered, by_similarity);
    answerable := counts.answerable;
    unanswerable := counts.unanswerable;
    kept_by_similarity := counts.kept_by_similarity::double precision / answerable;
    refused_by_similarity := counts.refused_by_similarity::double precision / unanswerable;
    kept := counts.kept::double precision / answerable;
    refused := counts.refused::double precision / unanswerable;
    relevance_weights := chosen.relevance_weights;
    if kept + refused > kept_by_similarity + refused_by_similarity then
        min_similarity := chosen.min_similarity;
        min_relevance := chosen.min_relevance;
    else
        -- Too few questions, or none of the kind the signals tell: similarity alone is as good.
        min_similarity := chosen.similarity_alone;
        min_relevance := null;
        kept := kept_by_similarity;
        refused := refused_by_similarity;
    end if;
    select bounds.low, bounds.high into kept_low, kept_high
    from ragpg_internal.wilson_interval(round(kept * answerable)::bigint, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg_internal.wilson_interval(
        round(refused * unanswerable)::bigint, unanswerable
    ) as bounds;
    if store then
        update ragpg.search_indexes as recipe
        set min_similarity = calibrate.min_similarity,
            min_relevance = calibrate.min_relevance,
            relevance_offset = calibrate.relevance_weights[1],
            relevance_slope = calibrate.relevance_weights[2],
            words_held_slope = calibrate.relevance_weights[3],
            missing_names_slope = calibrate.relevance_weights[4],
            unmatched_negation_slope = calibrate.relevance_weights[5]
        where recipe.id = run.index_id;
    end if;
    return next;
end
$$;
comment on function ragpg.calibrate(bigint, double precision, boolean) is
'Chooses, from a run over answerable and unanswerable questions, when ask abstains: below a similarity of the best hit or a ragpg_internal.relevance, so that the given share of answerable questions is kept. Stores both and the weights of relevance with the run''s search index unless told not to. Kept and refused are shares of questions nothing was chosen on (each fifth by the other four), with 95 % intervals, beside what a threshold on similarity alone does to the same questions; where that is as good, which the same shares decide, min_relevance is null. Raises RG005, RG010, RG011.';

-- Is this run better than that one, or is it chance?
create or replace function ragpg.compare_runs(
    first_run bigint, second_run bigint, samples integer default 2000, split text default null
) returns table (
    measure text, questions bigint, first_mean double precision, second_mean double precision,
    difference double precision, low double precision, high double precision,
    better bigint, worse bigint
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
begin
    perform ragpg_internal.check_run(first_run), ragpg_internal.check_run(second_run);
    perform setseed(0.5);  -- the same runs give the same interval
    return query
    with pair as materialized (
        select
            row_number() over (order by a.evaluation_question_id) as number,
            value.measure, value.was, value.became
        from ragpg.evaluation_measures as a
        join ragpg.evaluation_measures as b
            on b.evaluation_run_id = second_run
            and b.evaluation_question_id = a.evaluation_question_id
        cross join lateral (
            values
                ('success', a.success, b.success),
                ('recall', a.recall, b.recall),
                ('mrr', a.reciprocal_rank, b.reciprocal_rank),
                ('ndcg', a.ndcg, b.ndcg),
                ('span_recall', a.span_recall, b.span_recall),
                ('span_iou', a.span_iou, b.span_iou)
        ) as value (measure, was, became)
        where a.evaluation_run_id = first_run
            and a.relevant_chunks > 0
            and b.relevant_chunks > 0
            and (
                compare_runs.split is null
                or ragpg_internal.evaluation_split(a.evaluation_question_id) = compare_runs.split
            )
    ),
    numbered as materialized (
        select
            pair.measure, coalesce(pair.became, 0) - coalesce(pair.was, 0) as difference,
            row_number() over (partition by pair.measure order by pair.number) as number
        from pair
    ),
    drawn as materialized (
        select sample, 1 + floor(random() * total.questions)::bigint as number
        from (select count(distinct numbered.number) as questions from numbered) as total
        cross join generate_series(1, samples) as sample
        cross join lateral generate_series(1, total.questions)
    ),
    resampled as (
        select numbered.measure, avg(numbered.difference) as difference
        from drawn
        join numbered on numbered.number = drawn.number
        group by numbered.measure, drawn.sample
    ),
    bounded as (
        select
            resampled.measure,
            percentile_cont(0.025) within group (order by resampled.difference) as low,
            percentile_cont(0.975) within group (order by resampled.difference) as high
        from resampled
        group by resampled.measure
    )
    select
        pair.measure,
        count(*),
        avg(coalesce(pair.was, 0)),
        avg(coalesce(pair.became, 0)),
        avg(coalesce(pair.became, 0) - coalesce(pair.was, 0)),
        bounded.low,
        bounded.high,
        count(*) filter (where coalesce(pair.became, 0) > coalesce(pair.was, 0)),
        count(*) filter (where coalesce(pair.became, 0) < coalesce(pair.was, 0))
    from pair
    join bounded on bounded.measure = pair.measure
    group by pair.measure, bounded.low, bounded.high
    order by array_position(
        array['success', 'recall', 'mrr', 'ndcg', 'span_recall', 'span_iou'], pair.measure
    );
end
$$;
comment on function ragpg.compare_runs(bigint, bigint, integer, text) is
'Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise. split keeps one half of them: train or held-out (ragpg_internal.evaluation_split). Raises RG011 for a run that there is not, or that did not finish.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg_internal.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    run ragpg.evaluation_runs;
    asked text;
    collection text;
    started timestamptz;
    latency double precision;
    found jsonb;
    relevant_ids bigint[];
    relevant integer;
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
begin
    select known.* into strict run from ragpg.evaluation_runs as known where known.id = run_id;
    select question.question, one.name into strict asked, collection
    from ragpg.evaluation_questions as question
    join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
    join ragpg.collections as one on one.id = of_set.collection_id
    where question.id = question_id and of_set.id = run.evaluation_set_id;
    started := clock_timestamp();
    select coalesce(jsonb_agg(to_jsonb(hit) - 'content' - 'metadata' - 'context'), '[]') into found
    from ragpg.search(
        query => asked, k => run.k, collection => collection,
        query_embedding => evaluate_question.query_embedding, mode => run.mode,
        index_id => run.index_id
    ) as hit;
    latency := extract(epoch from clock_timestamp() - started) * 1000;

    with span as materialized (
        select label.*
        from (
            select
                one.*, known.is_of_document,
                bool_and(known.is_of_document) over (partition by one.document_id) as is_alone
            from ragpg.evaluation_label_spans as one
            join ragpg.evaluation_labels as given on given.id = one.evaluation_label_id
            cross join lateral (
                select given.quote is null and num_nulls(given.start_char, given.end_char) = 2
            ) as known (is_of_document)
            where one.evaluation_question_id = question_id
        ) as label
        -- Of a document labelled as a whole any chunk will do; a text labelled in it is stricter.
        where label.state <> 'found' or label.is_of_document = label.is_alone
    ),
    touched as materialized (
        select
            span.evaluation_label_id, span.document_id, span.is_of_document, chunk.id,
            span.is_of_document
            or (chunk.start_char <= span.start_char and span.end_char <= chunk.end_char)
                as is_whole
        from span
        -- Looked up document by document: a join may be planned that reads every chunk.
        cross join lateral (
            select one.id, one.start_char, one.end_char
            from ragpg.chunks as one
            where one.index_id = run.index_id
                and one.document_id = span.document_id
                and one.start_char < span.end_char
                and span.start_char < one.end_char
            offset 0
        ) as chunk
        where span.state = 'found'
    )
    select
        (select coalesce(array_agg(distinct touched.id), '{}') from touched),
        (
            select count(distinct case when touched.is_of_document then -touched.document_id
                else touched.id end)
            from touched
        ),
        (select count(*) from span),
        (select count(*) from span where span.state <> 'found'),
        (
            select count(*)
            from span
            where span.state = 'found'
                and not exists (
                    select
                    from touched
                    where touched.evaluation_label_id = span.evaluation_label_id
                        and touched.is_whole
                )
        ),
        (
            select coalesce(jsonb_object_agg(by_document.document_id, by_document.spans::text), '{}')
            from (
                select
                    span.document_id,
                    case
                        when not bool_or(span.is_of_document)
                            then range_agg(int4range(span.start_char, span.end_char))
                    end as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, relevant, labels, lost, split, spans;

    select min(hit.place) into first_place
    from jsonb_to_recordset(found) as hit (place integer, chunk_id bigint)
    where hit.chunk_id = any(relevant_ids);
    if first_place is null and cardinality(relevant_ids) > 0 then
        -- Ranked too low, or not even a candidate?
        select min(hit.place) into first_place
        from ragpg.search(
            query => asked, k => (run.recipe ->> 'candidates')::integer * 2,
            collection => collection, query_embedding => evaluate_question.query_embedding,
            mode => run.mode, index_id => run.index_id
        ) as hit
        where hit.chunk_id = any(relevant_ids);
    end if;
    insert into ragpg.evaluation_results (
        evaluation_run_id, evaluation_question_id, hit_count, relevant_chunks,
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans,
        tenant
    )
    values (
        run_id, question_id, jsonb_array_length(found), relevant, first_place,
        latency, labels, lost, split, spans, run.tenant
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25, tenant
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25, run.tenant
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg_internal.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

-- Were the answers of a run right, cited, and withheld where there was nothing to say?
create or replace view ragpg.evaluation_answers with (security_invoker = true) as
select
    result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.is_answerable,
    question.expected_answer,
    answer.id as answer_id,
    answer.content as answer,
    answer.abstained,
    answer.abstained = not question.is_answerable as abstained_rightly,
    answer.grounded,
    cited.citations,
    cited.valid as valid_citations,
    cited.labelled as labelled_citations,
    result.grade,
    result.grade_reason,
    answer.latency_ms,
    answer.input_tokens,
    answer.output_tokens
from ragpg.evaluation_results as result
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
join ragpg.answers as answer on answer.id = result.answer_id
cross join lateral (
    select
        count(*) as citations,
        count(*) filter (
            where citation.quote = substr(
                ragpg.document_text(citation.document_id, citation.document_version),
                citation.start_char + 1,
                citation.end_char - citation.start_char
            )
        ) as valid,
        count(*) filter (
            where coalesce(
                result.labelled_spans -> citation.document_id::text = 'null'
                or (result.labelled_spans ->> citation.document_id::text)::int4multirange
                && int4range(citation.start_char, citation.end_char),
                false
            )
        ) as labelled
    from ragpg.citations as citation
    where citation.answer_id = answer.id
) as cited;
comment on view ragpg.evaluation_answers is
'A row per question of a run that was answered too (ragpg eval run --answers): abstained rightly or not, claims cited or not, quotes that stand where they are said to, citations that touch a labelled text, and the grade a judge gave.';
comment on column ragpg.evaluation_answers.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_answers.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_answers.question is 'Its text.';
comment on column ragpg.evaluation_answers.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_answers.expected_answer is 'What a good answer says, if known.';
comment on column ragpg.evaluation_answers.answer_id is 'The stored answer.';
comment on column ragpg.evaluation_answers.answer is 'Its text.';
comment on column ragpg.evaluation_answers.abstained is 'Whether it says that there is no answer.';
comment on column ragpg.evaluation_answers.abstained_rightly is 'Whether that is as the question wants it.';
comment on column ragpg.evaluation_answers.grounded is 'Whether every claim is cited.';
comment on column ragpg.evaluation_answers.citations is 'How many it cites.';
comment on column ragpg.evaluation_answers.valid_citations is 'Those whose quote stands at the cited characters of that version.';
comment on column ragpg.evaluation_answers.labelled_citations is 'Those that touch a labelled text.';
comment on column ragpg.evaluation_answers.grade is 'right, right in fact, or wrong; null without a judge.';
comment on column ragpg.evaluation_answers.grade_reason is 'What the judge said.';
comment on column ragpg.evaluation_answers.latency_ms is 'Milliseconds the answer took.';
comment on column ragpg.evaluation_answers.input_tokens is 'Tokens the model read.';
comment on column ragpg.evaluation_answers.output_tokens is 'Tokens it wrote.';

-- Which run was best?
create or replace view ragpg.evaluation_leaderboard with (security_invoker = true) as
select
    one.name as collection,
    of_set.name as evaluation_set,
    run.id as run_id,
    run.note,
    run.mode,
    run.k,
    run.index_id,
    run.index_id = one.active_index_id as active,
    run.recipe ->> 'embedding_model' as embedding_model,
    (run.recipe ->> 'chunk_tokens')::integer as chunk_tokens,
    count(*) as questions,
    count(*) filter (where measure.relevant_chunks > 0) as labelled_questions,
    avg(measure.success) filter (where measure.relevant_chunks > 0) as success,
    avg(measure.recall) as recall,
    avg(measure.precision) filter (where measure.relevant_chunks > 0) as precision,
    avg(measure.reciprocal_rank) filter (where measure.relevant_chunks > 0) as mrr,
    avg(measure.average_precision) as map,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall,
    avg(measure.span_precision) filter (where measure.relevant_chunks > 0) as span_precision,
    avg(measure.span_iou) filter (where measure.relevant_chunks > 0) as span_iou,
    avg((measure.hit_count = 0)::integer) as zero_hit_rate,
    count(answered.answer_id) as answers,
    avg(answered.abstained_rightly::integer)::double precision as abstention_accuracy,
    avg(answered.grounded::integer) filter (where not answered.abstained)::double precision
        as grounded_share,
    sum(answered.valid_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_validity,
    sum(answered.labelled_citations)::double precision / nullif(sum(answered.citations), 0)
        as citation_precision,
    avg((answered.grade = 'right')::integer)::double precision as correct_share,
    percentile_cont(0.5) within group (order by measure.latency_ms) as latency_p50_ms,
    percentile_cont(0.95) within group (order by measure.latency_ms) as latency_p95_ms,
    run.started_at,
    run.finished_at,
    run.is_trial
from ragpg.evaluation_runs as run
join ragpg.evaluation_sets as of_set on of_set.id = run.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
join ragpg.evaluation_measures as measure on measure.evaluation_run_id = run.id
left join ragpg.evaluation_answers as answered
    on answered.evaluation_run_id = measure.evaluation_run_id
    and answered.evaluation_question_id = measure.evaluation_question_id
group by one.id, of_set.id, run.id;
comment on view ragpg.evaluation_leaderboard is
'A row per run: means of evaluation_measures over the questions with labelled texts in the collection.';
comment on column ragpg.evaluation_leaderboard.collection is 'The collection.';
comment on column ragpg.evaluation_leaderboard.evaluation_set is 'The questions.';
comment on column ragpg.evaluation_leaderboard.run_id is 'The run.';
comment on column ragpg.evaluation_leaderboard.note is 'What was tried.';
comment on column ragpg.evaluation_leaderboard.mode is 'hybrid, vector or keyword.';
comment on column ragpg.evaluation_leaderboard.k is 'Hits asked for.';
comment on column ragpg.evaluation_leaderboard.index_id is 'The search index.';
comment on column ragpg.evaluation_leaderboard.active is 'Whether that answers searches now.';
comment on column ragpg.evaluation_leaderboard.embedding_model is 'Its embedding model then.';
comment on column ragpg.evaluation_leaderboard.chunk_tokens is 'Its chunk size then.';
comment on column ragpg.evaluation_leaderboard.questions is 'Questions asked.';
comment on column ragpg.evaluation_leaderboard.labelled_questions is
'Those with a relevant chunk, which the means are over.';
comment on column ragpg.evaluation_leaderboard.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_leaderboard.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_leaderboard.precision is 'Mean precision at k.';
comment on column ragpg.evaluation_leaderboard.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_leaderboard.map is 'Mean average precision.';
comment on column ragpg.evaluation_leaderboard.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_leaderboard.span_recall is 'Mean share of labelled characters found.';
comment on column ragpg.evaluation_leaderboard.span_precision is 'Mean share of found characters that are labelled.';
comment on column ragpg.evaluation_leaderboard.span_iou is 'Mean of characters in both by characters in either.';
comment on column ragpg.evaluation_leaderboard.zero_hit_rate is 'Share of questions without any hit.';
comment on column ragpg.evaluation_leaderboard.answers is 'Questions that were answered too.';
comment on column ragpg.evaluation_leaderboard.abstention_accuracy is
'Share of answers that abstain where the question has no answer, and only there.';
comment on column ragpg.evaluation_leaderboard.grounded_share is
'Share of answers, of those not abstained, whose every claim is cited.';
comment on column ragpg.evaluation_leaderboard.citation_validity is
'Share of citations whose quote stands at the cited characters.';
comment on column ragpg.evaluation_leaderboard.citation_precision is
'Share of citations that touch a labelled text.';
comment on column ragpg.evaluation_leaderboard.correct_share is 'Share of graded answers that are right.';
comment on column ragpg.evaluation_leaderboard.latency_p50_ms is 'Median of the searches, milliseconds.';
comment on column ragpg.evaluation_leaderboard.latency_p95_ms is 'Their 95th percentile.';
comment on column ragpg.evaluation_leaderboard.started_at is 'When it began.';
comment on column ragpg.evaluation_leaderboard.finished_at is 'When it ended; null: it did not.';
comment on column ragpg.evaluation_leaderboard.is_trial is 'Whether it tried other settings than those in use (ragpg tune, ragpg index compare).';

-- How well was each question of each run answered?
create or replace view ragpg.evaluation_measures with (security_invoker = true) as
select
    result.evaluation_run_id,
    result.evaluation_question_id,
    question.question,
    question.tags,
    question.is_answerable,
    run.k,
    result.hit_count,
    result.relevant_chunks,
    result.latency_ms,
    result.first_relevant_place,
    measured.found / nullif(result.relevant_chunks, 0)::double precision as recall,
    measured.relevant_hits / run.k::double precision as precision,
    coalesce(1.0::double precision / measured.first_place, 0) as reciprocal_rank,
    measured.precisions / nullif(result.relevant_chunks, 0) as average_precision,
    measured.gain / nullif(
        (
            -- 1 / log2(place + 1) of the best possible order
            select sum(ln(2::double precision) / ln(place + 1::double precision))
            from generate_series(1, least(run.k, result.relevant_chunks)) as place
        ),
        0
    ) as ndcg,
    (measured.found > 0)::integer::double precision as success,
    (span.shared + span.documents_met * span.a_hit)
    / nullif(span.labelled + span.documents * span.a_hit, 0)::double precision as span_recall,
    (span.shared + span.of_documents) / nullif(span.retrieved, 0)::double precision
        as span_precision,
    (span.shared + span.of_documents) / nullif(
        span.labelled + (span.documents - span.documents_met) * span.a_hit
        + span.retrieved - span.shared,
        0
    )::double precision as span_iou
from ragpg.evaluation_results as result
join ragpg.evaluation_runs as run on run.id = result.evaluation_run_id
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
cross join lateral (
    select
        count(*) filter (where ranked.is_relevant) as relevant_hits,
        count(*) filter (where ranked.is_new) as found,
        min(ranked.place) filter (where ranked.is_relevant) as first_place,
        coalesce(
            sum(ranked.relevant_so_far / ranked.place::double precision)
                filter (where ranked.is_new),
            0
        ) as precisions,
        coalesce(
            sum(ln(2::double precision) / ln(ranked.place + 1::double precision))
                filter (where ranked.is_new),
            0
        ) as gain
    from (
        select
            asked.*,
            count(*) filter (where asked.is_new) over (order by asked.place) as relevant_so_far
        from (
            select
                hit.place, hit.is_relevant,
                -- Of a document that is labelled as a whole the first hit counts.
                hit.is_relevant and (
                    result.labelled_spans -> hit.document_id::text is distinct from 'null'
                    or row_number() over (partition by hit.document_id order by hit.place) = 1
                ) as is_new
            from ragpg.evaluation_hits as hit
            where hit.evaluation_run_id = result.evaluation_run_id
                and hit.evaluation_question_id = result.evaluation_question_id
        ) as asked
    ) as ranked
) as measured
cross join lateral (
    select
        coalesce(sum(ragpg_internal.range_length(by_document.labelled)), 0) as labelled,
        coalesce(sum(ragpg_internal.range_length(by_document.retrieved)), 0) as retrieved,
        coalesce(sum(ragpg_internal.range_length(by_document.labelled * by_document.retrieved)), 0)
            as shared,
        count(*) filter (where by_document.is_whole) as documents,
        count(*) filter (where by_document.is_whole and not isempty(by_document.retrieved))
            as documents_met,
        coalesce(
            sum(ragpg_internal.range_length(by_document.retrieved))
                filter (where by_document.is_whole),
            0
        ) as of_documents,
        -- What a document that is labelled as a whole weighs beside labelled characters.
        coalesce(
            sum(ragpg_internal.range_length(by_document.retrieved)) / nullif(result.hit_count, 0), 1
        ) as a_hit
    from (
        select
            document_id,
            result.labelled_spans -> document_id::text is not distinct from 'null' as is_whole,
            coalesce((result.labelled_spans ->> document_id::text)::int4multirange, '{}')
                as labelled,
            coalesce(
                (
                    select range_agg(int4range(hit.start_char, hit.end_char))
                    from ragpg.evaluation_hits as hit
                    where hit.evaluation_run_id = result.evaluation_run_id
                        and hit.evaluation_question_id = result.evaluation_question_id
                        and hit.document_id = known.document_id
                ),
                '{}'
            ) as retrieved
        from (
            select hit.document_id
            from ragpg.evaluation_hits as hit
            where hit.evaluation_run_id = result.evaluation_run_id
                and hit.evaluation_question_id = result.evaluation_question_id
            union
            select key::bigint
            from jsonb_object_keys(result.labelled_spans) as key
        ) as known (document_id)
    ) as by_document
) as span;
comment on view ragpg.evaluation_measures is
'A row per question and run. Relevant is a chunk that holds a character of a labelled text; a document labelled as a whole is met by any chunk of it, of which the first counts, in the span measures with the length of an average hit. Recall, precision, reciprocal rank, average precision and nDCG are at the run''s k, with binary gains, as trec_eval computes them; span measures count characters and so compare recipes of different chunk sizes (Smith and Troynikov 2024). Null where nothing is labelled.';
comment on column ragpg.evaluation_measures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_measures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_measures.question is 'Its text.';
comment on column ragpg.evaluation_measures.tags is 'Its tags.';
comment on column ragpg.evaluation_measures.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_measures.k is 'Hits asked for.';
comment on column ragpg.evaluation_measures.hit_count is 'Hits that came back.';
comment on column ragpg.evaluation_measures.relevant_chunks is
'Relevant chunks there are; a document labelled as a whole is one.';
comment on column ragpg.evaluation_measures.latency_ms is 'Milliseconds of the search.';
comment on column ragpg.evaluation_measures.first_relevant_place is
'Place of the first relevant chunk, beyond k too; null when it was no candidate.';
comment on column ragpg.evaluation_measures.recall is 'Share of the relevant chunks among the hits.';
comment on column ragpg.evaluation_measures.precision is 'Relevant hits by k.';
comment on column ragpg.evaluation_measures.reciprocal_rank is '1 by the place of the first relevant hit, or 0.';
comment on column ragpg.evaluation_measures.average_precision is
'Mean of the precisions at each relevant hit, over all relevant chunks.';
comment on column ragpg.evaluation_measures.ndcg is
'Discounted cumulative gain by the best possible one (Järvelin and Kekäläinen 2002).';
comment on column ragpg.evaluation_measures.success is '1 when any hit is relevant, else 0.';
comment on column ragpg.evaluation_measures.span_recall is 'Share of the labelled characters that the hits hold.';
comment on column ragpg.evaluation_measures.span_precision is 'Share of the hits'' characters that are labelled.';
comment on column ragpg.evaluation_measures.span_iou is 'Characters in both by characters in either.';

-- A new run of an evaluation set.
create or replace function ragpg_internal.start_evaluation(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default '',
    is_trial boolean default false
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(start_evaluation.collection);
    set_id bigint;
    names text;
    recipe ragpg.search_indexes;
    new_id bigint;
begin
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent_id
        and known.tenant = ragpg_internal.written_tenant()
        and known.name = start_evaluation.evaluation_set;
    if set_id is null then
        select string_agg(known.name, ', ' order by known.name) into names
        from ragpg.evaluation_sets as known
        where known.collection_id = parent_id;
        raise exception 'there is no evaluation set "%"', start_evaluation.evaluation_set
            using errcode = 'RG011',
                hint = coalesce('there are: ' || names, 'load one: ragpg eval load FILE');
    end if;
    select known.* into recipe
    from ragpg.search_indexes as known
    where known.collection_id = parent_id
        and known.id = coalesce(
            start_evaluation.index_id,
            (select one.active_index_id from ragpg.collections as one where one.id = parent_id)
        );
    if recipe.id is null then
        raise exception 'this collection has no search index %', coalesce(index_id::text, 'yet')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    insert into ragpg.evaluation_runs (
        evaluation_set_id, index_id, k, mode, note, is_trial, recipe, tenant
    )
    select
        asked.id, recipe.id, start_evaluation.k, start_evaluation.mode, start_evaluation.note,
        start_evaluation.is_trial,
        to_jsonb(recipe) || jsonb_build_object(
            'embedding_model', (
                select model.name
                from ragpg.embedding_models as model
                where model.id = recipe.embedding_model_id
            )
        ),
        asked.tenant
    from ragpg.evaluation_sets as asked
    where asked.id = set_id
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg_internal.start_evaluation(text, text, integer, text, bigint, text, boolean) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). A trial is judged only where it is named. ragpg_internal.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';

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

-- Which text answers which question, and may the embedding model learn it?
create or replace function ragpg.training_pairs(
    collection text default null, index_id bigint default null
) returns table (
    question text, origin text, split text, source text, text text, start_char integer,
    end_char integer, document_id bigint, chunk_id bigint, relevant_chunk_ids bigint[]
)
language sql stable
begin atomic
    with recipe as materialized (
        select known.id, known.collection_id
        from ragpg.collections as one
        join ragpg.search_indexes as known
            on known.collection_id = one.id
            and known.id = coalesce(training_pairs.index_id, one.active_index_id)
        where one.id = ragpg.collection_id(training_pairs.collection)
    ),
    labelled as materialized (
        select
            lower(btrim(span.question)) as asked, span.question,
            'evaluation set ' || of_set.name as origin, span.document_id, span.start_char,
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split,
            given.quote is null and num_nulls(given.start_char, given.end_char) = 2
                as is_of_document
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
        join ragpg.evaluation_labels as given on given.id = span.evaluation_label_id
        where span.state = 'found'
    ),
    cited as materialized (
        select
            lower(btrim(answer.question)) as asked, answer.question,
            case newest.rating when 'good' then 'accepted answer' else 'citation' end as origin,
            document.id as document_id, place.start_char,
            place.start_char + char_length(quoted.quote) as end_char
        from recipe
        join ragpg.answers as answer on answer.collection_id = recipe.collection_id
        join ragpg.citations as quoted on quoted.answer_id = answer.id
        join ragpg.documents as document on document.id = quoted.document_id
        left join lateral (
            select said.rating
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest on true
        cross join lateral (
            -- At its old place still, or else where it first occurs in the document of today.
            select case
                when substr(document.content, quoted.start_char + 1, char_length(quoted.quote))
                    = quoted.quote then quoted.start_char
                else nullif(strpos(document.content, quoted.quote), 0) - 1
            end as start_char
        ) as place
        -- Without a model the best hits are quoted: that would teach the model what it knows.
        where answer.model is not null
            and newest.rating is distinct from 'bad'
            and place.start_char is not null
    ),
    known as materialized (
        select asked, question, origin, document_id, start_char, end_char, is_of_document
        from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char, false from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared,
            -- Which of its chunks answers, a label of a whole document does not say.
            known.is_of_document and count(*) over (
                partition by known.asked, known.origin, known.document_id, known.start_char,
                    known.end_char
            ) > 1 as is_open
        from known
        cross join recipe
        join ragpg.chunks as chunk
            on chunk.index_id = recipe.id
            and chunk.document_id = known.document_id
            and chunk.start_char < known.end_char
            and known.start_char < chunk.end_char
    ),
    relevant as materialized (
        select touched.asked, array_agg(distinct touched.chunk_id) as chunk_ids
        from touched
        group by touched.asked
    ),
    positive as (
        select distinct on (best.asked, best.chunk_id) best.*
        from (
            select distinct on (asked, origin, document_id, start_char, end_char) touched.*
            from touched
            where not touched.is_open
            order by
                asked, origin, document_id, start_char, end_char, shared desc, ordinal
        ) as best
        -- An evaluation set before an accepted answer, that before a mere citation.
        order by
            best.asked, best.chunk_id, best.origin = 'citation', best.origin = 'accepted answer',
            best.origin, best.start_char
    )
    select
        positive.question,
        positive.origin,
        case
            when exists (
                select
                from labelled as held
                where held.split = 'held-out'
                    and (held.asked = positive.asked or held.document_id = positive.document_id)
            ) then 'held-out'
            else 'train'
        end,
        document.source,
        ragpg_internal.embedded_text(document.title, chunk.context, chunk.content, chunk.ordinal),
        positive.start_char,
        positive.end_char,
        positive.document_id,
        positive.chunk_id,
        relevant.chunk_ids
    from positive
    cross join recipe
    join ragpg.chunks as chunk
        on chunk.index_id = recipe.id
        and chunk.document_id = positive.document_id
        and chunk.ordinal = positive.ordinal
    join ragpg.documents as document on document.id = positive.document_id
    join relevant on relevant.asked = positive.asked
    order by ragpg_internal.hash_text(positive.asked), document.source, positive.ordinal;
end;
comment on function ragpg.training_pairs(text, bigint) is
'Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad; a document of several chunks that is labelled as a whole gives none (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.';

-- Which recipe answers from now on? One update, and the collection's view follows.
create or replace function ragpg.activate_search_index(
    index_id bigint, incomplete boolean default false,
    proof uuid default ragpg_internal.proof()
) returns void
language plpgsql volatile
-- Security definer: the view of the collection is replaced, which takes its owner.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    collection_name text;
    dimensions integer;
    waiting bigint;
begin
    select one.name, model.dimensions into collection_name, dimensions
    from ragpg.search_indexes as recipe
    join ragpg.collections as one on one.id = recipe.collection_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where recipe.id = index_id;
    if collection_name is null then
        raise exception 'there is no search index %', coalesce(index_id::text, '(null)')
            using errcode = 'RG010', hint = 'ragpg index list shows them';
    end if;
    perform ragpg_internal.check_shared('collection ' || collection_name, proof)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    select count(*) into waiting
    from ragpg.index_documents as state
    where state.index_id = activate_search_index.index_id and state.pending_since is not null;
    -- Counted and with its vector index before the first search finds it; a collection's first
    -- search index is filled only after this.
    perform ragpg.refresh_search_index(index_id)
    from ragpg.collections as one
    where one.name = collection_name and one.active_index_id is not null;
    update ragpg.collections as one
    set active_index_id = index_id
    where one.name = collection_name
        and (waiting = 0 or one.active_index_id is null or incomplete);
    if not found then
        raise exception 'search index % lacks % documents', index_id, waiting
            using errcode = 'RG010',
                hint = 'ragpg worker indexes them; incomplete => true activates it all the same';
    end if;
    update ragpg.search_indexes as recipe
    set activated_at = clock_timestamp()
    where recipe.id = index_id;
    execute format('drop view if exists ragpg.%I', 'chunks_of_' || collection_name);
    execute format(
        'create view ragpg.%I with (security_invoker = true) as'
        ' select chunk.id, document.source, document.title, chunk.document_id,'
        ' chunk.document_version, chunk.ordinal, chunk.start_char, chunk.end_char, chunk.page,'
        ' chunk.context, chunk.content, chunk.lexemes, document.metadata,'
        ' chunk.embedding::%s.halfvec(%s) as embedding'
        ' from ragpg.chunks as chunk'
        ' join ragpg.documents as document on document.id = chunk.document_id'
        ' where chunk.index_id = %s',
        'chunks_of_' || collection_name, ragpg_internal.vector_schema(), dimensions, index_id
    );
    execute format(
        'comment on view ragpg.%I is %L',
        'chunks_of_' || collection_name,
        'The chunks that answer searches in ' || collection_name
        || '; order by embedding <=> $1 uses the vector index.'
    );
end
$$;
revoke execute on function ragpg.activate_search_index(bigint, boolean, uuid) from public;
comment on function ragpg.activate_search_index(bigint, boolean, uuid) is
'Makes a search index the one that answers for its collection, at once for every search that begins after the commit, and the view chunks_of_<collection> show its chunks. The one before stays and is kept current, for ragpg.rollback_search_index. Raises RG010 when documents wait for it, unless incomplete.';

-- Which document is meant by this name?
create or replace function ragpg.find_source(collection text, variadic names text[]) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    parent_id bigint := ragpg.collection_id(find_source.collection);
    of_tenant constant text := ragpg_internal.written_tenant();
    found_sources text[];
begin
    -- Deleted ones are meant, too: they have a history, and can be erased.
    select array_agg(known.source order by known.is_gone, known.source) into found_sources
    from (
        select document.source, false as is_gone
        from ragpg.documents as document
        where document.collection_id = parent_id and document.tenant = of_tenant
        union
        select earlier.source, true
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = of_tenant
            and not exists (
                select
                from ragpg.documents as document
                where document.collection_id = parent_id
                    and document.tenant = of_tenant
                    and document.source = earlier.source
            )
    ) as known
    where known.source = any(names)
        or right(known.source, char_length(names[1]) + 1) = '/' || names[1];
    if cardinality(found_sources) > 1 and not found_sources && names then
        raise exception '"%" is the end of % sources: %',
            names[1], cardinality(found_sources), array_to_string(found_sources[:5], ', ')
            using errcode = 'RG005', hint = 'name one of them whole';
    end if;
    return coalesce(
        (
            select known.name
            from unnest(names) with ordinality as known (name, place)
            where known.name = any(found_sources)
            order by known.place
            limit 1
        ),
        found_sources[1],
        names[1]
    );
end
$$;
comment on function ragpg.find_source(text, text[]) is
'Returns the source of the document that is meant, a deleted one too: the first of the names that is one, or else the only one that ends with a slash and the first name; the first name itself where there is none. Raises RG005 where several end so.';

-- A table of one's own becomes a collection, and stays in step.
create or replace function ragpg.index_table(
    table_name regclass,
    collection text,
    source_column text,
    content_column text,
    title_column text default null,
    metadata_columns text[] default '{}',
    media_type text default 'text/plain'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    -- Whose rows its documents are: kept when the table is followed anew, restored or renamed.
    row_of uuid := coalesce(
        (
            select known.row_of
            from ragpg_internal.followed_tables() as known
            where known.table_name = index_table.table_name
                and known.collection = index_table.collection
        ),
        gen_random_uuid()
    );
    arguments text := format(
        '%L, %L, %L, %L, %L, %L, %L',
        collection, source_column, content_column, coalesce(title_column, ''),
        metadata_columns::text, media_type, row_of
    );
    missing text;
    owner_name name;
    source text;
    content text;
    title text;
    metadata jsonb;
    rows_done bigint := 0;
    before text := current_setting('row_security');
begin
    -- To plan a statement on a table runs what its owner wrote into expressions of its indexes.
    select owner.rolname into owner_name
    from pg_class as relation
    join pg_roles as owner on owner.oid = relation.relowner
    where relation.oid = table_name and not pg_has_role(owner.oid, quote_ident(current_user)::regrole, 'usage');
    if owner_name is not null then
        raise exception '% belongs to the role %, whose code would run with the rights of %',
            table_name, owner_name, current_user
            using errcode = '42501',
                hint = format(
                    'set role %1$I; select ragpg.index_table(...); before, if it has not got them: select ragpg.grant_writer(%1$L); grant execute on function ragpg_internal.index_table_row to %1$I',
                    owner_name
                );
    end if;
    select wanted.name into missing
    from unnest(
        metadata_columns || array[source_column, content_column]
        || array_remove(array[title_column], null)
    ) as wanted (name)
    where not exists (
        select
        from pg_attribute as known
        where known.attrelid = table_name and known.attname = wanted.name
            and known.attnum > 0 and not known.attisdropped
    );
    if missing is not null then
        raise exception 'table % has no column "%"', table_name, missing
            using errcode = 'RG005', hint = 'name columns as \d shows them';
    end if;
    if not has_function_privilege('ragpg_internal.index_table_row()', 'execute') then
        raise exception 'role % may not have a table followed', current_user
            using errcode = '42501',
                hint = format(
                    'ragpg''s owner lets it, for all tenants: grant execute on function ragpg_internal.index_table_row to %I (docs/security.md, Tables you follow)',
                    current_user
                );
    end if;
    perform ragpg_internal.ensure_collection(collection);
    perform ragpg.stop_indexing_table(table_name, collection);
    -- No row can slip in between the triggers and the reading of what is there.
    execute format('lock table %s in share row exclusive mode', table_name);
    execute format(
        'create trigger %I after insert or update or delete on %s'
        ' for each row execute function ragpg_internal.index_table_row(%s)',
        'ragpg_' || collection, table_name, arguments
    );
    execute format(
        'create trigger %I before truncate on %s'
        ' for each statement execute function ragpg_internal.index_table_row(%s)',
        'ragpg_truncate_' || collection, table_name, arguments
    );
    perform set_config('row_security', 'off', true);  -- an error rather than too few rows
    for source, content, title, metadata in execute format(
        'select %s from %s as stored',
        ragpg_internal.row_reading(
            table_name, source_column, content_column, title_column, metadata_columns, 'stored'
        ),
        table_name
    ) loop
        perform ragpg_internal.index_row(
            collection, source, content, title, metadata, media_type, row_of
        );
        rows_done := rows_done + 1;
    end loop;
    perform set_config('row_security', before, true);
    return rows_done;
end
$$;
comment on function ragpg.index_table(regclass, text, text, text, text, text[], text) is
'Makes every row of a table a document of a collection, now and whenever the table changes (by triggers on it): the columns named give source, content, title and metadata. Returns how many rows there are. Workers make the chunks. ragpg.stop_indexing_table undoes it, view indexed_tables lists them. Sources must be unique in the collection, also over several tables. To be called by the table''s owner, who needs ragpg.grant_writer and the right to execute ragpg_internal.index_table_row: whoever has that writes for every tenant of the table''s collections.';

-- Does anything need attention now?
create or replace view ragpg.health_problems with (security_invoker = true) as
select
    lag.collection,
    'documents fail' as problem,
    format('%s documents could not be indexed', lag.failing_documents) as detail,
    'ragpg.ingest_queue has the errors' as what_to_do
from ragpg.ingest_lag as lag
where lag.failing_documents > 0
union all
select
    lag.collection, 'indexing is behind',
    format('%s documents wait, the oldest for %s minutes', lag.waiting_documents,
        floor(lag.lag_seconds / 60)),
    'start a worker: ragpg worker'
from ragpg.ingest_lag as lag
where lag.lag_seconds > 900 and lag.waiting_documents > lag.failing_documents
union all
select
    health.collection, wrong.problem, format('search index %s: %s', health.index_id, wrong.detail),
    wrong.what_to_do
from ragpg.index_health as health
cross join lateral (
    values
        (
            not health.indexes_valid, 'index is invalid', 'searches do not use it',
            'reindex it: ragpg.verify() names it'
        ),
        (
            health.recall < 0.9, 'recall is low',
            format('recall %s, measured %s', round(health.recall::numeric, 3),
                health.recall_measured_at),
            'ragpg index tune --recall 0.98'
        ),
        (
            -- Fewer move no hit, and the next ingest counts anew.
            abs(health.chunks - coalesce(health.counted_chunks, 0))
                > greatest(health.chunks / 50, 10),
            'statistics are stale',
            format('counted with %s chunks, now %s', coalesce(health.counted_chunks, 0), health.chunks),
            format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
        ),
        (
            health.dead_chunks > greatest(health.chunks, 1000), 'many dead rows',
            format('%s dead, %s alive', health.dead_chunks, health.chunks),
            format('vacuum ragpg.chunks_%s; autovacuum does not keep up', health.index_id)
        )
) as wrong (is_wrong, problem, detail, what_to_do)
where health.state = 'ready' and wrong.is_wrong
union all
select null, found.problem, format('%s: %s', found.object, found.detail), found.what_to_do
from ragpg_internal.safety_problems() as found;
comment on view ragpg.health_problems is
'A row per thing that needs attention; none when all is well. Cheap, for monitoring: ragpg.verify() reads every text, too.';
comment on column ragpg.health_problems.collection is 'Name of the collection; null for what concerns all.';
comment on column ragpg.health_problems.problem is
'documents fail, indexing is behind (more than 15 minutes), index is invalid, recall is low (below 0.9), statistics are stale, many dead rows; functions run as a superuser, table is not kept apart, function does not run as its owner, statistics tell of all tenants, bound role is missing, role acts for no tenant.';
comment on column ragpg.health_problems.detail is 'What was seen.';
comment on column ragpg.health_problems.what_to_do is 'What helps.';

-- What is there to call and to read, and how?
create or replace function ragpg.help(about text default '')
returns table (name text, kind text, call text, what text)
language sql stable
begin atomic
    select found.name, found.kind, found.call, found.what
    from (
        select
            routine.proname::text as name,
            'function' as kind,
            format('%s(%s)', routine.proname, pg_get_function_arguments(routine.oid)) as call,
            obj_description(routine.oid, 'pg_proc') as what
        from pg_proc as routine
        where routine.pronamespace = 'ragpg'::regnamespace and routine.prorettype <> 'trigger'::regtype
        union all
        select
            relation.relname::text,
            case relation.relkind when 'v' then 'view' else 'table' end,
            (
                select string_agg(col.attname, ', ' order by col.attnum)
                from pg_attribute as col
                where col.attrelid = relation.oid and col.attnum > 0 and not col.attisdropped
            ),
            obj_description(relation.oid, 'pg_class')
        from pg_class as relation
        where relation.relnamespace = 'ragpg'::regnamespace
            and relation.relkind in ('r', 'p', 'v')
            and not relation.relispartition
    ) as found
    where found.what is not null
        and (
            found.name ilike '%' || help.about || '%'
            or found.what ilike '%' || help.about || '%'
        )
    order by found.name <> help.about, found.name not ilike '%' || help.about || '%', found.name,
        found.call;
end;
comment on function ragpg.help(text) is
'Returns what there is to call and to read in ragpg that has this in its name or says it, the name itself first: how a function is called or which columns a view or table has, and what it is for. All of it without an argument; \x in psql shows a row as a page.';

comment on column ragpg.evaluation_results.relevant_chunks is
'Chunks of the search index that hold a character of a labelled text; a document labelled as a whole is one.';
comment on column ragpg.evaluation_results.split_labels is
'Labels that no single chunk holds whole; of a document labelled as a whole any chunk will do.';
comment on column ragpg.evaluation_results.labelled_spans is
'The labelled characters then, as int4multirange by document id; null for a document labelled as a whole.';
