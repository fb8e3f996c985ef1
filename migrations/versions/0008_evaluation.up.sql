-- 0008: evaluation. Questions with labelled texts, runs of them, measures as views.

create table ragpg.evaluation_sets (
    id bigint generated always as identity,
    collection_id bigint not null,
    name text not null,
    description text not null default '',
    created_at timestamptz not null default now(),
    constraint evaluation_sets_pkey primary key (id),
    constraint evaluation_sets_collection_id_name_key unique (collection_id, name),
    constraint evaluation_sets_collection_id_fkey
        foreign key (collection_id) references ragpg.collections (id) on delete cascade,
    constraint evaluation_sets_name_is_not_blank check (name ~ '\S')
);
comment on table ragpg.evaluation_sets is 'Named sets of questions a collection is measured with.';
comment on column ragpg.evaluation_sets.id is 'Key.';
comment on column ragpg.evaluation_sets.collection_id is 'The collection they are asked of.';
comment on column ragpg.evaluation_sets.name is 'Its name, one in its collection.';
comment on column ragpg.evaluation_sets.description is 'Where the questions come from, for people.';
comment on column ragpg.evaluation_sets.created_at is 'When it was made.';

create table ragpg.evaluation_questions (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    question text not null,
    expected_answer text,
    is_answerable boolean not null default true,
    tags text[] not null default '{}',
    created_at timestamptz not null default now(),
    constraint evaluation_questions_pkey primary key (id),
    constraint evaluation_questions_evaluation_set_id_question_key
        unique (evaluation_set_id, question),
    constraint evaluation_questions_evaluation_set_id_fkey
        foreign key (evaluation_set_id) references ragpg.evaluation_sets (id) on delete cascade,
    constraint evaluation_questions_question_is_not_blank check (question ~ '\S')
);
comment on table ragpg.evaluation_questions is 'The questions of an evaluation set.';
comment on column ragpg.evaluation_questions.id is 'Key.';
comment on column ragpg.evaluation_questions.evaluation_set_id is 'The set.';
comment on column ragpg.evaluation_questions.question is 'The question, as a user would ask it.';
comment on column ragpg.evaluation_questions.expected_answer is 'What a good answer says, if known.';
comment on column ragpg.evaluation_questions.is_answerable is
'Whether the collection holds the answer; false: abstaining is right.';
comment on column ragpg.evaluation_questions.tags is 'Kinds it belongs to, for measures per tag.';
comment on column ragpg.evaluation_questions.created_at is 'When it was added.';

create table ragpg.evaluation_labels (
    id bigint generated always as identity,
    evaluation_question_id bigint not null,
    source text not null,
    quote text,
    start_char integer,
    end_char integer,
    constraint evaluation_labels_pkey primary key (id),
    constraint evaluation_labels_evaluation_question_id_fkey
        foreign key (evaluation_question_id) references ragpg.evaluation_questions (id)
        on delete cascade,
    constraint evaluation_labels_source_is_not_blank check (source ~ '\S'),
    constraint evaluation_labels_quote_is_not_blank check (quote ~ '\S'),
    constraint evaluation_labels_span_is_ordered
        check (num_nulls(start_char, end_char) = 2 or 0 <= start_char and start_char < end_char)
);
comment on table ragpg.evaluation_labels is
'Where the answer to a question stands: a document, and in it a quote or a span of characters, or all of it. Never a chunk, so that labels survive another chunking.';
comment on column ragpg.evaluation_labels.id is 'Key.';
comment on column ragpg.evaluation_labels.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_labels.source is
'The document''s source, or the end of it after a slash when that is one document only.';
comment on column ragpg.evaluation_labels.quote is
'The text that answers, verbatim; found again when the document changes.';
comment on column ragpg.evaluation_labels.start_char is
'Its first character: which of several places the quote stands at, or the label itself without one.';
comment on column ragpg.evaluation_labels.end_char is 'One past its last character.';
create index evaluation_labels_evaluation_question_id_btree
    on ragpg.evaluation_labels (evaluation_question_id);
