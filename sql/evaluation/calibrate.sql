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
