-- 0026: ask abstains by what the hits hold of a question, not by their similarity alone.

drop function ragpg.calibrate(bigint, double precision, boolean);
drop function ragpg.relevance(bigint, double precision);
drop function ragpg.fit_relevance(double precision[], boolean[]);

alter table ragpg.search_indexes
    add column words_held_slope double precision not null default 0,
    add column missing_names_slope double precision not null default 0,
    add column unmatched_negation_slope double precision not null default 0,
    add column min_relevance double precision,
    add constraint search_indexes_min_relevance_is_a_share check (min_relevance between 0 and 1);
comment on column ragpg.search_indexes.relevance_offset is
'Of the curve that gives relevance (ragpg.relevance), set by ragpg.calibrate; null before.';
comment on column ragpg.search_indexes.relevance_slope is 'Its slope by similarity.';
comment on column ragpg.search_indexes.words_held_slope is
'Its slope by the share of the question''s words a sentence holds (ragpg.answer_signals).';
comment on column ragpg.search_indexes.missing_names_slope is
'Its slope by ln(1 + the number of missing names).';
comment on column ragpg.search_indexes.unmatched_negation_slope is
'Its slope by whether the question negates and the hits do not.';
comment on column ragpg.search_indexes.min_relevance is
'Relevance of the hits below which ask abstains, set by ragpg.calibrate; null where similarity alone decides.';