comment on index ragpg.evaluation_labels_evaluation_question_id_btree is
'Serves the labels of a question.';

create table ragpg.evaluation_runs (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    index_id bigint not null,
    k integer not null,
    mode text not null,
    note text not null default '',
    recipe jsonb not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint evaluation_runs_pkey primary key (id),
    constraint evaluation_runs_evaluation_set_id_fkey
        foreign key (evaluation_set_id) references ragpg.evaluation_sets (id) on delete cascade,
    constraint evaluation_runs_k_is_positive check (k > 0)
);
comment on table ragpg.evaluation_runs is
'One asking of an evaluation set: of which search index, how, and when.';
comment on column ragpg.evaluation_runs.id is 'Key.';
comment on column ragpg.evaluation_runs.evaluation_set_id is 'The questions.';
comment on column ragpg.evaluation_runs.index_id is
'The search index; no foreign key, because a run outlives a dropped recipe.';
comment on column ragpg.evaluation_runs.k is 'Hits asked for.';
comment on column ragpg.evaluation_runs.mode is 'hybrid, vector or keyword.';
comment on column ragpg.evaluation_runs.note is 'What was tried, for people.';
comment on column ragpg.evaluation_runs.recipe is 'The search index as it was then.';
comment on column ragpg.evaluation_runs.started_at is 'When it began.';
comment on column ragpg.evaluation_runs.finished_at is 'When it ended; null when it did not.';
create index evaluation_runs_evaluation_set_id_btree on ragpg.evaluation_runs (evaluation_set_id);
comment on index ragpg.evaluation_runs_evaluation_set_id_btree is 'Serves the runs of a set.';

create table ragpg.evaluation_results (
    evaluation_run_id bigint not null,
    evaluation_question_id bigint not null,
    hit_count integer not null,
    relevant_chunks integer not null,
    first_relevant_place integer,
    latency_ms double precision not null,
    labels integer not null,
    lost_labels integer not null,
    split_labels integer not null,
    labelled_spans jsonb not null default '{}',
    answer_id bigint,
    grade text,
    grade_reason text,
    constraint evaluation_results_answer_id_fkey
        foreign key (answer_id) references ragpg.answers (id) on delete set null,
    constraint evaluation_results_grade_is_known
        check (grade in ('right', 'right in fact', 'wrong')),
    constraint evaluation_results_pkey primary key (evaluation_run_id, evaluation_question_id),
    constraint evaluation_results_evaluation_run_id_fkey
        foreign key (evaluation_run_id) references ragpg.evaluation_runs (id) on delete cascade,
    constraint evaluation_results_evaluation_question_id_fkey
        foreign key (evaluation_question_id) references ragpg.evaluation_questions (id)
        on delete cascade
);
comment on table ragpg.evaluation_results is 'What one question gave in one run.';
comment on column ragpg.evaluation_results.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_results.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_results.hit_count is 'Hits that came back.';
comment on column ragpg.evaluation_results.relevant_chunks is
'Chunks of the search index that hold a character of a labelled text.';
comment on column ragpg.evaluation_results.first_relevant_place is
'Place of the first relevant chunk among k hits or, beyond them, among all candidates; null: not a candidate.';
comment on column ragpg.evaluation_results.latency_ms is
'Milliseconds of the search in the database, the embedding of the question included when it made it.';
comment on column ragpg.evaluation_results.labels is 'Labels of the question.';
comment on column ragpg.evaluation_results.lost_labels is
'Labels whose document or quote is not in the collection any more.';
comment on column ragpg.evaluation_results.split_labels is 'Labels that no single chunk holds whole.';
comment on column ragpg.evaluation_results.labelled_spans is
'The labelled characters then, as int4multirange by document id.';
comment on column ragpg.evaluation_results.answer_id is 'The answer it got; null when none was asked for, or it was erased.';
comment on column ragpg.evaluation_results.grade is
'right, right in fact (but wrong in form), or wrong, by a judge; null without one.';
comment on column ragpg.evaluation_results.grade_reason is 'What the judge said.';
create index evaluation_results_answer_id_btree on ragpg.evaluation_results (answer_id)
    where answer_id is not null;
