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
        from ragpg.evaluation_label_spans as label
        where label.evaluation_question_id = question_id
    ),
    touched as materialized (
        select
            span.evaluation_label_id, chunk.id,
            chunk.start_char <= span.start_char and span.end_char <= chunk.end_char as is_whole
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
                    range_agg(int4range(span.start_char, span.end_char)) as spans
                from span
                where span.state = 'found'
                group by span.document_id
            ) as by_document
        )
    into relevant_ids, labels, lost, split, spans;

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
        run_id, question_id, jsonb_array_length(found), cardinality(relevant_ids), first_place,
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
                (result.labelled_spans ->> citation.document_id::text)::int4multirange
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
    measured.found / run.k::double precision as precision,
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
    span.shared / nullif(span.labelled, 0)::double precision as span_recall,
    span.shared / nullif(span.retrieved, 0)::double precision as span_precision,
    span.shared / nullif(span.labelled + span.retrieved - span.shared, 0)::double precision
        as span_iou
from ragpg.evaluation_results as result
join ragpg.evaluation_runs as run on run.id = result.evaluation_run_id
join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
cross join lateral (
    select
        count(*) filter (where ranked.is_relevant) as found,
        min(ranked.place) filter (where ranked.is_relevant) as first_place,
        coalesce(
            sum(ranked.relevant_so_far / ranked.place::double precision)
                filter (where ranked.is_relevant),
            0
        ) as precisions,
        coalesce(
            sum(ln(2::double precision) / ln(ranked.place + 1::double precision))
                filter (where ranked.is_relevant),
            0
        ) as gain
    from (
        select
            hit.place, hit.is_relevant,
            count(*) filter (where hit.is_relevant) over (order by hit.place) as relevant_so_far
        from ragpg.evaluation_hits as hit
        where hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
    ) as ranked
) as measured
cross join lateral (
    select
        coalesce(sum(ragpg_internal.range_length(by_document.labelled)), 0) as labelled,
        coalesce(sum(ragpg_internal.range_length(by_document.retrieved)), 0) as retrieved,
        coalesce(sum(ragpg_internal.range_length(by_document.labelled * by_document.retrieved)), 0)
            as shared
    from (
        select
            document_id,
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
'A row per question and run. Relevant is a chunk that holds a character of a labelled text; recall, precision, reciprocal rank, average precision and nDCG are at the run''s k, with binary gains, as trec_eval computes them; span measures count characters and so compare recipes of different chunk sizes (Smith and Troynikov 2024). Null where nothing is labelled.';
comment on column ragpg.evaluation_measures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_measures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_measures.question is 'Its text.';
comment on column ragpg.evaluation_measures.tags is 'Its tags.';
comment on column ragpg.evaluation_measures.is_answerable is 'Whether the collection holds the answer.';
comment on column ragpg.evaluation_measures.k is 'Hits asked for.';
comment on column ragpg.evaluation_measures.hit_count is 'Hits that came back.';
comment on column ragpg.evaluation_measures.relevant_chunks is 'Relevant chunks there are.';
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
            span.end_char, ragpg_internal.evaluation_split(span.evaluation_question_id) as split
        from recipe
        join ragpg.evaluation_sets as of_set on of_set.collection_id = recipe.collection_id
        join ragpg.evaluation_label_spans as span on span.evaluation_set_id = of_set.id
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
        select asked, question, origin, document_id, start_char, end_char from labelled
        union all
        select asked, question, origin, document_id, start_char, end_char from cited
    ),
    touched as materialized (
        select
            known.*, chunk.id as chunk_id, chunk.ordinal,
            least(known.end_char, chunk.end_char) - greatest(known.start_char, chunk.start_char)
                as shared
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
'Returns questions with the chunk that answers each: the one that holds most of a labelled text of an evaluation set, or of a quote in an answer of a model that nobody called bad (origin: the evaluation set, accepted answer, or citation); text is what the embedding model reads. split is held-out when the question is held out by ragpg_internal.evaluation_split, or its document is labelled by a question that is: such a pair is for judging only. relevant_chunk_ids are all chunks known to be relevant to the question. For the active search index, or the given one.';

comment on column ragpg.evaluation_results.relevant_chunks is
'Chunks of the search index that hold a character of a labelled text.';
comment on column ragpg.evaluation_results.split_labels is
'Labels that no single chunk holds whole.';
comment on column ragpg.evaluation_results.labelled_spans is
'The labelled characters then, as int4multirange by document id.';
