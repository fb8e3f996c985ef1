-- Back to 0004.

drop trigger documents_values_are_added on ragpg.documents;
drop trigger documents_values_are_changed on ragpg.documents;
drop trigger documents_values_are_dropped on ragpg.documents;
drop function ragpg_internal.matching_documents(bigint, jsonpath, boolean, uuid);
drop function ragpg_internal.keep_document_values();
drop function ragpg_internal.put_document_values(bigint[]);
drop table ragpg.document_values;
drop function ragpg_internal.similarity_spread(bigint, text, halfvec);
update ragpg.search_indexes as known set vector_weight = 0.55 where known.vector_weight is null;
alter table ragpg.search_indexes
    alter column vector_weight set default 0.55,
    alter column vector_weight set not null;
comment on column ragpg.search_indexes.vector_weight is
'Share of the vector leg in hybrid scores; the word leg has the rest. 0.55 was best of .4 to .7 on average over seven labelled sets, and within .005 nDCG of the better leg on each (docs/measured.md).';

-- How similar is a question to what there is, on the whole?
create or replace function ragpg_internal.similarity_spread(
    embedding_sample halfvec[],
    query_embedding halfvec,
    out mean double precision,
    out deviation double precision
)
language sql immutable parallel safe
begin atomic
    select
        coalesce(avg(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0),
        coalesce(
            nullif(stddev_pop(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0), 1
        )
    from unnest(embedding_sample) as sample;
end;
comment on function ragpg_internal.similarity_spread(halfvec[], halfvec) is
'Returns mean and standard deviation of the cosine similarities of a question to a sample of embeddings (ragpg.index_statistics): 0 and 1 of an empty one.';

-- Is a quote really there, and on which page? Refuses one that is not the cited characters.
create or replace function ragpg_internal.check_citation_quote() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    found_text text := substr(
        ragpg.document_text(new.document_id, new.document_version),
        new.start_char + 1,
        new.end_char - new.start_char
    );
begin
    if found_text is distinct from new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    new.page := ragpg_internal.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$$;
comment on function ragpg_internal.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, and notes its page.';

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
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there.';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    drop index if exists ragpg.documents_tenant_metadata_gin;
    create index if not exists documents_metadata_gin
        on ragpg.documents using gin (metadata jsonb_path_ops);
    comment on index ragpg.documents_metadata_gin is 'Serves the jsonpath filter of ragpg.search.';
    create index if not exists chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
    comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
    delete from ragpg.lexeme_statistics as known where known.tenant <> '';
    delete from ragpg.index_statistics as known where known.tenant <> '';
end
$$;
revoke execute on function ragpg.disable_tenants() from public;
comment on function ragpg.disable_tenants() is
'Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.';

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
    -- Metadata under their tenant's name: see ragpg_internal.tenant_filter.
    drop index if exists ragpg.documents_metadata_gin;
    create index if not exists documents_tenant_metadata_gin
        on ragpg.documents using gin ((jsonb_set('{}', array[tenant], metadata)) jsonb_path_ops);
    comment on index ragpg.documents_tenant_metadata_gin is
        'Serves the jsonpath filter of ragpg.search, for each tenant on its own.';
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

-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    return query
    with block as materialized (
        select
            used.document_id, used.version, used.number,
            substr(
                ragpg.document_text(used.document_id, used.version),
                used.number * block_chars + 1, block_chars + used.longest
            ) as content
        from (
            select
                chunk.document_id, chunk.document_version as version,
                chunk.start_char / block_chars as number,
                max(chunk.end_char - chunk.start_char) as longest
            from ragpg.chunks as chunk
            join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
            where only_id is null or recipe.collection_id = only_id
            group by 1, 2, 3
        ) as used
    )
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    join block
        on block.document_id = chunk.document_id
        and block.version = chunk.document_version
        and block.number = chunk.start_char / block_chars
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.';

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

-- Where are the question's words in this text?
create or replace function ragpg.highlight(
    content text,
    query text,
    language text default 'english',
    start_mark text default '**',
    end_mark text default '**'
) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    said constant tsvector := ragpg.text_lexemes(regexp_replace(query, run, ' ', 'g'), language);
    -- A question of stop words alone asks for these.
    spoken constant text := case when ts_filter(said, '{c,d}') = '' then 'simple' else language end;
    words constant text[] := tsvector_to_array(
        case
            when spoken = language then ts_filter(said, '{c,d}')
            else ragpg.text_lexemes(query, spoken)
        end
    );
    marked text := content;
begin
    -- Of a compound the parts that were asked for, or all of it where no part alone was.
    if words <> '{}' then
        with parts as materialized (
            select part.found[1] as token, part.place
            from regexp_matches(content, '\s+|\S+', 'g') with ordinality as part (found, place)
        ),
        found as materialized (
            select once.token
            from (select distinct one.token from parts as one where one.token ~ '\S') as once
            where tsvector_to_array(
                ragpg.text_lexemes(regexp_replace(once.token, run, ' ', 'g'), spoken)
            ) && words
        )
        select
            string_agg(
                case
                    when inner_parts.in_parts is null then part.token
                    when inner_parts.is_in_parts then inner_parts.in_parts
                    else regexp_replace(
                        part.token, '^([^[:alnum:]]*)(.*?[[:alnum:]][+#%]*)([^[:alnum:]]*)$',
                        '\1' || replace(start_mark, '\', '\\') || '\2'
                        || replace(end_mark, '\', '\\') || '\3'
                    )
                end,
                '' order by part.place
            )
        into marked
        from parts as part
        left join found on found.token = part.token
        left join lateral (
            select
                string_agg(
                    case
                        when one.is_found then start_mark || one.piece || end_mark
                        else one.piece
                    end,
                    '' order by one.place
                ) as in_parts,
                bool_or(one.is_found) as is_in_parts
            from (
                select
                    piece.found[1] as piece, piece.place,
                    tsvector_to_array(
                        ragpg.text_lexemes(regexp_replace(piece.found[1], run, ' ', 'g'), spoken)
                    ) && words as is_found
                from regexp_matches(found.token, '[!-/:-@[-`{-~]+|[^!-/:-@[-`{-~]+', 'g')
                    with ordinality as piece (found, place)
            ) as one
        ) as inner_parts on true;
    end if;
    select string_agg(distinct substr(part.found[1], start, length), '|') into rows_of_letters
    from regexp_matches(query, run, 'g') as part (found)
    cross join lateral generate_series(1, char_length(part.found[1]) - 1) as start
    cross join lateral generate_series(
        2, least(8, char_length(part.found[1]) - start + 1)
    ) as length;
    return case
        when rows_of_letters is null then marked
        else regexp_replace(
            marked, rows_of_letters,
            replace(start_mark, '\', '\\') || '\&' || replace(end_mark, '\', '\\'), 'g'
        )
    end;
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form, within compounds too) between the marks. language is a text-search configuration, such as that of the chunk.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
begin
    -- Planned for this filter: how many documents pass decides whether their index is worth it.
    execute format(
        'select array_agg(document.id), sum(state.chunk_count)'
        ' from ragpg.documents as document'
        ' join ragpg.index_documents as state'
        '  on state.document_id = document.id and state.index_id = $1'
        ' where document.collection_id = ('
        '   select recipe.collection_id from ragpg.search_indexes as recipe where recipe.id = $1)'
        '  and %s',
        case
            when only_tenant is null then 'ragpg_internal.passes(document.metadata, $2)'
            -- Of other tenants' rows the filter finds nothing, in whichever order it is asked.
            else 'ragpg_internal.passes('
                'jsonb_set(''{}'', array[document.tenant], document.metadata), $2) and '
                || ragpg_internal.tenant_condition(
                    matching_documents.index_id, only_tenant, 'document.tenant', '$3'
                )
        end
    )
    into document_ids, chunks
    using matching_documents.index_id,
        case
            when only_tenant is null then matching_documents.filter
            else ragpg_internal.tenant_filter(matching_documents.filter, only_tenant)
        end,
        only_tenant;
end
$$;
grant execute on function ragpg_internal.matching_documents(bigint, jsonpath, uuid) to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have; null for none. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of metadata is used; then only of the caller''s tenant.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    statistics ragpg.index_statistics;
    dimensions integer;
    wanted integer;
    matching_documents bigint[];
    matching_chunks bigint;
    is_wide boolean := false;  -- the filter lets many documents through: asked of each candidate
    goes_against boolean := false;  -- and those are far from the question
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision;
    vector_deviation double precision;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    select known.* into statistics
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        -- Of a sample of the documents, how many pass? Where that is 3 % or more, to list all that
        -- do takes longer than to ask of each candidate as it is met.
        if statistics.chunk_count > 20000 then
            -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
            execute 'select array_agg(drawn.id) filter (where drawn.passes)'
                ' from (select known.id, (select ragpg_internal.passes(document.metadata, $2)'
                '   from ragpg.documents as document where document.id = known.id) as passes'
                '  from unnest($1) as known (id)) as drawn'
            into matching_documents
            using statistics.document_sample, filter;
            is_wide := coalesce(cardinality(matching_documents), 0)
                >= 0.03 * cardinality(statistics.document_sample);
        end if;
        -- The index finds what is near the question. Where of what passes even the nearest (two
        -- deviations above the mean of those in the sample) is farther than the nearest of all, it
        -- would go through many rows and still miss some: all that pass are looked at instead.
        if is_wide and query_embedding is not null and mode <> 'keyword' then
            select spread.mean, spread.deviation
            into vector_mean, vector_deviation
            from ragpg_internal.similarity_spread(statistics.embedding_sample, query_embedding)
                as spread;
            select coalesce(
                avg(near.similarity) + 2 * stddev_pop(near.similarity)
                < vector_mean + 1.5 * vector_deviation,
                false
            )
            into goes_against
            from unnest(matching_documents[:100]) as known (id)
            cross join lateral (
                select 1 - (chunk.embedding <=> query_embedding) as similarity
                from ragpg.chunks as chunk
                where chunk.index_id = recipe.id and chunk.document_id = known.id
                order by chunk.ordinal
                limit 1
            ) as near;
            is_wide := not goes_against;
        end if;
        if is_wide then
            matching_documents := null;
        end if;
        if not is_wide then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
        end if;
        if not is_wide and coalesce(matching_chunks, 0) = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select
            array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
            sum(word.chunk_count), coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_chunks, word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        if cardinality(words) = 64 then
            raise notice 'of the question''s words the 64 that weigh most are looked for';
        end if;
    end if;
    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
        word_weight := 1;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
        word_weight := 1 - vector_weight;
    end if;
    if query_embedding is not null then
        select array_agg(found.chunk_id), array_agg(found.similarity)
        into vector_ids, similarities
        from ragpg_internal.vector_candidates(
            recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter,
            goes_against
        ) as found;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' and vector_mean is null then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(statistics.embedding_sample, query_embedding)
            as spread;
    end if;
    if mode = 'hybrid' and vector_ids is not null then
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   %s as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg_internal.bm25_expression(words, word_weights),
            ragpg_internal.bm25_saturation(statistics.mean_length), recipe.id
        )
        into bm25_scores
        using vector_ids;
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25
            ) as found;
        end if;
    end if;

    return query
    with candidates as (
        select known.chunk_id, known.similarity, known.bm25
        from unnest(vector_ids, similarities, bm25_scores) as known (chunk_id, similarity, bm25)
        union all
        select said.chunk_id, 1 - (chunk.embedding <=> query_embedding), said.bm25
        from unnest(word_ids, word_scores) as said (chunk_id, bm25)
        cross join lateral (
            select one.embedding
            from ragpg.chunks as one
            where one.index_id = recipe.id and one.id = said.chunk_id
            limit 1
        ) as chunk
        where said.chunk_id <> all(coalesce(vector_ids, '{}'))
    ),
    best as (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from candidates as candidate
        ) as known
        order by known.score desc, known.chunk_id
        limit k
    )
    select
        (row_number() over (order by best.score desc, best.chunk_id))::integer, hit.source,
        hit.title, hit.content, best.score, best.similarity, best.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id,
        hit.document_version, best.chunk_id
    from best
    -- Looked up one by one, as above: without statistics of the parent of all partitions, and it
    -- has none, a join may be planned that reads every chunk.
    cross join lateral (
        select chunk.*, document.source, document.title, document.metadata
        from ragpg.chunks as chunk
        join ragpg.documents as document on document.id = chunk.document_id
        where chunk.index_id = recipe.id and chunk.id = best.chunk_id
        limit 1
    ) as hit
    order by 1;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says. Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- A filter on one tenant's metadata alone, whatever plan it is asked by.
create or replace function ragpg_internal.tenant_filter(filter jsonpath, tenant text)
returns jsonpath
language sql immutable parallel safe
-- Each $ outside quotes gets the tenant's name behind it; a jsonpath writes itself with all keys
-- and strings in double quotes.
return (
    select string_agg(
        case token.part[1] when '$' then '$.' || to_json(tenant) else token.part[1] end,
        '' order by token.place
    )::jsonpath
    from regexp_matches(filter::text, '"(?:[^"\\]|\\.)*"|[^"$]+|\$', 'g')
        with ordinality as token (part, place)
);
comment on function ragpg_internal.tenant_filter(jsonpath, text) is
'Returns the filter that asks of {"tenant": metadata} what the given one asks of metadata. Other tenants'' rows have nothing under that name: no error, no match and no entry of the index documents_tenant_metadata_gin comes from them.';

-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null,
    exactly boolean default false
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_sort = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s operator(%6$s.<=>) $1 as distance'
        '  from %2$s as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s operator(%6$s.<=>) $1 limit %5$s) as near';
    vector_schema constant text := ragpg_internal.vector_schema();
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_documents text := case
        when document_ids is not null then ' and chunk.document_id = any($2)'
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
    end;
    scan text;
    ids bigint[];
    distances double precision[];
    -- Up to this many filtered chunks an exact scan is as quick as the index and misses nothing:
    -- 0.2, 0.4 and 11 ms were measured for 60, 600 and 6,000 of them.
    exact_limit constant integer := 20000;
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words.
        only_documents := coalesce(only_documents, '') || ' and chunk.tenant = $4';
        if document_ids is null then
            matching_chunks := coalesce(
                (
                    select counted.chunk_count
                    from ragpg.index_statistics as counted
                    where counted.index_id = recipe.id and counted.tenant = only_tenant
                ),
                0
            );
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if not exactly and (matching_chunks is null or matching_chunks > exact_limit) then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case when only_documents is null then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::%s.halfvec(%s)', vector_schema, vector_dims(query_embedding)),
                'ragpg.' || table_name, recipe.id, only_documents, wanted, vector_schema
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        execute format(
            template,
            'embedding',
            case
                -- Document by document: else a policy's index may be taken, which reads all of a
                -- tenant's chunks.
                when only_tenant is not null and document_ids is not null then format(
                    'unnest($2) as listed (id) cross join lateral ('
                    ' select one.* from ragpg.chunks as one'
                    ' where one.index_id = %s and one.document_id = listed.id offset 0)',
                    recipe.id
                )
                else 'ragpg.' || table_name
            end,
            recipe.id, only_documents, wanted, vector_schema
        )
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, boolean) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match, or where asked to be; otherwise the HNSW index, and exact again should that come back with too few.';

drop function ragpg_internal.listed_documents(bigint, text[], text, integer);
drop function ragpg_internal.filter_condition(text);
drop function ragpg_internal.filter_parts(text);
drop function ragpg_internal.filter_of_each(text);
drop function ragpg_internal.metadata_values(jsonb);
drop function ragpg_internal.instant(text);
drop function ragpg_internal.key_step(text);
drop function ragpg_internal.normal_tail(double precision);
drop function ragpg_internal.question_weight(double precision);
do $$
begin
    if ragpg_internal.tenants_enabled() then
        create index documents_tenant_metadata_gin
            on ragpg.documents using gin ((jsonb_set('{}', array[tenant], metadata)) jsonb_path_ops);
        comment on index ragpg.documents_tenant_metadata_gin is
            'Serves the jsonpath filter of ragpg.search, for each tenant on its own.';
    else
        create index documents_metadata_gin on ragpg.documents using gin (metadata jsonb_path_ops);
        comment on index ragpg.documents_metadata_gin is
            'Serves the jsonpath filter of ragpg.search.';
    end if;
end
$$;