comment on index ragpg.evaluation_results_answer_id_btree is 'Serves the deletion of answers.';
create index evaluation_results_evaluation_question_id_btree
    on ragpg.evaluation_results (evaluation_question_id);
comment on index ragpg.evaluation_results_evaluation_question_id_btree is
'Serves the deletion of questions, and one question over all runs.';

create table ragpg.evaluation_hits (
    evaluation_run_id bigint not null,
    evaluation_question_id bigint not null,
    place integer not null,
    is_relevant boolean not null,
    document_id bigint not null,
    document_version integer not null,
    source text not null,
    start_char integer not null,
    end_char integer not null,
    score double precision not null,
    similarity double precision,
    bm25 double precision,
    constraint evaluation_hits_pkey primary key (evaluation_run_id, evaluation_question_id, place),
    constraint evaluation_hits_evaluation_results_fkey
        foreign key (evaluation_run_id, evaluation_question_id)
        references ragpg.evaluation_results (evaluation_run_id, evaluation_question_id)
        on delete cascade
);
comment on table ragpg.evaluation_hits is 'The hits of each question of each run.';
comment on column ragpg.evaluation_hits.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_hits.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_hits.place is 'Place of the hit, from 1.';
comment on column ragpg.evaluation_hits.is_relevant is 'Whether it holds a character of a labelled text.';
comment on column ragpg.evaluation_hits.document_id is 'Its document.';
comment on column ragpg.evaluation_hits.document_version is 'Its version then.';
comment on column ragpg.evaluation_hits.source is 'The document''s source then.';
comment on column ragpg.evaluation_hits.start_char is 'First character of the chunk.';
comment on column ragpg.evaluation_hits.end_char is 'One past its last character.';
comment on column ragpg.evaluation_hits.score is 'What ordered the hits.';
comment on column ragpg.evaluation_hits.similarity is 'Cosine to the question.';
comment on column ragpg.evaluation_hits.bm25 is 'Score of its words.';

alter table ragpg.search_indexes
    add column relevance_offset double precision,
    add column relevance_slope double precision,
    add constraint search_indexes_relevance_is_whole
        check (num_nulls(relevance_offset, relevance_slope) in (0, 2));
comment on column ragpg.search_indexes.relevance_offset is
'Of the curve from similarity to relevance (ragpg.relevance), set by ragpg.calibrate; null before.';
comment on column ragpg.search_indexes.relevance_slope is 'Its slope.';

-- How many characters do these spans hold?
create or replace function ragpg.range_length(spans int4multirange) returns bigint
language sql immutable parallel safe
begin atomic
    select coalesce(sum(upper(part) - lower(part)), 0)
    from unnest(spans) as part;
end;
comment on function ragpg.range_length(int4multirange) is
'Returns the number of characters in a set of spans.';

-- Where does each label stand in the documents as they are now?
create or replace view ragpg.evaluation_label_spans with (security_invoker = true) as
select
    label.id as evaluation_label_id,
    question.id as evaluation_question_id,
    question.evaluation_set_id,
    question.question,
    label.source,
    label.quote,
    case
        when document.id is null then 'document is gone'
        when label.quote is not null and place.start_char is null then 'quote is gone'
        when label.quote is null and label.end_char > char_length(document.content)
            then 'document is shorter'
        else 'found'
    end as state,
    document.id as document_id,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char
        else coalesce(label.start_char, 0)
    end as start_char,
    case
        when document.id is null then null
        when label.quote is not null then place.start_char + char_length(label.quote)
        else coalesce(label.end_char, char_length(document.content))
    end as end_char
