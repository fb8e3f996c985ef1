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
    labelled_documents bigint[];
    found jsonb;
    relevant_ids bigint[];
    relevant integer;
    labels integer;
    lost integer;
    split integer;
    spans jsonb;
    first_place integer;
    held record;  -- the chunks of the labelled documents
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

    labelled_documents := array(
        select one.document_id
        from ragpg.evaluation_label_spans as one
        where one.evaluation_question_id = question_id and one.document_id is not null
    );
    -- By key, and apart from the labels: a join may be planned that reads every chunk.
    select
        array_agg(chunk.chunk_id) as ids, array_agg(chunk.document_id) as document_ids,
        array_agg(chunk.start_char) as starts, array_agg(chunk.end_char) as ends
    into held
    from ragpg_internal.document_chunks(run.index_id, labelled_documents) as chunk;
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
        join unnest(held.ids, held.document_ids, held.starts, held.ends)
            as chunk (id, document_id, start_char, end_char)
            on chunk.document_id = span.document_id
            and chunk.start_char < span.end_char
            and span.start_char < chunk.end_char
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
