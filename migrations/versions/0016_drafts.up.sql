-- 0016: drafts. Questions a model wrote, which count only once a person accepts them.

create table ragpg.evaluation_drafts (
    id bigint generated always as identity,
    evaluation_set_id bigint not null,
    document_id bigint not null,
    question text not null,
    expected_answer text not null,
    quote text not null,
    start_char integer not null,
    model text not null,
    drafted_at timestamptz not null default now(),
    rejected_at timestamptz,
    constraint evaluation_drafts_pkey primary key (id),
    constraint evaluation_drafts_evaluation_set_id_question_key
        unique (evaluation_set_id, question),
    constraint evaluation_drafts_evaluation_set_id_fkey
        foreign key (evaluation_set_id) references ragpg.evaluation_sets (id) on delete cascade,
    constraint evaluation_drafts_document_id_fkey
        foreign key (document_id) references ragpg.documents (id) on delete cascade,
    constraint evaluation_drafts_question_is_not_blank check (question ~ '\S'),
    constraint evaluation_drafts_quote_is_not_blank check (quote ~ '\S'),
    constraint evaluation_drafts_start_char_is_not_negative check (start_char >= 0)
);
comment on table ragpg.evaluation_drafts is
'Questions a model drafted from chunks. No run asks them: ragpg.accept_draft makes one a question of its set.';
comment on column ragpg.evaluation_drafts.id is 'Key.';
comment on column ragpg.evaluation_drafts.evaluation_set_id is 'The set it is for.';
comment on column ragpg.evaluation_drafts.document_id is 'The document it was drafted from; with it the draft goes.';
comment on column ragpg.evaluation_drafts.question is 'The question.';
comment on column ragpg.evaluation_drafts.expected_answer is 'What a good answer says.';
comment on column ragpg.evaluation_drafts.quote is 'The text that answers it, verbatim.';
comment on column ragpg.evaluation_drafts.start_char is 'The first character of the quote when it was drafted.';
comment on column ragpg.evaluation_drafts.model is 'The model that wrote it.';
comment on column ragpg.evaluation_drafts.drafted_at is 'When.';
comment on column ragpg.evaluation_drafts.rejected_at is
'When a person said no; kept, so that its passage is not drafted from again.';
create index evaluation_drafts_document_id_btree on ragpg.evaluation_drafts (document_id);
comment on index ragpg.evaluation_drafts_document_id_btree is 'Serves the deletion of a document.';

-- Which passages to draft questions from?
create or replace function ragpg.sample_chunks(
    collection text, evaluation_set text, k integer default 20, min_chars integer default 100
) returns table (
    document_id bigint, source text, title text, context text, content text, start_char integer
)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent ragpg.collections;
    set_id bigint;
begin
    select one.* into parent
    from ragpg.collections as one
    where one.id = ragpg.collection_id(sample_chunks.collection);
    select known.id into set_id
    from ragpg.evaluation_sets as known
    where known.collection_id = parent.id and known.name = sample_chunks.evaluation_set;
    return query
    with taken as materialized (
        select draft.document_id, draft.start_char,
            draft.start_char + char_length(draft.quote) as end_char
        from ragpg.evaluation_drafts as draft
        where draft.evaluation_set_id = set_id
        union all
        select label.document_id, label.start_char, label.end_char
        from ragpg.evaluation_label_spans as label
        where label.evaluation_set_id = set_id and label.state = 'found'
    ),
    drawn as (
        -- A chunk of each document first, then a second of each.
        select
            chunk.id, random() as luck,
            row_number() over (partition by chunk.document_id order by random()) as turn
        from ragpg.chunks as chunk
        where chunk.index_id = parent.active_index_id
            and chunk.end_char - chunk.start_char >= min_chars
            and not exists (
                select
                from taken
                where taken.document_id = chunk.document_id
                    and taken.start_char < chunk.end_char
                    and chunk.start_char < taken.end_char
            )
        order by turn, luck
        limit sample_chunks.k
    )
    select
        document.id, document.source, document.title, chunk.context, chunk.content,
        chunk.start_char
    from drawn
    join ragpg.chunks as chunk on chunk.index_id = parent.active_index_id and chunk.id = drawn.id
    join ragpg.documents as document
        on document.id = chunk.document_id and document.version = chunk.document_version
    order by drawn.turn, drawn.luck;
end
$$;
comment on function ragpg.sample_chunks(text, text, integer, integer) is
'Draws up to k chunks of at least min_chars characters at random from the active search index, spread over the documents, without those that a label or draft of the evaluation set touches already; fewer when there are no more.';