from ragpg.evaluation_labels as label
join ragpg.evaluation_questions as question on question.id = label.evaluation_question_id
join ragpg.evaluation_sets as asked on asked.id = question.evaluation_set_id
left join lateral (
    -- The source itself, or the one document whose path ends with it.
    select known.id, known.content
    from ragpg.documents as known
    where known.collection_id = asked.collection_id
        and (
            known.source = label.source
            or (known.source like '%/' || label.source
                and not exists (
                    select
                    from ragpg.documents as other
                    where other.collection_id = asked.collection_id
                        and (other.source = label.source
                            or other.source like '%/' || label.source and other.id <> known.id)
                ))
        )
) as document on true
left join lateral (
    select case
        -- At its old place still, or else where it first occurs.
        when substr(document.content, label.start_char + 1, char_length(label.quote)) = label.quote
            then label.start_char
        else nullif(strpos(document.content, label.quote), 0) - 1
    end as start_char
) as place on true;
comment on view ragpg.evaluation_label_spans is
'A row per label with the characters it stands at today; state says when its document or quote is gone.';
comment on column ragpg.evaluation_label_spans.evaluation_label_id is 'The label.';
comment on column ragpg.evaluation_label_spans.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_label_spans.evaluation_set_id is 'The evaluation set.';
comment on column ragpg.evaluation_label_spans.question is 'The question''s text.';
comment on column ragpg.evaluation_label_spans.source is 'The document, as the label names it.';
comment on column ragpg.evaluation_label_spans.quote is 'The labelled text, if it is a quote.';
comment on column ragpg.evaluation_label_spans.state is
'found, document is gone, quote is gone, or document is shorter.';
comment on column ragpg.evaluation_label_spans.document_id is 'The document; null when it is gone.';
comment on column ragpg.evaluation_label_spans.start_char is 'First labelled character.';
comment on column ragpg.evaluation_label_spans.end_char is 'One past the last.';