-- How likely is there an answer, by these weights?
create or replace function ragpg.logistic(
    weights double precision[],
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql immutable parallel safe
return 1 / (1 + exp(-greatest(-500, least(500,
    weights[1]
    + weights[2] * similarity
    + weights[3] * words_held
    + weights[4] * ln(1 + missing_names)
    + weights[5] * unmatched_negation::integer
))));
comment on function ragpg.logistic(
    double precision[], double precision, double precision, integer, boolean
) is
'Returns from 0 to 1 how likely there is an answer: the logistic curve of the weighted sum (weights: offset, similarity, words held, ln(1 + missing names), unmatched negation).';

-- How likely is an answer, given what is known of the hits?
create or replace function ragpg.fit_relevance(
    similarities double precision[],
    words_held double precision[],
    missing_names integer[],
    unmatched_negations boolean[],
    answerable boolean[]
) returns double precision[]
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    total bigint := cardinality(answerable);
    positives bigint := (select count(*) from unnest(answerable) as given (yes) where given.yes);
    means double precision[];
    deviations double precision[];
    -- Of the intercept and of the signals less their mean, in deviations.
    weights double precision[] := '{0,0,0,0,0}';
    gradient double precision;
    curvature double precision;
    moved double precision;
    largest_move double precision;
begin
    if positives = 0 or positives = total then
        raise exception 'all % questions are %answerable: relevance cannot be told apart', total,
            case when positives = 0 then 'un' else '' end
            using errcode = 'RG011', hint = 'an evaluation set needs questions of both kinds';
    end if;
    select
        array[avg(similarity), avg(held), avg(-ln(1 + missing)), avg(-unmatched::integer)],
        array[
            stddev_pop(similarity), stddev_pop(held), stddev_pop(-ln(1 + missing)),
            stddev_pop(-unmatched::integer)
        ]
    into means, deviations
    from unnest(similarities, words_held, missing_names, unmatched_negations)
        as given (similarity, held, missing, unmatched);
    deviations := array(
        select case when one.deviation > 1e-6 then one.deviation else 1 end  -- or all are the same
        from unnest(deviations) with ordinality as one (deviation, place)
        order by one.place
    );
    -- Logistic regression with a ridge of 1 by Newton's method in one weight at a time, none below
    -- 0: more similarity, more words, fewer missing never speak against an answer. Targets as Platt
    -- (1999) smooths them.
    for sweep in 1..200 loop
        largest_move := 0;
        for chosen in 1..5 loop
            select
                sum((point.probability - point.target) * point.x[chosen]),
                sum(point.probability * (1 - point.probability) * point.x[chosen] ^ 2)
            into gradient, curvature
            from (
                select
                    one.x,
                    1 / (1 + exp(-(
                        weights[1] + weights[2] * one.x[2] + weights[3] * one.x[3]
                        + weights[4] * one.x[4] + weights[5] * one.x[5]
                    ))) as probability,
                    case
                        when given.yes then (positives + 1.0) / (positives + 2.0)
                        else 1.0 / (total - positives + 2.0)
                    end::double precision as target
                from unnest(
                    similarities, words_held, missing_names, unmatched_negations, answerable
                ) as given (similarity, held, missing, unmatched, yes)
                cross join lateral (
                    select array[
                        1,
                        (given.similarity - means[1]) / deviations[1],
                        (given.held - means[2]) / deviations[2],
                        (-ln(1 + given.missing) - means[3]) / deviations[3],
                        (-given.unmatched::integer - means[4]) / deviations[4]
                    ] as x
                ) as one
            ) as point;
            if chosen > 1 then
                gradient := gradient + weights[chosen];
                curvature := curvature + 1;
            end if;
            moved := -gradient / greatest(curvature, 1e-9);
            if chosen > 1 then
                moved := greatest(moved, -weights[chosen]);
            end if;
            weights[chosen] := weights[chosen] + moved;
            largest_move := greatest(largest_move, abs(moved));
        end loop;
        exit when largest_move < 1e-7;
    end loop;
    weights := array[
        weights[1], weights[2] / deviations[1], weights[3] / deviations[2],
        -weights[4] / deviations[3], -weights[5] / deviations[4]
    ];
    weights[1] := weights[1] - weights[2] * means[1] - weights[3] * means[2]
        + weights[4] * means[3] + weights[5] * means[4];
    return weights;
end
$$;
comment on function ragpg.fit_relevance(
    double precision[], double precision[], integer[], boolean[], boolean[]
) is
'Returns the weights of ragpg.logistic that tell from the best hit''s similarity and ragpg.answer_signals how likely there is an answer. Those of similarity and words held are never negative, those of missing names and of an unmatched negation never positive. Raises RG011 when all questions are of one kind.';

-- The largest threshold that still keeps a share of the answerable questions.
create or replace function ragpg.similarity_to_keep(
    similarities double precision[], answerable boolean[], keep double precision
) returns double precision
language sql immutable parallel safe
begin atomic
    select greatest(
        coalesce(
            (array_agg(given.similarity order by given.similarity))[
                least(floor(count(*) * (1 - keep) + 1e-9) + 1, count(*))::integer
            ],
            0
        ),
        0
    )
    from unnest(similarities, answerable) as given (similarity, is_answerable)
    where given.is_answerable;
end;
comment on function ragpg.similarity_to_keep(double precision[], boolean[], double precision) is
'Returns the largest similarity (or relevance) that at least the share keep of the answerable questions reach, and at least 0.';

-- Below what does one abstain, to keep a share of the answerable questions?
create or replace function ragpg.choose_abstention(
    similarities double precision[],
    words_held double precision[],
    missing_names integer[],
    unmatched_negations boolean[],
    answerable boolean[],
    keep double precision,
    out relevance_weights double precision[],
    out min_similarity double precision,
    out min_relevance double precision,
    out similarity_alone double precision
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
begin
    relevance_weights := ragpg.fit_relevance(
        similarities, words_held, missing_names, unmatched_negations, answerable
    );
    similarity_alone := ragpg.similarity_to_keep(similarities, answerable, keep);
    -- Half of what may be lost goes to a floor under similarity: questions that look like others
    -- but have no answer teach little about those that are of something else altogether.
    min_similarity := ragpg.similarity_to_keep(similarities, answerable, (1 + keep) / 2);
    select ragpg.similarity_to_keep(
        array_agg(
            case
                when given.similarity < choose_abstention.min_similarity then -1
                else ragpg.logistic(
                    relevance_weights, given.similarity, given.held, given.missing, given.unmatched
                )
            end order by given.place
        ),
        answerable, keep
    )
    into min_relevance
    from unnest(similarities, words_held, missing_names, unmatched_negations) with ordinality
        as given (similarity, held, missing, unmatched, place);
end
$$;
comment on function ragpg.choose_abstention(
    double precision[], double precision[], integer[], boolean[], boolean[], double precision
) is
'Returns the weights of ragpg.logistic and the thresholds on similarity and relevance that together keep the share keep of the answerable questions, half of the loss each; and the threshold that keeps it on similarity alone. Raises RG011 when all questions are of one kind.';

-- What do the best hits hold of what a question asks for?
create or replace function ragpg.answer_signals(
    index_id bigint,
    query text,
    passages text[],
    titles text[],
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    spoken text := (
        select ragpg.document_language(recipe.language, '{}', passages[1])
        from ragpg.search_indexes as recipe
        where recipe.id = answer_signals.index_id
    );
    negation constant text := '\m(not|no|never|none|nor|neither|without|cannot)\M|n[''’]t\M';
    words tsquery[];
    weights double precision[];
    sentence text;
    held text[];  -- the words of that sentence, of those beside it and of the title
begin
    select array_agg(word.word), array_agg(word.weight)
    into words, weights
    from ragpg.query_words(answer_signals.index_id, answer_signals.query) as word;
    -- The sentence that holds most of the question's words, itself and with its neighbours.
    select best.content, tsvector_to_array(best.lexemes_around), best.share
    into sentence, held, words_held
    from (
        select
            around.*,
            (
                select sum(word.weight) filter (where around.lexemes @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share,
            (
                select sum(word.weight) filter (where around.lexemes_around @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share_around
        from (
            select
                one.*,
                one.lexemes
                || coalesce(lag(one.lexemes) over beside, '')
                || coalesce(lead(one.lexemes) over beside, '')
                || ragpg.text_lexemes(coalesce(one.title, ''), spoken) as lexemes_around
            from (
                select
                    hit.place, hit.title, part.number, part.content,
                    ragpg.text_lexemes(part.content, spoken) as lexemes
                from unnest(passages[:3], titles[:3]) with ordinality as hit (content, title, place)
                cross join lateral regexp_split_to_table(
                    hit.content, '(?<=[.?!])\s+|(?<=[。！？])|\n\s*\n'
                ) with ordinality as part (content, number)
            ) as one
            window beside as (partition by one.place order by one.number)
        ) as around
    ) as best
    order by
        coalesce(best.share, 0) + coalesce(best.share_around, 0) desc, best.place, best.number
    limit 1;
    words_held := coalesce(words_held, 0);
    missing_names := array(
        select said.word
        from (
            select one.match[1] as word, min(one.place) as place
            from regexp_matches(
                answer_signals.query, '[[:alnum:]](?:[[:alnum:]''’.-]*[[:alnum:]])?', 'g'
            ) with ordinality as one (match, place)
            group by one.match[1]
        ) as said
        where (said.word ~ '\d' or said.place > 1 and left(said.word, 1) <> lower(left(said.word, 1)))
            and not tsvector_to_array(ragpg.text_lexemes(said.word, spoken)) <@ coalesce(held, '{}')
        order by said.place
    );
    unmatched_negation := answer_signals.query ~* negation
        and not coalesce(sentence, '') ~* negation;
end
$$;
comment on function ragpg.answer_signals(bigint, text, text[], text[]) is
'Returns what the first three hits, best first, hold of a question. words_held: the share of its words, by BM25 weight, in the sentence that holds most of them. missing_names: its names and numbers (words with a capital that are not the first, words with a digit) that are neither in that sentence nor beside it nor in the title. unmatched_negation: it says not, no, never, none, nor, neither, without or cannot, and that sentence does not. An embedding hardly tells these; to ragpg.relevance they tell apart questions that look like others but have no answer.';

-- From 0 to 1: how likely is there an answer?
create or replace function ragpg.relevance(
    index_id bigint,
    similarity double precision,
    words_held double precision,
    missing_names integer,
    unmatched_negation boolean
) returns double precision
language sql stable
begin atomic
    select ragpg.logistic(
        array[
            recipe.relevance_offset, recipe.relevance_slope, recipe.words_held_slope,
            recipe.missing_names_slope, recipe.unmatched_negation_slope
        ],
        relevance.similarity, relevance.words_held, relevance.missing_names,
        relevance.unmatched_negation
    )
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg.relevance(bigint, double precision, double precision, integer, boolean) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it and whose first hits show these ragpg.answer_signals; null until ragpg.calibrate was called.';

-- Is what was found enough to answer from?
create or replace function ragpg.judge_hits(
    query text,
    chunk_ids bigint[],
    similarities double precision[],
    out is_enough boolean,
    out relevance double precision,
    out similarity double precision,
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    passages text[];
    titles text[];
begin
    select max(known.similarity) into judge_hits.similarity
    from unnest(similarities) as known (similarity);
    select array_agg(chunk.content order by hit.place), array_agg(document.title order by hit.place)
    into passages, titles
    from unnest(chunk_ids[:3]) with ordinality as hit (chunk_id, place)
    cross join lateral (
        select one.content, one.document_id
        from ragpg.chunks as one
        where one.id = hit.chunk_id
        limit 1
    ) as chunk
    join ragpg.documents as document on document.id = chunk.document_id;
    select known.* into recipe
    from ragpg.search_indexes as known
    join ragpg.chunks as chunk on chunk.index_id = known.id
    where chunk.id = chunk_ids[1];
    if recipe.id is null then
        is_enough := false;
        return;
    end if;
    -- Without a similarity the hits were found by words alone, for which nothing is calibrated.
    is_enough := coalesce(judge_hits.similarity::real >= recipe.min_similarity, true);
    select signal.* into judge_hits.words_held, judge_hits.missing_names,
        judge_hits.unmatched_negation
    from ragpg.answer_signals(recipe.id, judge_hits.query, passages, titles) as signal;
    judge_hits.relevance := ragpg.relevance(
        recipe.id, judge_hits.similarity, judge_hits.words_held,
        cardinality(judge_hits.missing_names), judge_hits.unmatched_negation
    );
    is_enough := is_enough and coalesce(judge_hits.relevance >= recipe.min_relevance, true);
end
$$;
comment on function ragpg.judge_hits(text, bigint[], double precision[]) is
'Returns whether the hits of a search, best first, are enough to answer a question from: their best similarity reaches the search index''s min_similarity and, once ragpg.calibrate chose one, their relevance its min_relevance. With what it judges by: ragpg.relevance (null until calibrated) and ragpg.answer_signals. What ask abstains by.';

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
    select known.* into run from ragpg.evaluation_runs as known where known.id = run_id;
    if run.id is null or run.finished_at is null then
        raise exception 'there is no finished evaluation run %', run_id
            using errcode = 'RG011', hint = 'ragpg eval list shows them';
    end if;
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
    cross join lateral ragpg.answer_signals(
        run.index_id, asked.question, asked.passages, asked.titles
    ) as signal;
    select fitted.* into chosen
    from ragpg.choose_abstention(best, held, missing, unmatched, truth, calibrate.keep) as fitted;
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
        cross join lateral ragpg.choose_abstention(
            four.best, four.held, four.missing, four.unmatched, four.truth, calibrate.keep
        ) as fitted;
        for place in 1..cardinality(truth) loop
            if part[place] = fifth then
                answered[place] := best[place] >= other.min_similarity
                    and ragpg.logistic(
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
    from ragpg.wilson_interval(round(kept * answerable)::bigint, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg.wilson_interval(round(refused * unanswerable)::bigint, unanswerable) as bounds;
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
'Chooses, from a run over answerable and unanswerable questions, when ask abstains: below a similarity of the best hit or a ragpg.relevance, so that the given share of answerable questions is kept. Stores both and the weights of relevance with the run''s search index unless told not to. Kept and refused are shares of questions nothing was chosen on (each fifth by the other four), with 95 % intervals, beside what a threshold on similarity alone does to the same questions; where that is as good, which the same shares decide, min_relevance is null. Raises RG005, RG010, RG011.';
