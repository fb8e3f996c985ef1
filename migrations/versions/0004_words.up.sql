-- 0004: words are found however they are written; a question's words are worked out once a search,
-- and of a long one those that weigh most count. Chunks keep the words they have: an index built anew
-- (ragpg index build, which embeds nothing again) has the new ones.

drop function ragpg_internal.bm25_expression(bigint, text);
drop function ragpg_internal.query_words(bigint, text);
drop function ragpg_internal.query_lexemes(text[], text);
drop function ragpg_internal.keyword_candidates(
    bigint, text, integer, bigint[], jsonpath, double precision, uuid
);
drop function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath);

-- A text as words are looked for in it.
create or replace function ragpg_internal.normal_form(content text) returns text
language sql immutable strict parallel safe
return case
    when content ~ '^[\u0001-\u007f]*$' then content
    else regexp_replace(
        translate(
            -- A no-break space between three digits and others groups a number.
            normalize(
                regexp_replace(
                    content, '([[:digit:]])[\u00a0\u2009\u202f](?=[[:digit:]]{3})', '\1', 'g'
                ),
                nfkc
            ),
            U&'\2010\2011\2012\2013\2014\2015\2212\2018\2019\02BC', '-------'''''''
        ),
        -- Hyphens that show at the end of a line alone, marks without width or of direction,
        -- choices of a glyph, and the stroke that lengthens Arabic words.
        '\u00ad\n?|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f\u0640]', '', 'g'
    )
end;
comment on function ragpg_internal.normal_form(text) is
'Returns a text as words are looked for in it: Unicode''s NFKC (Annex 15), so that ligatures, full-width and decomposed letters are the plain ones, without soft hyphens and marks of no width; every dash and apostrophe the plain one.';

-- How is this written by somebody without the letters?
create or replace function ragpg_internal.unaccented(content text) returns text
language sql immutable strict parallel safe
return case
    when content ~ '^[\u0001-\u007f]*$' then content
    else normalize(
        regexp_replace(
            normalize(
                replace(replace(replace(replace(replace(translate(
                    content,
                    U&'\0142\0141\00F8\00D8\0111\0110\0131\0127\00F0\00D0', 'lLoOdDihdD'
                ), U&'\00DF', 'ss'), U&'\00E6', 'ae'), U&'\00C6', 'AE'), U&'\0153', 'oe'),
                U&'\00FE', 'th'),
                nfd
            ),
            -- Accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic; no accent
            -- is the breve of Cyrillic i, which is another letter.
            '(?<![\u0438\u0418])[\u0300-\u036f]|[\u0591-\u05c7\u064b-\u0652\u0670]', '', 'g'
        ),
        nfc
    )
end;
comment on function ragpg_internal.unaccented(text) is
'Returns a text without accents: café as cafe, Straße as Strasse, and no points of Hebrew or vowels of Arabic. Marks of other scripts stay: they are letters.';

-- By which other words is a text found: parts of compounds, their whole, spellings?
create or replace function ragpg_internal.word_parts(content text, language text) returns tsvector
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    -- What is more than letters in a row, or has letters that some keyboards lack.
    compound constant text := '[[:alnum:]][^[:alnum:][:space:]'']+[[:alnum:]]'
        '|[[:digit:]]''[[:digit:]]|[[:lower:]][[:upper:]]|[[:alpha:]][[:digit:]]|[[:digit:]][[:alpha:]]'
        '|^[^[:alnum:]]*[.][[:alpha:]]|[[:alnum:]](?:[+][+]|#)|[^\u0001-\u007f]';
    -- What is longer is data: nobody asks for parts of it.
    longest constant integer := 256;
    tokens text[];
    plain text;
    apart text;
    joined text;
    wholes tsvector;