-- A question for measuring, with where its answer stands.
create or replace function ragpg.put_evaluation_question(
    collection text,
    evaluation_set text,
    question text,
    labels jsonb default '[]',
    expected_answer text default null,
    is_answerable boolean default true,
    tags text[] default '{}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    set_id bigint;
    new_id bigint;
begin
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (ragpg.collection_id(put_evaluation_question.collection), evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_questions as known (
        evaluation_set_id, question, expected_answer, is_answerable, tags
    )
    values (
        set_id, put_evaluation_question.question, put_evaluation_question.expected_answer,
        put_evaluation_question.is_answerable, put_evaluation_question.tags
    )
    on conflict on constraint evaluation_questions_evaluation_set_id_question_key do update
    set expected_answer = excluded.expected_answer,
        is_answerable = excluded.is_answerable,
        tags = excluded.tags
    returning known.id into new_id;
    delete from ragpg.evaluation_labels as label where label.evaluation_question_id = new_id;
    insert into ragpg.evaluation_labels (
        evaluation_question_id, source, quote, start_char, end_char
    )
    select new_id, label.source, label.quote, label.start_char, label.end_char
    from jsonb_to_recordset(labels) as label (
        source text, quote text, start_char integer, end_char integer
    );
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_question(text, text, text, jsonb, text, boolean, text[]) is
'Stores a question in an evaluation set, which is made when it is new, and returns its id; the same question again replaces it. labels is a JSON array of objects with source and a quote, or start_char and end_char, or neither for the whole document.';

-- A new run of an evaluation set.
create or replace function ragpg.start_evaluation(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
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
    where known.collection_id = parent_id and known.name = start_evaluation.evaluation_set;
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
    insert into ragpg.evaluation_runs (evaluation_set_id, index_id, k, mode, note, recipe)
    select set_id, recipe.id, k, mode, note, to_jsonb(recipe) || jsonb_build_object(
        'embedding_model', (
            select model.name
            from ragpg.embedding_models as model
            where model.id = recipe.embedding_model_id
        )
    )
    returning id into new_id;
    return new_id;
end
$$;
comment on function ragpg.start_evaluation(text, text, integer, text, bigint, text) is
'Returns the id of a new run of an evaluation set against a search index of its collection (the active one by default). ragpg.evaluate_question then asks its questions one by one; ragpg.evaluate does it all. Raises RG010, RG011.';

-- One question of a run: asked, and its hits held against the labels.
create or replace function ragpg.evaluate_question(
    run_id bigint, question_id bigint, query_embedding halfvec default null
) returns void
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
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
        join ragpg.chunks as chunk
            on chunk.index_id = run.index_id
            and chunk.document_id = span.document_id
            and chunk.start_char < span.end_char
            and span.start_char < chunk.end_char
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
        first_relevant_place, latency_ms, labels, lost_labels, split_labels, labelled_spans
    )
    values (
        run_id, question_id, jsonb_array_length(found), cardinality(relevant_ids), first_place,
        latency, labels, lost, split, spans
    );
    insert into ragpg.evaluation_hits (
        evaluation_run_id, evaluation_question_id, place, is_relevant, document_id,
        document_version, source, start_char, end_char, score, similarity, bm25
    )
    select
        run_id, question_id, hit.place, hit.chunk_id = any(relevant_ids), hit.document_id,
        hit.document_version, hit.source, hit.start_char, hit.end_char, hit.score,
        hit.similarity, hit.bm25
    from jsonb_to_recordset(found) as hit (
        place integer, chunk_id bigint, document_id bigint, document_version integer,
        source text, start_char integer, end_char integer, score double precision,
        similarity double precision, bm25 double precision
    );
end
$$;
comment on function ragpg.evaluate_question(bigint, bigint, halfvec) is
'Asks one question of a run and stores its hits, which of them touch a labelled text, and how long the search took. Without query_embedding the database embeds the question if it can.';

-- How good is retrieval? Asks a whole evaluation set, in SQL alone.
create or replace function ragpg.evaluate(
    collection text,
    evaluation_set text,
    k integer default 10,
    mode text default 'hybrid',
    index_id bigint default null,
    note text default ''
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    run_id bigint := ragpg.start_evaluation(collection, evaluation_set, k, mode, index_id, note);
    question_id bigint;
begin
    for question_id in
        select question.id
        from ragpg.evaluation_questions as question
        join ragpg.evaluation_runs as run on run.evaluation_set_id = question.evaluation_set_id
        where run.id = run_id
        order by question.id
    loop
        perform ragpg.evaluate_question(run_id, question_id);
    end loop;
    update ragpg.evaluation_runs as run
    set finished_at = clock_timestamp()
    where run.id = run_id;
    return run_id;
end
$$;
comment on function ragpg.evaluate(text, text, integer, text, bigint, text) is
'Asks every question of an evaluation set and returns the id of the run; view evaluation_leaderboard has its measures. The database embeds the questions if it holds the model (ragpg model load); else words stand in for it.';

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
        coalesce(sum(ragpg.range_length(by_document.labelled)), 0) as labelled,
        coalesce(sum(ragpg.range_length(by_document.retrieved)), 0) as retrieved,
        coalesce(sum(ragpg.range_length(by_document.labelled * by_document.retrieved)), 0)
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

-- What did the model make of a question's hits, and was it right?
create or replace function ragpg.note_answer(
    run_id bigint, question_id bigint, answer_id bigint, grade text default null,
    grade_reason text default null
) returns void
language sql volatile
begin atomic
    update ragpg.evaluation_results as result
    set answer_id = note_answer.answer_id,
        grade = note_answer.grade,
        grade_reason = note_answer.grade_reason
    where result.evaluation_run_id = note_answer.run_id
        and result.evaluation_question_id = note_answer.question_id;
end;
comment on function ragpg.note_answer(bigint, bigint, bigint, text, text) is
'Notes which stored answer a question of a run got, and its grade if a judge gave one: right, right in fact (but wrong in form), or wrong.';

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
    run.finished_at
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

-- Why did it miss?
create or replace view ragpg.evaluation_failures with (security_invoker = true) as
select
    failed.evaluation_run_id,
    failed.evaluation_question_id,
    failed.question,
    failed.kind,
    case failed.kind
        when 'not in the corpus' then 'add the missing document, or correct the label'
        when 'cut across chunks' then 'larger chunks, or overlap: ragpg index build'
        when 'not among the candidates'
            then 'other words or another embedding model; more candidates'
        when 'ranked low' then 'the weight of the legs, or a reranker'
        when 'should have abstained' then 'a higher min_similarity: ragpg eval calibrate'
        when 'answer wrong or uncited' then 'the prompt or another model; look at the hits it read'
        else 'a behaviour, not a knowledge gap: examples in the prompt, or fine-tuning'
    end as what_to_try,
    failed.first_relevant_place,
    failed.span_recall
from (
    select
        measure.*,
        case
            when not measure.is_answerable then
                case when not answered.abstained then 'should have abstained' end
            when result.labels > 0 and (measure.success = 0 or measure.span_recall < 1) then
                case
                    when answered.grade = 'right' then null  -- what was found was enough
                    when result.lost_labels = result.labels then 'not in the corpus'
                    when result.split_labels = result.labels - result.lost_labels
                        then 'cut across chunks'
                    when measure.first_relevant_place is null then 'not among the candidates'
                    when measure.first_relevant_place > measure.k then 'ranked low'
                end
            when answered.grade = 'right in fact' then 'answer right in fact, wrong in form'
            when answered.abstained or not answered.grounded or answered.grade = 'wrong'
                then 'answer wrong or uncited'
        end as kind
    from ragpg.evaluation_measures as measure
    join ragpg.evaluation_results as result
        on result.evaluation_run_id = measure.evaluation_run_id
        and result.evaluation_question_id = measure.evaluation_question_id
    left join ragpg.evaluation_answers as answered
        on answered.evaluation_run_id = measure.evaluation_run_id
        and answered.evaluation_question_id = measure.evaluation_question_id
) as failed
where failed.kind is not null;
comment on view ragpg.evaluation_failures is
'A row per question of a run that went wrong, with the reason. The hits do not hold the answer whole: its document or quote is not in the corpus; no chunk holds it whole; no chunk of it is a candidate; or one is, but ranked below k. With answers also those whose hits sufficed: the answer is wrong or uncited (knowledge was there), or right in fact but wrong in form (a behaviour gap, which retrieval does not close), and those that should have abstained.';
comment on column ragpg.evaluation_failures.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_failures.evaluation_question_id is 'The question.';
comment on column ragpg.evaluation_failures.question is 'Its text.';
comment on column ragpg.evaluation_failures.kind is
'not in the corpus, cut across chunks, not among the candidates, ranked low, should have abstained, answer wrong or uncited, or answer right in fact, wrong in form.';
comment on column ragpg.evaluation_failures.what_to_try is 'What may help.';
comment on column ragpg.evaluation_failures.first_relevant_place is 'Where the first relevant chunk was, if a candidate.';
comment on column ragpg.evaluation_failures.span_recall is 'Share of the labelled characters found.';

-- Is this run better than that one, or is it chance?
create or replace function ragpg.compare_runs(
    first_run bigint, second_run bigint, samples integer default 2000
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
comment on function ragpg.compare_runs(bigint, bigint, integer) is
'Compares two runs on the questions both asked: means, their difference with a 95 % interval by paired bootstrap (Efron 1979; the questions are drawn anew samples times), and on how many questions the second is better or worse. An interval that holds 0 is noise.';

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
        ' ragpg.evaluation_hits to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id and earlier.source = erase_document.source
    ) as known;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Between which bounds does a share lie?
create or replace function ragpg.wilson_interval(
    successes bigint, total bigint, out low double precision, out high double precision
)
language sql immutable parallel safe
begin atomic
    select
        greatest(0, (share + 1.9207 / total - 1.96 * spread) / (1 + 3.8416 / total)),
        least(1, (share + 1.9207 / total + 1.96 * spread) / (1 + 3.8416 / total))
    from (
        select
            successes::double precision / total as share,
            sqrt(
                successes::double precision / total * (1 - successes::double precision / total)
                / total + 0.9604 / total::double precision ^ 2
            ) as spread
        where total > 0
    ) as observed;
end;
comment on function ragpg.wilson_interval(bigint, bigint) is
'Returns the 95 % interval of a share of which successes of total were observed (Wilson 1927); null for none.';

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
'Returns the largest similarity that at least the share keep of the answerable questions'' best hits reach, and at least 0.';

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

-- From 0 to 1: how likely does a hit answer?
create or replace function ragpg.relevance(index_id bigint, similarity double precision)
returns double precision
language sql stable
begin atomic
    select 1 / (1 + exp(-greatest(-500, least(500,
        recipe.relevance_offset + recipe.relevance_slope * relevance.similarity
    ))))
    from ragpg.search_indexes as recipe
    where recipe.id = relevance.index_id;
end;
comment on function ragpg.relevance(bigint, double precision) is
'Returns how likely, from 0 to 1, a search index holds the answer to a question whose best hit is that similar to it; null until ragpg.calibrate was called.';

-- From which similarity on is there an answer?
create or replace function ragpg.calibrate(
    run_id bigint, keep double precision default 0.95, store boolean default true
) returns table (
    min_similarity double precision, relevance_offset double precision,
    relevance_slope double precision, answerable bigint, kept double precision,
    kept_low double precision, kept_high double precision, unanswerable bigint,
    refused double precision, refused_low double precision, refused_high double precision
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    run ragpg.evaluation_runs;
    best double precision[];
    truth boolean[];
    kept_count bigint;
    refused_count bigint;
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
    select
        array_agg(asked.similarity order by asked.id),
        array_agg(asked.is_answerable order by asked.id)
    into best, truth
    from (
        select question.id, question.is_answerable, coalesce(max(hit.similarity), 0) as similarity
        from ragpg.evaluation_results as result
        join ragpg.evaluation_questions as question on question.id = result.evaluation_question_id
        left join ragpg.evaluation_hits as hit
            on hit.evaluation_run_id = result.evaluation_run_id
            and hit.evaluation_question_id = result.evaluation_question_id
        where result.evaluation_run_id = run.id
        group by question.id
    ) as asked;
    select fitted.relevance_offset, fitted.relevance_slope
    into relevance_offset, relevance_slope
    from ragpg.fit_relevance(best, truth) as fitted;
    min_similarity := ragpg.similarity_to_keep(best, truth, keep);
    -- How well that does on questions it was not chosen on: each fifth by the other four.
    with asked as (
        select place % 5 as part, given.similarity, given.is_answerable
        from unnest(best, truth) with ordinality as given (similarity, is_answerable, place)
    ),
    chosen as materialized (
        select
            held.part,
            ragpg.similarity_to_keep(
                array_agg(other.similarity), array_agg(other.is_answerable), calibrate.keep
            ) as threshold
        from (select distinct part from asked) as held
        join asked as other on other.part <> held.part
        group by held.part
    )
    select
        count(*) filter (where asked.is_answerable),
        count(*) filter (where asked.is_answerable and asked.similarity >= chosen.threshold),
        count(*) filter (where not asked.is_answerable),
        count(*) filter (where not asked.is_answerable and asked.similarity < chosen.threshold)
    into answerable, kept_count, unanswerable, refused_count
    from asked
    join chosen on chosen.part = asked.part;
    kept := kept_count::double precision / answerable;
    refused := refused_count::double precision / unanswerable;
    select bounds.low, bounds.high into kept_low, kept_high
    from ragpg.wilson_interval(kept_count, answerable) as bounds;
    select bounds.low, bounds.high into refused_low, refused_high
    from ragpg.wilson_interval(refused_count, unanswerable) as bounds;
    if store then
        update ragpg.search_indexes as recipe
        set min_similarity = calibrate.min_similarity,
            relevance_offset = calibrate.relevance_offset,
            relevance_slope = calibrate.relevance_slope
        where recipe.id = run.index_id;
    end if;
    return next;
end
$$;
comment on function ragpg.calibrate(bigint, double precision, boolean) is
'Chooses, from a run over answerable and unanswerable questions, the similarity of the best hit below which ask abstains: the largest that keeps the given share of answerable questions; and fits ragpg.relevance. Stores both with the run''s search index unless told not to. Kept and refused are shares of questions the threshold was not chosen on (each fifth by the other four), with 95 % intervals. Raises RG005, RG011.';
