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
