-- What is wrong with what is stored, and what is to be done about it?
create or replace view ragpg.corpus_problems with (security_invoker = true) as
select
    one.name as collection,
    rule.problem,
    found.source,
    found.document_id,
    found.detail,
    rule.what_to_do
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        wrong.kind as problem, document.source, document.id as document_id,
        format('%s %s: %s', wrong.count, rule.unit, wrong.example) as detail
    from ragpg.documents as document
    cross join lateral ragpg.text_problems(document.content) as wrong
    join ragpg.inspection_rules() as rule on rule.problem = wrong.kind
    where document.collection_id = one.id
    union all
    select 'other language', document.source, document.id, format('%s, not %s', spoken.language, recipe.language)
    from ragpg.documents as document
    join ragpg.inspection_rules() as rule on rule.problem = 'other language'
    cross join lateral ragpg.text_language(document.content) as spoken (language)
    where document.collection_id = one.id
        and char_length(document.content) >= rule.minimum
        and not ragpg.is_code(document.media_type)
        and recipe.language <> 'simple'
        and spoken.language <> recipe.language
    union all
    select
        case when same.is_copy then 'duplicate document' else 'near-duplicate document' end,
        same.second_source, same.second_document_id,
        format('%s %% as %s', floor(100 * same.similarity), same.first_source)
    from ragpg.inspection_rules() as rule
    cross join lateral ragpg.near_duplicate_documents(one.name, rule.minimum) as same
    where rule.problem = 'near-duplicate document'
    union all
    select 'repeated line', null, null, format('%s documents: %s', again.documents, left(again.line, 80))
    from ragpg.inspection_rules() as rule
    cross join lateral ragpg.repeated_lines(one.name, rule.minimum) as again
    where rule.problem = 'repeated line'
    union all
    select
        'cut chunk', document.source, document.id,
        format('%s chunks: %s', count(*), right(min(cut.content), 60))
    from ragpg.cut_chunks(one.name) as cut
    join ragpg.documents as document on document.id = cut.document_id
    group by document.id
    union all
    select
        'not indexed', waiting.source, waiting.document_id,
        format('since %s: %s', waiting.waiting_since, coalesce(waiting.error, 'no worker took it'))
    from ragpg.ingest_queue as waiting
    where waiting.collection = one.name and (waiting.active or waiting.index_id is null)
) as found
join ragpg.inspection_rules() as rule on rule.problem = found.problem;
comment on view ragpg.corpus_problems is
'A row per problem of a stored document, and per line repeated through a collection: what would make search find garbage. It reads every text: name the collection in where.';
comment on column ragpg.corpus_problems.collection is 'Name of the collection.';
comment on column ragpg.corpus_problems.problem is 'The kind, as ragpg.inspection_rules() lists them.';
comment on column ragpg.corpus_problems.source is 'The document''s source; null for a line of many documents.';
comment on column ragpg.corpus_problems.document_id is 'Its id.';
comment on column ragpg.corpus_problems.detail is 'How often, and an example; or the other document.';
comment on column ragpg.corpus_problems.what_to_do is 'What helps.';

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
    words tsquery;
begin
    select string_agg(ragpg.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, query)) as word;
    if words is null then
        return content;
    end if;
    return ts_headline(
        language::regconfig, content, words,
        format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
    );
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form) between the marks.';

-- After writing: build what is missing, count what ranking needs to know.
create or replace function ragpg.refresh_search_index(index_id bigint, force boolean default false)
returns boolean
language plpgsql volatile
-- Security definer: indexes are created and tables analysed, which takes their owner.
security definer
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    partition_name text := 'chunks_' || refresh_search_index.index_id;
    recipe ragpg.search_indexes;
    dimensions integer;
    counted_at timestamptz;
    counted bigint;
    total bigint;
    changed bigint;