begin
    -- What most words are is asked first: it takes a third of the time.
    select array_agg(token) into tokens
    from string_to_table(regexp_replace(content, '[\t\n\r\f\v]', ' ', 'g'), ' ') as token
    where token !~ '^[A-Za-z]?[a-z]*[.,;:!?)]*$'
        and char_length(token) between 2 and longest
        and token ~ compound;
    if tokens is null then
        return '';
    end if;
    plain := unaccented(array_to_string(tokens, ' '));
    if language ~ '(german|english|simple)$' then
        plain := plain || ' ' || unaccented(replace(replace(replace(lower(
            array_to_string(array(select t from unnest(tokens) as t where t ~* '[äöü]'), ' ')
        ), 'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'));
    end if;
    -- Decimals and versions stay whole.
    apart := regexp_replace(
        plain, '(?<![[:digit:]])[.,]|[.,](?![[:digit:]])|[^[:alnum:][:space:]''.,]', ' ', 'g'
    );
    apart := regexp_replace(apart, '([[:lower:][:digit:]])([[:upper:]])', '\1 \2', 'g');
    apart := regexp_replace(apart, '([[:upper:]])([[:upper:]][[:lower:]])', '\1 \2', 'g');
    apart := regexp_replace(apart, '\m([[:alpha:]]{2,}|v)([[:digit:]]+)', '\1 \2', 'gi');
    apart := regexp_replace(apart, '([[:digit:]])([[:alpha:]]{2,})\M', '\1 \2', 'g');
    -- Numbers without what groups their thousands; words without the hyphens within.
    select string_agg(
        case
            when part.found[1] is not null then translate(part.found[1], ',''', '')
            when part.found[2] is not null then replace(replace(part.found[2], '.', ''), ',', '.')
            else translate(part.found[3], '-_', '')
        end,
        ' '
    )
    into joined
    from regexp_matches(
        plain,
        '(?<![[:alnum:].,])([[:digit:]]{1,3}(?:[,''][[:digit:]]{3})+(?:[.][[:digit:]]+)?)(?![[:alnum:]])'
        '|(?<![[:alnum:].,])([[:digit:]]{1,3}(?:(?:[.][[:digit:]]{3})+,[[:digit:]]+|(?:[.][[:digit:]]{3}){2,}))(?![[:alnum:]])'
        '|((?<![[:alnum:]-])[[:alpha:]][[:alnum:]]*(?:[-_][[:alnum:]]+){1,3}(?![[:alnum:]_-]))',
        'g'
    ) as part (found);
    -- Compounds as they are written: the whole, what stands between slashes and the like, and the
    -- names a host belongs to.
    select string_agg(
        '''' || replace(replace(whole.lexeme, '\', '\\'), '''', '''''') || ''':'
        || least(whole.place, 16383),
        ' '
    )::tsvector
    into wholes
    from (
        select named.lexeme, row_number() over () as place
        from regexp_matches(
            lower(plain),
            '(?:(?<![[:alnum:]])[.])?[[:alnum:]]+(?:[^[:alnum:][:space:]]+[[:alnum:]]+)*(?:[+][+]|#)?',
            'g'
        ) as written (found)
        cross join lateral (
            select written.found[1] as lexeme
            where char_length(written.found[1]) <= 64
            union
            select segment.name
            from regexp_split_to_table(written.found[1], '[^[:alnum:]._+-]+') as segment (name)
            union
            select substr(segment.name, dot.place + 1)
            from regexp_split_to_table(written.found[1], '[^[:alnum:]._+-]+') as segment (name)
            cross join lateral generate_series(1, char_length(segment.name)) as dot (place)
            where substr(segment.name, dot.place, 1) = '.' and segment.name ~ '[.][[:alpha:]]{2,}$'
        ) as named
        where named.lexeme ~ '[^[:alnum:]]'
    ) as whole;
    return setweight(
        to_tsvector(language::regconfig, apart)
        || to_tsvector(language::regconfig, coalesce(joined, ''))
        || coalesce(wholes, ''),
        'C'
    );
end
$$;
comment on function ragpg_internal.word_parts(text, text) is
'Returns, labelled C, the words by which a text (in its normal form) is found besides its own: parts and wholes of compounds (paths, hosts, identifiers, codes), numbers without the signs that group them, words without their accents or hyphens. Those of more than 256 characters without a space have none.';

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
    said tsvector;
    parts tsvector;
    silent tsvector;
begin
    content := ragpg_internal.normal_form(content);
    if content ~ run then
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
        content := regexp_replace(content, run, ' ', 'g');
    end if;
    said := to_tsvector(language::regconfig, content);
    parts := ragpg_internal.word_parts(content, language);
    if language <> 'simple' and content ~ '\S\s+\S' then
        -- Two words in a row that the configuration leaves out, after the common grams of Lucene:
        -- a question may have no others.
        with left_out as (
            select word.lexeme, place
            from unnest(to_tsvector('simple', content)) as word
            cross join lateral unnest(word.positions) as place
            where not place = any(
                array(select unnest(kept.positions) from unnest(said) as kept)
            )
        )
        select string_agg(format('''%s %s'':%sB', one.lexeme, other.lexeme, one.place), ' ')::tsvector
        into silent
        from left_out as one
        join left_out as other on other.place = one.place + 1
        where one.lexeme || other.lexeme !~ '[''\\]';
    end if;
    said := coalesce(pairs || said, said);
    return said
        || ts_delete(
            parts,
            tsvector_to_array(said) || array(
                select part.lexeme from unnest(parts) as part where char_length(part.lexeme) = 1
            )
        )
        || coalesce(silent, '');
end
$$;
comment on function ragpg.text_lexemes(text, text) is
'Returns the words of a text with their places: stems by the text-search configuration, and every two letters in a row where a script puts no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese; Korean too), a lone letter as it is. Labelled C, what else finds it: parts and wholes of compounds, words without accents, numbers without grouping signs. Labelled B, every two words in a row that the configuration leaves out. Labelled ones do not count to the length.';

-- Which words does a question have in the languages of a search index?
create or replace function ragpg_internal.query_lexemes(languages text[], query text)
returns table (lexeme text, positions smallint[], is_part boolean)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    stop_positions smallint[];
begin
    if cardinality(languages) > 1 then
        -- The question is taken for the language of which it has most stop words; they are left
        -- out under every language, or English "the" would be a rare word of German texts.
        select dropped.positions into stop_positions
        from unnest(languages) as spoken (language)
        cross join lateral (
            select array_agg(token.place) as positions, count(*) as stop_words
            from (
                select distinct unnest(word.positions) as place
                from unnest(ragpg.text_lexemes(query_lexemes.query, 'simple')) as word
                where 'D' = any(word.weights)
            ) as token
            where not exists (
                select
                from unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as kept
                where token.place = any(kept.positions) and 'D' = any(kept.weights)
            )
        ) as dropped
        order by dropped.stop_words desc, spoken.language
        limit 1;
    end if;
    return query
    with said as (
        select distinct on (word.lexeme)
            word.lexeme, word.positions, word.weights[1] = 'C' as is_part,
            word.weights[1] = 'B' as is_silent
        from unnest(languages) as spoken (language)
        cross join lateral unnest(ragpg.text_lexemes(query_lexemes.query, spoken.language)) as word
        where word.weights[1] <> 'D' or not word.positions <@ coalesce(stop_positions, '{}')
        order by word.lexeme, cardinality(word.positions) desc
    )
    -- Two stop words in a row are asked for by a question that has no others.
    select said.lexeme, said.positions, said.is_part
    from said
    where not said.is_silent or not exists (select from said as other where not other.is_silent);
end
$$;
comment on function ragpg_internal.query_lexemes(text[], text) is
'Returns the words of a question with their places, stemmed by each of the languages, without the stop words of the one it seems to be in; those it is also found by (ragpg_internal.word_parts) marked. Of a question of stop words alone every two in a row.';

-- What is each word of a question worth?
create or replace function ragpg_internal.query_words(index_id bigint, query text)
returns table (
    place bigint, lexeme text, word tsquery, weight double precision, chunk_count integer,
    mean_score double precision, mean_square double precision
)
language sql stable
begin atomic
    select
        row_number() over (order by asked.chunk_count, asked.lexeme) as place,
        asked.lexeme,
        ragpg_internal.lexeme_query(asked.lexeme) as word,
        asked.weight,
        asked.chunk_count,
        asked.share * asked.weight * asked.saturation as mean_score,
        asked.share * (asked.weight * asked.saturation) ^ 2 as mean_square
    from (
        select
            found.lexeme,
            found.chunk_count,
            found.chunk_count / greatest(found.total, 1) as share,
            -- idf of Lucene's BM25, times how often the question says the word. One that the
            -- question does not say, but is also found by, counts half.
            found.times * case when found.is_part then 0.5 else 1 end
            * ln(1 + (found.total - found.chunk_count + 0.5) / (found.chunk_count + 0.5)) as weight,
            found.mean_frequency / (found.mean_frequency + 1.2) as saturation,
            found.is_known
        from (
            select
                said.lexeme,
                said.is_part,
                cardinality(said.positions) as times,
                known.lexeme is not null as is_known,
                least(coalesce(known.chunk_count, 1), total.chunk_count::integer) as chunk_count,
                coalesce(known.occurrence_count::double precision / known.chunk_count, 1)
                    as mean_frequency,
                total.chunk_count::double precision as total,
                -- A stem that occurs speaks for the same word's stems in other languages.
                bool_or(known.lexeme is not null) over (partition by said.positions) as is_answered
            from ragpg.search_indexes as recipe
            join ragpg.index_statistics as total
                on total.index_id = recipe.id
                and total.tenant = (select coalesce(ragpg_internal.searched_tenant(), ''))
            cross join lateral ragpg_internal.query_lexemes(
                case
                    when recipe.language <> 'auto' then array[recipe.language]
                    when total.languages = '{}' then '{simple}'
                    else total.languages
                end,
                query_words.query
            ) as said
            -- Looked up once for each word: a join may be planned, while there are no statistics of
            -- this table, that reads all words of the index.
            left join lateral (
                select counted.lexeme, counted.chunk_count, counted.occurrence_count
                from ragpg.lexeme_statistics as counted
                where counted.index_id = recipe.id
                    and counted.tenant = total.tenant
                    and counted.lexeme = said.lexeme collate "C"
                limit 1
            ) as known on true
            where recipe.id = query_words.index_id
        ) as found
        where found.is_known or not found.is_answered
        order by is_known desc, weight desc, lexeme
        limit 64
    ) as asked
    order by 1;
end;
comment on function ragpg_internal.query_words(bigint, text) is
'Returns the words of a question, rarest first: the query of each, its BM25 weight (inverse document frequency as Lucene has it, Robertson and Zaragoza 2009, times its count in the question; half of it where the question is only also found by it), the chunks that hold it, and mean and mean square of what it adds to the score of any chunk. Of more than 64 words those that weigh most, of those that occur.';

-- BM25 of one chunk, written out for the words of one question.
create or replace function ragpg_internal.bm25_expression(
    words tsquery[], weights double precision[]
) returns text
language sql immutable
begin atomic
    -- With f a word's frequency in the chunk and s = k1 (1 - b + b length / mean length), BM25 is
    -- the sum of weight f / (f + s) = weight - s weight / (f + s). f comes from ts_rank of the one
    -- word: that is (1/1 + 1/4 + ... + 1/f^2) / 1.64493, whose distance from 1 is
    -- 0.60793 / (f + 1/2) but for a part that rounding takes away (exact up to the 256 positions
    -- a tsvector keeps).
    select case
        when count(*) = 0 then '0::double precision'
        else format(
            '(%s - chunk.saturation * (%s))',
            sum(word.weight),
            string_agg(
                format(
                    '%s / (chunk.saturation + round(0.6079271018540267'
                    ' / (1 - ts_rank(''{1,1,1,1}'', chunk.lexemes, %L)::double precision) - 0.5))',
                    word.weight, word.query
                ),
                ' + '
            )
        )
    end
    from unnest(words, weights) as word (query, weight);
end;
comment on function ragpg_internal.bm25_expression(tsquery[], double precision[]) is
'Returns the SQL expression that is BM25 (k1 1.2, b 0.75; Robertson and Zaragoza 2009) of a row named chunk with the columns lexemes and saturation = k1 (1 - b + b length / mean length), for these words (ragpg_internal.query_words) and their weights.';

-- Which chunks are best by words?
create or replace function ragpg_internal.keyword_candidates(
    index_id bigint,
    words tsquery[],
    weights double precision[],
    word_chunks bigint,
    wanted integer,
    document_ids bigint[] default null,
    filter jsonpath default null,
    least_score double precision default 0,
    proof uuid default ragpg_internal.proof()
) returns table (chunk_id bigint, score double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    total_weight constant double precision := (select sum(weight) from unnest(weights) as weight);
    -- What a word can add to a score, as a share of its weight: less than 1, however often it
    -- occurs, and .75 only if it occurs four times in a chunk of mean length.
    most_added double precision;
    threshold double precision;
    sought tsquery;
    statement text;
    ids bigint[];
    scores double precision[];
    only_tenant constant text := (
        select known.tenant from ragpg_internal.proven_tenant(proof) as known
    );
    -- Up to so many chunks all that hold a word are scored; up to so many the result is exact.
    few constant integer := 500;
    exact_limit constant integer := 20000;
begin
    if words is null then
        return;
    end if;
    -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
    statement := format(
        'select array_agg(best.id order by best.score desc, best.id),'
        ' array_agg(best.score order by best.score desc, best.id)'
        ' from (select chunk.id, %s as score from ('
        '  select stored.id, setweight(stored.lexemes, ''D'') as lexemes,'
        '   %s as saturation'
        '  from ragpg.chunks as stored'
        '  where stored.index_id = %s and stored.lexemes @@ $1%s%s offset 0) as chunk'
        ' order by score desc, chunk.id limit %s) as best',
        ragpg_internal.bm25_expression(words, weights),
        (
            select ragpg_internal.bm25_saturation(known.mean_length)
            from ragpg.index_statistics as known
            where known.index_id = keyword_candidates.index_id
                and known.tenant = coalesce(only_tenant, '')
        ),
        keyword_candidates.index_id,
        case
            when document_ids is not null then ' and stored.document_id = any($2)'
            -- A subquery that looks one document up, and no join: only candidates are asked.
            when filter is not null then
                -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
                ' and case when $4 is null or stored.tenant = $4 then'
                '  (select ragpg_internal.passes(document.metadata, $3)'
                '   from ragpg.documents as document where document.id = stored.document_id) end'
        end,
        case
            when only_tenant is not null then ' and ' || ragpg_internal.tenant_condition(
                keyword_candidates.index_id, only_tenant, 'stored.tenant', '$4'
            )
        end,
        wanted
    );
    most_added := case when word_chunks <= exact_limit then 1 else 0.75 end;
    least_score := greatest(coalesce(least_score, 0), 0);
    -- A first guess of the last score wanted; then, from what it found, what is certain.
    threshold := greatest(
        least_score,
        case
            when document_ids is null and word_chunks > few then 0.45 * most_added * total_weight
        end
    );
    loop
        sought := ragpg_internal.word_combinations(
            words, array(select most_added * weight from unnest(weights) as weight), threshold
        );
        execute statement into ids, scores using sought, document_ids, filter, only_tenant;
        exit when threshold <= least_score or scores[wanted] >= threshold;
        threshold := greatest(
            least_score,
            case
                when coalesce(cardinality(ids), 0) >= wanted then scores[wanted]
                when threshold > 0.05 * most_added * total_weight then 0.5 * threshold
            end
        );
    end loop;
    return query
    select found.id, found.score
    from unnest(ids, scores) as found (id, score)
    where found.score >= least_score;
end
$$;
grant execute on function ragpg_internal.keyword_candidates(
    bigint, tsquery[], double precision[], bigint, integer, bigint[], jsonpath, double precision,
    uuid
)
to public;
comment on function ragpg_internal.keyword_candidates(
    bigint, tsquery[], double precision[], bigint, integer, bigint[], jsonpath, double precision,
    uuid
) is
'Returns the best chunks of a search index by BM25, any of the words counting (ragpg_internal.query_words: the rarest first, their weights, and how many chunks hold one, at most), best first; only of the given documents when there are any, else only of those whose metadata the filter, if given, lets through; only those of at least least_score. Security definer while tenants are on (ragpg_internal.tenant_legs), so that the index of words is used; then only of the caller''s tenant. Exact as long as 20,000 or fewer chunks hold the words; beyond that a chunk may be missed whose few words occur very often in it.';

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

-- What do the best hits hold of what a question asks for?
create or replace function ragpg_internal.answer_signals(
    index_id bigint,
    query text,
    passages text[],
    titles text[],
    out words_held double precision,
    out missing_names text[],
    out unmatched_negation boolean
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    spoken text := (
        select ragpg_internal.document_language(recipe.language, '{}', passages[1])
        from ragpg.search_indexes as recipe
        where recipe.id = answer_signals.index_id
    );
    negation constant text := '\m(not|no|never|none|nor|neither|without|cannot)\M|n[''’]t\M';
    words tsquery[];
    weights double precision[];
    sentence text;
    held text[];  -- the words of that sentence, of those beside it and of the title
begin
    select array_agg(word.word), array_agg(word.weight)
    into words, weights
    from ragpg_internal.query_words(answer_signals.index_id, answer_signals.query) as word;
    -- The sentence that holds most of the question's words, itself and with its neighbours.
    select best.content, tsvector_to_array(best.lexemes_around), best.share
    into sentence, held, words_held
    from (
        select
            around.*,
            (
                select sum(word.weight) filter (where around.lexemes @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share,
            (
                select sum(word.weight) filter (where around.lexemes_around @@ word.query)
                    / sum(word.weight)
                from unnest(words, weights) as word (query, weight)
            ) as share_around
        from (
            select
                one.*,
                one.lexemes
                || coalesce(lag(one.lexemes) over beside, '')
                || coalesce(lead(one.lexemes) over beside, '')
                || ragpg.text_lexemes(coalesce(one.title, ''), spoken) as lexemes_around
            from (
                select
                    hit.place, hit.title, part.number, part.content,
                    ragpg.text_lexemes(part.content, spoken) as lexemes
                from unnest(passages[:3], titles[:3]) with ordinality as hit (content, title, place)
                cross join lateral regexp_split_to_table(
                    hit.content, '(?<=[.?!])\s+|(?<=[。！？])|\n\s*\n'
                ) with ordinality as part (content, number)
            ) as one
            window beside as (partition by one.place order by one.number)
        ) as around
    ) as best
    order by
        coalesce(best.share, 0) + coalesce(best.share_around, 0) desc, best.place, best.number
    limit 1;
    words_held := coalesce(words_held, 0);
    missing_names := array(
        select said.word
        from (
            select one.match[1] as word, min(one.place) as place
            from regexp_matches(
                answer_signals.query, '[[:alnum:]](?:[[:alnum:]''’.-]*[[:alnum:]])?', 'g'
            ) with ordinality as one (match, place)
            group by one.match[1]
        ) as said
        where (said.word ~ '\d' or said.place > 1 and left(said.word, 1) <> lower(left(said.word, 1)))
            and not tsvector_to_array(ts_filter(ragpg.text_lexemes(said.word, spoken), '{d}'))
                <@ coalesce(held, '{}')
        order by said.place
    );
    unmatched_negation := answer_signals.query ~* negation
        and not coalesce(sentence, '') ~* negation;
end
$$;
comment on function ragpg_internal.answer_signals(bigint, text, text[], text[]) is
'Returns what the first three hits, best first, hold of a question. words_held: the share of its words, by BM25 weight, in the sentence that holds most of them. missing_names: its names and numbers (words with a capital that are not the first, words with a digit) that are neither in that sentence nor beside it nor in the title. unmatched_negation: it says not, no, never, none, nor, neither, without or cannot, and that sentence does not. An embedding hardly tells these; to ragpg_internal.relevance they tell apart questions that look like others but have no answer.';

-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg_internal.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := ragpg.text_lexemes(new.context || E'\n' || new.content, new.language);
    new.lexeme_count := (
        select count(*)
        from unnest(new.lexemes) as word
        cross join lateral unnest(word.weights) as label
        where label = 'D'
    );
    return new;
end
$$;
comment on function ragpg_internal.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';

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
