-- How likely is an answer, given the best hit's similarity?
create or replace function ragpg.fit_relevance(
    similarities double precision[], answerable boolean[], out relevance_offset double precision,
    out relevance_slope double precision
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    total bigint := cardinality(similarities);
    positives bigint;
    mean double precision;
    gradient_offset double precision;
    gradient_slope double precision;
    h_offset double precision;
    h_both double precision;
    h_slope double precision;
    determinant double precision;
begin
    select count(*) filter (where given.is_answerable), avg(given.similarity)
    into positives, mean
    from unnest(similarities, answerable) as given (similarity, is_answerable);
    if positives = 0 or positives = total then
        raise exception 'all % questions are %answerable: relevance cannot be told apart', total,
            case when positives = 0 then 'un' else '' end
            using errcode = 'RG011', hint = 'an evaluation set needs questions of both kinds';
    end if;
    -- Newton's method on the similarities less their mean; targets as Platt (1999) smooths them,
    -- so that separable questions do not drive the slope to infinity.
    relevance_offset := ln((positives + 1.0) / (total - positives + 1.0));
    relevance_slope := 0;
    for step in 1..50 loop
        select
            sum(point.probability - point.target),
            sum((point.probability - point.target) * point.centred) + 1e-3 * relevance_slope,
            sum(point.probability * (1 - point.probability)) + 1e-9,
            sum(point.probability * (1 - point.probability) * point.centred),
            sum(point.probability * (1 - point.probability) * point.centred ^ 2) + 1e-3
        into gradient_offset, gradient_slope, h_offset, h_both, h_slope
        from (
            select
                given.similarity - mean as centred,
                1 / (1 + exp(-greatest(-500, least(500,
                    relevance_offset + relevance_slope * (given.similarity - mean)
                )))) as probability,
                case
                    when given.is_answerable then (positives + 1.0) / (positives + 2.0)
                    else 1.0 / (total - positives + 2.0)
                end::double precision as target
            from unnest(similarities, answerable) as given (similarity, is_answerable)
        ) as point;
        determinant := h_offset * h_slope - h_both ^ 2;
        exit when determinant < 1e-12;
        relevance_offset := relevance_offset
            - (h_slope * gradient_offset - h_both * gradient_slope) / determinant;
        relevance_slope := relevance_slope
            - (h_offset * gradient_slope - h_both * gradient_offset) / determinant;
        exit when abs(gradient_offset) + abs(gradient_slope) < 1e-9;
    end loop;
    relevance_offset := relevance_offset - relevance_slope * mean;
end
$$;
comment on function ragpg.fit_relevance(double precision[], boolean[]) is
'Returns offset and slope of the logistic curve that tells from the best hit''s similarity how likely the collection holds an answer: 1 / (1 + exp(-(offset + slope * similarity))) (Platt 1999). Raises RG011 when all questions are of one kind.';