begin
    -- One at a time per search index; a second caller waits and then finds little to do.
    perform pg_advisory_xact_lock(
        hashtext('ragpg.refresh_search_index'), hashtext(refresh_search_index.index_id::text)
    );
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = refresh_search_index.index_id;
    select model.dimensions into dimensions
    from ragpg.embedding_models as model
    where model.id = recipe.embedding_model_id;
    select known.refreshed_at, known.chunk_count into counted_at, counted
    from ragpg.index_statistics as known
    where known.index_id = refresh_search_index.index_id;
    select
        coalesce(sum(state.chunk_count), 0),
        coalesce(sum(state.chunk_count) filter (where state.indexed_at > counted_at), 0)
    into total, changed
    from ragpg.index_documents as state
    where state.index_id = refresh_search_index.index_id;
    changed := greatest(changed, abs(total - coalesce(counted, 0)));
    -- Small indexes are counted every time; large ones when 2 % changed: df and N move BM25
    -- and the standard scores by less than that.
    if counted_at is not null and recipe.state = 'ready' and not force
        and (changed = 0 or (total > 20000 and changed < total / 50))
    then
        return false;
    end if;
    if recipe.state = 'building' then
        execute format(
            'create index if not exists %I on ragpg.%I using gin (lexemes)',
            partition_name || '_lexemes_gin', partition_name
        );
        perform ragpg.build_vector_index(refresh_search_index.index_id, dimensions);
        update ragpg.search_indexes as known
        set state = 'ready'
        where known.id = refresh_search_index.index_id;
    end if;
    execute format('analyze ragpg.%I', partition_name);
    insert into ragpg.index_statistics as known (
        index_id, chunk_count, mean_length, embedding_sample, refreshed_at
    )
    select
        refresh_search_index.index_id,
        count(*),
        coalesce(avg(chunk.lexeme_count), 0),
        (
            select coalesce(array_agg(drawn.embedding), '{}')
            from (
                select sample.embedding
                from ragpg.chunks as sample
                where sample.index_id = refresh_search_index.index_id
                -- Drawn by hash, not by random(): the same chunks give the same ranking.
                order by hashint8extended(sample.id, 0)
                limit 256
            ) as drawn
        ),
        clock_timestamp()
    from ragpg.chunks as chunk
    where chunk.index_id = refresh_search_index.index_id
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        refreshed_at = excluded.refreshed_at;
    with counted_now as materialized (
        select word.word::text collate "C" as lexeme, word.ndoc, word.nentry
        from ts_stat(
            format(
                'select lexemes from ragpg.chunks where index_id = %s',
                refresh_search_index.index_id
            )
        ) as word
    ),
    gone as (
        delete from ragpg.lexeme_statistics as known
        where known.index_id = refresh_search_index.index_id
            and not exists (select from counted_now where counted_now.lexeme = known.lexeme)
    )
    insert into ragpg.lexeme_statistics as known (
        index_id, lexeme, chunk_count, occurrence_count
    )
    select refresh_search_index.index_id, lexeme, ndoc, nentry
    from counted_now
    on conflict on constraint lexeme_statistics_pkey do update
    set chunk_count = excluded.chunk_count, occurrence_count = excluded.occurrence_count
    where (known.chunk_count, known.occurrence_count)
        is distinct from (excluded.chunk_count, excluded.occurrence_count);
    return true;
