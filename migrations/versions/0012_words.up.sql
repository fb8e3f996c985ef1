-- 0012: word search in every document's own language, and in scripts without spaces.

alter table ragpg.search_indexes
    drop constraint search_indexes_language_is_installed,
    add constraint search_indexes_language_is_installed
        check (language = 'auto' or language::regconfig is not null);
comment on column ragpg.search_indexes.language is
'Text-search configuration of the word leg, or auto: that of each document (ragpg.document_language).';
alter table ragpg.index_statistics add column languages text[] not null default '{}';
comment on column ragpg.index_statistics.languages is
'Text-search configurations of its chunks; where the index has auto, questions are stemmed by each.';

-- The words of a text as the word leg counts them.
create or replace function ragpg.text_lexemes(content text, language text) returns tsvector
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Scripts without spaces between words, and Hangul, whose words carry their particles.
    run constant text := '[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f'
        '\u1050-\u108f\u1780-\u17d3\u17dd\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa'
        '\u30fc-\u30ff\u31f0-\u31ff\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff'
        '\uff66-\uff9f\U00020000-\U0003ffff]+';
    -- A letter with the marks that belong to it.
    letter constant text := '.[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd'
        '\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074'
        '\u1082-\u108d\u108f\u17b4-\u17d3\u17dd\u3099\u309a\uff9e\uff9f]*';
    pairs tsvector;
