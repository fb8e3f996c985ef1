drop view ragpg.conversation_overview;
drop view ragpg.conversation_turns;
drop function ragpg_internal.read_document(text, text, integer, integer, jsonpath);
drop function ragpg_internal.shown_before(bigint);
drop function ragpg_internal.start_answer(text, text, text, bigint);
drop function ragpg_internal.note_step(
    bigint, integer, text, text, text, integer, integer, integer, jsonb, integer, integer,
    integer, integer, integer, text
);
drop function ragpg_internal.finish_answer(
    bigint, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, text,
    jsonb
);
drop function ragpg.start_conversation(text);
drop function ragpg.continue_conversation(text);
drop function ragpg.delete_conversation(bigint);
drop function ragpg.prune_conversations(interval, text);

-- Keeps an answer and what it cites.
create or replace function ragpg.save_answer(
    collection text,
    question text,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    new_id bigint;
    of_tenant text;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id, answer.tenant into new_id, of_tenant;
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end, tenant
    )
    select
        new_id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end,
        of_tenant
    from jsonb_array_elements(save_answer.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    );
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there, RG007 when that version was erased meanwhile.';

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

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    -- Its policy shows it to nobody: who sees all tenants proves it by this row.
    insert into ragpg.tenant_roles (role, tenant) values ('', null)
    on conflict on constraint tenant_roles_key do nothing;
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.answers', 'ragpg.searches',
            'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Lets a role search, ingest and answer, without the right to change the schema.
create or replace function ragpg.grant_writer(role_name text) returns void
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    written record;
begin
    perform ragpg.grant_reader(role_name);
    execute format(
        'grant update, delete on ragpg.collections, ragpg.documents,'
        ' ragpg.document_versions, ragpg.embedding_models, ragpg.chunks, ragpg.index_documents,'
        ' ragpg.answers, ragpg.citations, ragpg.evaluation_sets, ragpg.evaluation_questions,'
        ' ragpg.evaluation_labels, ragpg.evaluation_runs, ragpg.evaluation_results,'
        ' ragpg.evaluation_hits, ragpg.evaluation_drafts, ragpg.searches,'
        ' ragpg.recall_measurements, ragpg.model_prices, ragpg.answer_feedback,'
        ' ragpg.finetune_jobs, ragpg.chunk_contexts, ragpg.context_batches to %I',
        role_name
    );
    -- Into every column but keys that Postgres gives: one taken would not be given to others.
    for written in
        select
            kept.oid::regclass as relation,
            string_agg(quote_ident(col.attname), ', ' order by col.attnum) as columns
        from pg_class as kept
        join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0
        cross join aclexplode(kept.relacl) as given
        where kept.relnamespace = 'ragpg'::regnamespace
            and given.grantee = quote_ident(role_name)::regrole
            and given.privilege_type = 'DELETE'
            and not col.attisdropped
            and col.attidentity = ''
            and col.attgenerated = ''
            and (kept.relname <> 'collections' or col.attname in ('name', 'description'))
        group by kept.oid
    loop
        execute format('revoke insert on %s from %I', written.relation, role_name);
        execute format(
            'grant insert (%s) on %s to %I', written.columns, written.relation, role_name
        );
    end loop;
    execute format(
        'grant execute on function'
        ' ragpg.create_search_index, ragpg.activate_search_index, ragpg.refresh_search_index,'
        ' ragpg.drop_search_index, ragpg.drop_collection, ragpg.tune_ef_search,'
        ' ragpg.quantize_search_index to %I',
        role_name
    );
end
$$;
revoke execute on function ragpg.grant_writer(text) from public;
comment on function ragpg.grant_writer(text) is
'Lets a role search, ingest, delete, store answers and measure, without owning or changing any table. For applications. To be called by the owner of the schema.';

