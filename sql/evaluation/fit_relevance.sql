-- How likely is an answer, given what is known of the hits?
create or replace function ragpg_internal.fit_relevance(
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
comment on function ragpg_internal.fit_relevance(
    double precision[], double precision[], integer[], boolean[], boolean[]
) is
'Returns the weights of ragpg_internal.logistic that tell from the best hit''s similarity and ragpg_internal.answer_signals how likely there is an answer. Those of similarity and words held are never negative, those of missing names and of an unmatched negation never positive. Raises RG011 when all questions are of one kind.';