begin
    if content !~ run then
        return to_tsvector(language::regconfig, content);
    end if;
    select string_agg(format('''%s'':%s', counted.pair, least(counted.place, 16383)), ' ')::tsvector
    into pairs
    from (
        select
            unit.letter || coalesce(unit.next, '') as pair,
            row_number() over (order by unit.run, unit.place) as place
        from (
            select
                part.place as run, one.place, one.found[1] as letter,
                lead(one.found[1]) over same_run as next,
                count(*) over (partition by part.place) as letters
            from regexp_matches(content, run, 'g') with ordinality as part (found, place)
            cross join lateral regexp_matches(part.found[1], letter, 'g') with ordinality
                as one (found, place)
            window same_run as (partition by part.place order by one.place)
        ) as unit
        where unit.next is not null or unit.letters = 1
    ) as counted;
    return pairs || to_tsvector(language::regconfig, regexp_replace(content, run, ' ', 'g'));
end
$$;
comment on function ragpg.text_lexemes(text, text) is
'Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is.';

-- By which text-search configuration is this document's word search done?
create or replace function ragpg.document_language(language text, metadata jsonb, content text)
returns text
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    said text := lower(metadata ->> 'language');
begin
    if language <> 'auto' then
        return language;
    end if;
    select iso.name into said
    from (
        values
            ('ar', 'arabic'), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
            ('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('et', 'estonian'),
            ('fi', 'finnish'), ('fr', 'french'), ('de', 'german'), ('el', 'greek'),
            ('hi', 'hindi'), ('hu', 'hungarian'), ('id', 'indonesian'), ('ga', 'irish'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('ne', 'nepali'), ('nb', 'norwegian'),
            ('nn', 'norwegian'), ('no', 'norwegian'), ('pl', 'polish'), ('pt', 'portuguese'),
            ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('es', 'spanish'),
            ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
    ) as iso (code, name)
    where said in (iso.code, iso.name) or said like iso.code || '-%' or said like iso.code || '\_%';
    return coalesce(
        (
            select configuration.cfgname::text
            from unnest(array[said, ragpg.text_language(content)]) with ordinality
                as candidate (name, place)
            join pg_catalog.pg_ts_config as configuration on configuration.cfgname = candidate.name
            where pg_ts_config_is_visible(configuration.oid)
            order by candidate.place
            limit 1
        ),
        'simple'
    );
end
$$;
comment on function ragpg.document_language(text, jsonb, text) is
'Returns the search index''s language, unless that is auto: then the one the metadata name under language (english, en or en-GB), else the one the text shows (ragpg.text_language), where Postgres has a configuration for it; else simple.';

-- Which words does a question have in the languages of a search index?
create or replace function ragpg.query_lexemes(languages text[], query text)
returns table (lexeme text, positions smallint[])
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) = 1 then
        return query
        select word.lexeme, word.positions
        from unnest(ragpg.text_lexemes(query_lexemes.query, languages[1])) as word;
        return;
    end if;
    -- The question is taken for the language of which it has most stop words; they are left out
    -- under every language, or English "the" would be a rare word of German texts.
    select dropped.positions into stop_positions
    from unnest(languages) as spoken (language)
    cross join lateral (
        select array_agg(token.place) as positions, count(*) as stop_words
        from (
            select distinct unnest(word.positions) as place
            from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
        ) as token
        where not exists (
            select
            from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
            where token.place = any(kept.positions)
        )
    ) as dropped
    order by dropped.stop_words desc, spoken.language
    limit 1;
    return query
    select distinct on (word.lexeme) word.lexeme, word.positions
    from unnest(languages) as spoken (language)
    cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
    where not word.positions <@ coalesce(stop_positions, '{}')
    order by word.lexeme, cardinality(word.positions) desc;
end
$$;
comment on function ragpg.query_lexemes(text[], text) is
'Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in.';

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := ragpg.text_lexemes(new.context || E'\n' || new.content, new.language);
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
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total on total.index_id = recipe.id
            cross join lateral ragpg.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            left join ragpg.lexeme_statistics as known
                on known.index_id = recipe.id and known.lexeme = said.lexeme collate "C"
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
    ) as asked
    order by 1;
end;
comment on function ragpg.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk.';

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
    document_metadata jsonb;
    words_language text;
    -- A block is cut out of the text once for all chunks that begin in it: substr() walks from
    -- the start of the text, which over a long document is quadratic.
    block constant integer := 65536;
    longest integer;
begin
    select document.content, nullif(document.page_starts, '{}'), document.metadata
    into body, page_starts, document_metadata
    from ragpg.documents as document
    where document.id = replace_chunks.document_id
        and document.version = replace_chunks.document_version
    for key share;
    if not found then
        raise exception 'document % is not at version % any more',
            replace_chunks.document_id, replace_chunks.document_version
            using errcode = 'RG007', hint = 'read the document again and repeat';
    end if;
    select ragpg.document_language(recipe.language, document_metadata, body)
    into strict words_language
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
        words_language, piece.context,
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
            0, 0, ragpg.document_language(recipe.language, given.metadata, given.content),
            given.title, given.content, '', given.embedding
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            language = excluded.language,
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
        index_id, chunk_count, mean_length, embedding_sample, languages, refreshed_at
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
        coalesce(array_agg(distinct chunk.language), '{}'),
        clock_timestamp()
    from ragpg.chunks as chunk
    where chunk.index_id = refresh_search_index.index_id
    on conflict on constraint index_statistics_pkey do update
    set chunk_count = excluded.chunk_count,
        mean_length = excluded.mean_length,
        embedding_sample = excluded.embedding_sample,
        languages = excluded.languages,
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
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    marked text := content;
begin
    select string_agg(ragpg.lexeme_query(word.lexeme)::text, ' | ')::tsquery into words
    from unnest(to_tsvector(language::regconfig, regexp_replace(query, run, ' ', 'g'))) as word;
    if words is not null then
        marked := ts_headline(
            language::regconfig, content, words,
            format('HighlightAll=true, StartSel="%s", StopSel="%s"', start_mark, end_mark)
        );
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
'Returns the text with the words of the query (whatever their form) between the marks. language is a text-search configuration, such as that of the chunk.';

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
        and recipe.language not in ('simple', 'auto')
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

-- What was stored as one long word is stored as pairs of letters.
update ragpg.chunks as chunk
set language = chunk.language
where octet_length(chunk.content) > 1.3 * char_length(chunk.content);
select ragpg.refresh_search_index(ready.id, true)
from ragpg.search_indexes as ready
where ready.state = 'ready' and exists (
    select
    from ragpg.chunks as chunk
    where chunk.index_id = ready.id
        and octet_length(chunk.content) > 1.3 * char_length(chunk.content)
);