end
$$;
revoke execute on function ragpg.refresh_search_index(bigint, boolean) from public;
comment on function ragpg.refresh_search_index(bigint, boolean) is
'Call it after writing chunks: builds the word and vector indexes after a first load, counts the words and samples the embeddings that ranking uses, when enough has changed (or force). Returns whether it counted.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg.put_embedded_documents(
    index_id bigint,
    sources text[],
    contents text[],
    titles text[],
    media_types text[],
    metadata jsonb[],
    source_hashes bytea[],
    embeddings halfvec[]
) returns table (source text, outcome text)
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = put_embedded_documents.index_id;
    -- The trigger of documents runs after all this and finds the versions indexed.
    return query
    with given as materialized (
        select distinct on (row.source)
            row.source, btrim(row.content, E' \t\n\r') as content, row.title, row.media_type,
            row.metadata, row.source_hash, row.embedding
        from unnest(
            sources, contents, titles, media_types, put_embedded_documents.metadata,
            source_hashes, embeddings
        ) with ordinality as row (
            source, content, title, media_type, metadata, source_hash, embedding, place
        )
        order by row.source, row.place desc  -- given twice, the last one counts
    ),
    stored as (
        insert into ragpg.documents as document (
            collection_id, source, content, title, media_type, metadata, source_hash
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash
        from given
        on conflict on constraint documents_collection_id_source_key do update
        set content = excluded.content,
            title = excluded.title,
            media_type = excluded.media_type,
            metadata = excluded.metadata,
            source_hash = excluded.source_hash,
            page_starts = default
        returning document.id, document.source, document.version
    ),
    emptied as (
        delete from ragpg.chunks as chunk
        using stored
        where chunk.index_id = recipe.id
            and chunk.document_id = stored.id
            and stored.version > 1
            and chunk.ordinal > 0
    ),
    written as (
        insert into ragpg.chunks as chunk (
            index_id, document_id, document_version, ordinal, start_char, end_char, token_count,
            lexeme_count, language, context, content, lexemes, embedding
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, recipe.language, given.title, given.content, '',
            given.embedding
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            context = excluded.context,
            content = excluded.content,
            embedding = excluded.embedding
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp()
        from stored
        on conflict on constraint index_documents_pkey do update
        set document_version = excluded.document_version,
            chunk_count = excluded.chunk_count,
            indexed_at = excluded.indexed_at,
            pending_since = null,
            attempts = 0,
            error = null,
            next_attempt_at = default
    )
    select stored.source, case stored.version when 1 then 'added' else 'updated' end
    from stored;
end
$$;
comment on function ragpg.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

-- The chunks of a document version, all at once.
create or replace function ragpg.replace_chunks(
    index_id bigint,
    document_id bigint,
    document_version integer,
    starts integer[],
    ends integer[],
    contexts text[],
    token_counts integer[],
    embeddings halfvec[]
) returns integer
language plpgsql volatile
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    body text;
    page_starts integer[];
    recipe_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}') into body, page_starts
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select recipe.language into strict recipe_language
    from ragpg.search_indexes as recipe
    where recipe.id = replace_chunks.index_id;
    select coalesce(max(e.value - s.value), 0) into longest
    from unnest(starts) with ordinality as s (value, place)
    join unnest(ends) with ordinality as e (value, place) using (place);

    delete from ragpg.chunks as chunk
    where chunk.index_id = replace_chunks.index_id
        and chunk.document_id = replace_chunks.document_id;
    insert into ragpg.chunks (
        index_id, document_id, document_version, ordinal, start_char, end_char, page,
        token_count, lexeme_count, language, context, content, lexemes, embedding
    )
    with blocks as materialized (
        select number, substr(body, number * block + 1, block + longest) as content
        from (select distinct start / block as number from unnest(starts) as start) as used
    )
    select
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        piece.place - 1, piece.start_char, piece.end_char,
        width_bucket(piece.start_char, page_starts), piece.token_count, 0,
        recipe_language, piece.context,
        substr(
            blocks.content,
            piece.start_char - blocks.number * block + 1,
            piece.end_char - piece.start_char
        ),
        '', piece.embedding
    from unnest(starts, ends, contexts, token_counts, embeddings) with ordinality
        as piece (start_char, end_char, context, token_count, embedding, place)
    join blocks on blocks.number = piece.start_char / block;
    insert into ragpg.index_documents as state (
        index_id, document_id, document_version, chunk_count, indexed_at, pending_since
    )
    values (
        replace_chunks.index_id, replace_chunks.document_id, replace_chunks.document_version,
        cardinality(starts), clock_timestamp(), null
    )
    on conflict on constraint index_documents_pkey do update
    set document_version = excluded.document_version,
        chunk_count = excluded.chunk_count,
        indexed_at = excluded.indexed_at,
        pending_since = null,
        attempts = 0,
        error = null,
        next_attempt_at = default;
    return cardinality(starts);
end
$$;
comment on function ragpg.replace_chunks(bigint, bigint, integer, integer[], integer[], text[], integer[], halfvec[]) is
'Replaces a document''s chunks in one search index by the given spans (arrays of equal length, characters from 0, end exclusive) of the given version, whose text is cut here and whose pages are looked up; takes the document off the queue and returns how many chunks. Raises RG007 when the document has another version by now.';

-- What is each word of a question worth?
create or replace function ragpg.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word.
            found.times
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation
        from (
            select
                said.lexeme,
                cardinality(said.positions) as times,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total on total.index_id = recipe.id
            cross join unnest(to_tsvector(recipe.language::regconfig, query_words.query)) as said
            left join ragpg.lexeme_statistics as known
                on known.index_id = recipe.id and known.lexeme = said.lexeme collate "C"
            where recipe.id = query_words.index_id
        ) as found
    ) as asked
    order by 1;
end;
comment on function ragpg.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := to_tsvector(new.language::regconfig, new.context || E'\n' || new.content);
    new.lexeme_count := coalesce(
        (
            select sum(cardinality(word.positions))
            from unnest(new.lexemes) as word
        ),
        0
    );
    return new;
end
$$;
comment on function ragpg.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';
drop function ragpg.query_lexemes;
drop function ragpg.document_language;
drop function ragpg.text_lexemes;
alter table ragpg.index_statistics drop column languages;
alter table ragpg.search_indexes
    drop constraint search_indexes_language_is_installed,
    add constraint search_indexes_language_is_installed check (language::regconfig is not null);
comment on column ragpg.search_indexes.language is 'Text-search configuration for words, such as english or simple.';