-- A question somebody or a model proposes, for a person to accept.
create or replace function ragpg.put_evaluation_draft(
    collection text,
    evaluation_set text,
    question text,
    expected_answer text,
    document_id bigint,
    quote text,
    start_char integer,
    model text
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(put_evaluation_draft.collection);
    set_id bigint;
    new_id bigint;
begin
    perform
    from ragpg.documents as document
    where document.id = put_evaluation_draft.document_id
        and document.collection_id = parent_id
        and put_evaluation_draft.quote = substr(
            document.content, put_evaluation_draft.start_char + 1,
            char_length(put_evaluation_draft.quote)
        );
    if not found then
        raise exception 'document % does not hold this quote at character %',
            put_evaluation_draft.document_id, put_evaluation_draft.start_char
            using errcode = 'RG006', hint = 'draft from the document as it is now';
    end if;
    insert into ragpg.evaluation_sets as known (collection_id, name)
    values (parent_id, evaluation_set)
    on conflict on constraint evaluation_sets_collection_id_name_key do update
    set name = excluded.name
    returning known.id into set_id;
    insert into ragpg.evaluation_drafts as known (
        evaluation_set_id, document_id, question, expected_answer, quote, start_char, model
    )
    select
        set_id, put_evaluation_draft.document_id, put_evaluation_draft.question,
        put_evaluation_draft.expected_answer, put_evaluation_draft.quote,
        put_evaluation_draft.start_char, put_evaluation_draft.model
    where not exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = set_id
            and asked.question = put_evaluation_draft.question
    )
    on conflict on constraint evaluation_drafts_evaluation_set_id_question_key do nothing
    returning known.id into new_id;
    return new_id;
end
$$;
comment on function ragpg.put_evaluation_draft(text, text, text, text, bigint, text, integer, text) is
'Stores a drafted question of an evaluation set, which is made when it is new, and returns its id; null when the set has that question or draft already. No run asks it before ragpg.accept_draft. Raises RG006 when the document does not hold the quote at that character.';

-- A person says yes: the draft becomes a question of its set.
create or replace function ragpg.accept_draft(
    draft_id bigint, tags text[] default '{drafted}'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    draft record;
    new_id bigint;
begin
    delete from ragpg.evaluation_drafts as known
    using ragpg.evaluation_sets as of_set, ragpg.collections as one, ragpg.documents as document
    where known.id = draft_id
        and of_set.id = known.evaluation_set_id
        and one.id = of_set.collection_id
        and document.id = known.document_id
    returning
        known.*, of_set.name as set_name, one.name as collection, document.source,
        strpos(document.content, known.quote) > 0 as stands into draft;
    if draft.id is null then
        raise exception 'there is no draft %', draft_id
            using errcode = 'RG005', hint = 'ragpg.evaluation_drafts holds them';
    end if;
    if not draft.stands then
        raise exception '% no longer holds the quote of draft %', draft.source, draft_id
            using errcode = 'RG006', hint = 'reject the draft';
    end if;
    if exists (
        select
        from ragpg.evaluation_questions as asked
        where asked.evaluation_set_id = draft.evaluation_set_id
            and asked.question = draft.question
    ) then
        raise exception 'the set "%" holds this question already: %', draft.set_name, draft.question
            using errcode = 'RG005', hint = 'edit the draft or reject it';
    end if;
    new_id := ragpg.put_evaluation_question(
        collection => draft.collection, evaluation_set => draft.set_name,
        question => draft.question,
        labels => jsonb_build_array(jsonb_build_object(
            'source', draft.source, 'quote', draft.quote,
            'start_char', draft.start_char,
            'end_char', draft.start_char + char_length(draft.quote)
        )),
        expected_answer => draft.expected_answer, tags => accept_draft.tags
    );
    return new_id;
end
$$;
comment on function ragpg.accept_draft(bigint, text[]) is
'Makes a draft a question of its evaluation set, labelled with its quote, and returns the question''s id; the draft goes. Raises RG005 when there is no such draft, or the set holds that question already, RG006 when the document no longer holds the quote; the draft stays then.';

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
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices to %I',
        role_name
    );
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index(text, bigint, integer, integer, text),'
        ' ragpg.activate_search_index(bigint, boolean), ragpg.refresh_search_index(bigint, boolean),'
        ' ragpg.drop_search_index(bigint), ragpg.drop_collection(text),'
        ' ragpg.tune_ef_search(text, double precision, integer, integer, bigint) to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- On which kinds of questions is a run weak?
create or replace view ragpg.evaluation_tags with (security_invoker = true) as
select
    measure.evaluation_run_id,
    tag,
    count(*) as questions,
    avg(measure.success) as success,
    avg(measure.recall) as recall,
    avg(measure.reciprocal_rank) as mrr,
    avg(measure.ndcg) as ndcg,
    avg(measure.span_recall) as span_recall
from ragpg.evaluation_measures as measure
cross join lateral unnest(measure.tags) as tag
where measure.relevant_chunks > 0
group by measure.evaluation_run_id, tag;
comment on view ragpg.evaluation_tags is
'A row per run and tag: means of evaluation_measures over its questions with labelled texts in the collection.';
comment on column ragpg.evaluation_tags.evaluation_run_id is 'The run.';
comment on column ragpg.evaluation_tags.tag is 'The tag.';
comment on column ragpg.evaluation_tags.questions is 'Questions with it and a relevant chunk.';
comment on column ragpg.evaluation_tags.success is 'Share with a relevant hit.';
comment on column ragpg.evaluation_tags.recall is 'Mean recall at k.';
comment on column ragpg.evaluation_tags.mrr is 'Mean reciprocal rank.';
comment on column ragpg.evaluation_tags.ndcg is 'Mean nDCG at k.';
comment on column ragpg.evaluation_tags.span_recall is 'Mean share of labelled characters found.';