-- What people said of answers, as questions to measure with.
create or replace function ragpg.evaluation_from_feedback(
    collection text default null, evaluation_set text default 'feedback'
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
declare
    parent_id constant bigint := ragpg.collection_id(evaluation_from_feedback.collection);
    parent_name text := (select one.name from ragpg.collections as one where one.id = parent_id);
    put_count bigint;
begin
    select count(
        ragpg.put_evaluation_question(
            collection => parent_name,
            evaluation_set => evaluation_from_feedback.evaluation_set,
            question => told.question, labels => told.labels,
            expected_answer => told.expected_answer, is_answerable => told.is_answerable,
            tags => '{feedback}'
        )
    )
    into put_count
    from (
        select distinct on (answer.question)
            answer.question,
            -- A good answer that abstained was right to: there is none.
            not (answer.abstained and newest.corrected_text is null) as is_answerable,
            coalesce(newest.corrected_text, case when not answer.abstained then answer.content end)
                as expected_answer,
            case
                -- What a wrong answer cited says nothing of where the right one stands.
                when newest.rating = 'good' then
                    coalesce(
                        (
                            select jsonb_agg(distinct jsonb_build_object(
                                'source', coalesce(document.source, earlier.source),
                                'quote', cited.quote
                            ))
                            from ragpg.citations as cited
                            left join ragpg.documents as document
                                on document.id = cited.document_id
                            left join ragpg.document_versions as earlier
                                on earlier.document_id = cited.document_id
                                and earlier.version = cited.document_version
                            where cited.answer_id = answer.id
                                and coalesce(document.source, earlier.source) is not null
                        ),
                        '[]'
                    )
                else '[]'
            end as labels
        from ragpg.answers as answer
        cross join lateral (
            select said.id, said.rating, said.corrected_text
            from ragpg.answer_feedback as said
            where said.answer_id = answer.id
            order by said.id desc
            limit 1
        ) as newest
        where answer.collection_id = parent_id
            and (newest.corrected_text is not null or newest.rating = 'good')
            -- A question that somebody wrote or changed in the set stays as it is.
            and not exists (
                select
                from ragpg.evaluation_questions as asked
                join ragpg.evaluation_sets as known on known.id = asked.evaluation_set_id
                where known.collection_id = parent_id
                    and known.name = evaluation_from_feedback.evaluation_set
                    and asked.question = answer.question
                    and asked.tags <> '{feedback}'
            )
        order by answer.question, newest.id desc
    ) as told;
    return put_count;
end
$$;
comment on function ragpg.evaluation_from_feedback(text, text) is
'Makes questions of an evaluation set, tagged feedback, from ragpg.feedback, and returns how many: of answers to the same question the last one that was called good or corrected, by the newest feedback to it. A good answer is what to expect, its quotes are the labels; a good abstention makes the question unanswerable; a correction is what to expect, without labels. Bad answers without a correction, and questions the set holds under other tags, are left out. Raises RG001, RG002.';

-- Which question and answer pairs has a person vouched for?
create or replace view ragpg.finetuning_examples with (security_invoker = true) as
select
    one.name as collection,
    case when newest.corrected_text is null then 'accepted answer' else 'corrected answer' end
        as origin,
    answer.question,
    coalesce(newest.corrected_text, answer.content) as answer,
    coalesce(
        (
            select coalesce(document.source, earlier.source)
            from ragpg.citations as cited
            left join ragpg.documents as document on document.id = cited.document_id
            left join ragpg.document_versions as earlier
                on earlier.document_id = cited.document_id
                and earlier.version = cited.document_version
            where cited.answer_id = answer.id
            order by cited.ordinal
            limit 1
        ),
        answer.question
    ) as split_by
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
cross join lateral (
    select said.rating, said.corrected_text
    from ragpg.answer_feedback as said
    where said.answer_id = answer.id
    order by said.id desc
    limit 1
) as newest
where newest.corrected_text is not null or newest.rating = 'good'
union all
select
    one.name,
    'evaluation set ' || of_set.name,
    question.question,
    question.expected_answer,
    coalesce(
        (
            select min(label.source)
            from ragpg.evaluation_labels as label
            where label.evaluation_question_id = question.id
        ),
        question.question
    )
from ragpg.evaluation_questions as question
join ragpg.evaluation_sets as of_set on of_set.id = question.evaluation_set_id
join ragpg.collections as one on one.id = of_set.collection_id
where question.expected_answer ~ '\S';
comment on view ragpg.finetuning_examples is
'A row per question with an answer that a person accepted, corrected or expects: what ragpg finetune export writes.';
comment on column ragpg.finetuning_examples.collection is 'Name of the collection.';
comment on column ragpg.finetuning_examples.origin is 'accepted answer, corrected answer, or the evaluation set.';
comment on column ragpg.finetuning_examples.question is 'The question.';
comment on column ragpg.finetuning_examples.answer is 'The answer to learn.';
comment on column ragpg.finetuning_examples.split_by is
'Source of the first cited or labelled document, else the question: examples that share it are all in training or all in validation.';

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
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Who stores an answer that cites it is waited for, and its answer found.
    perform from ragpg.documents as document where document.id = any(ids) for update;
    perform from ragpg.document_versions as earlier where earlier.document_id = any(ids) for update;
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
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
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
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

drop function ragpg_internal.answer_costs(bigint);
drop function ragpg_internal.put_citations(bigint, jsonb);
drop table ragpg.answer_steps;
alter table ragpg.answers
    drop constraint answers_ended_by_is_known,
    drop constraint answers_turn_is_of_a_conversation,
    drop constraint answers_conversation_id_fkey,
    drop constraint answers_conversation_id_turn_key,
    drop column ended_by,
    drop column standalone,
    drop column turn,
    drop column conversation_id;
drop table ragpg.conversations;
