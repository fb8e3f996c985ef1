-- 0010: inspection. What is wrong with a text or a corpus, near-duplicates, search without them.

-- How many of their words do two texts share?
create or replace function ragpg.word_overlap(first_text text, second_text text)
returns double precision
language sql immutable strict parallel safe
begin atomic
    select count(*) filter (where counted.sides = 2)::double precision / greatest(count(*), 1)
    from (
        select count(*) as sides
        from (
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', first_text))) as word
            union all
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', second_text)))
        ) as both_sides
        group by both_sides.word
    ) as counted;
end;
comment on function ragpg.word_overlap(text, text) is
'Returns the share of the different words of two texts that stand in both (Jaccard), from 0 to 1.';

-- Is it the source code of a program?
create or replace function ragpg.is_code(media_type text) returns boolean
language sql immutable strict parallel safe
return media_type ~ '^text/(x-(?!rst)|javascript$)';
comment on function ragpg.is_code(text) is
'Returns whether documents of a media type are source code, which is no text of a language.';

-- What counts as a problem, from which measure on, and what is to be done about it?
create or replace function ragpg.inspection_rules()
returns table (
    problem text, unit text, pattern text, minimum double precision, what_to_do text
)
language sql immutable parallel safe
begin atomic
    values
        ('empty document', 'characters', null, 1,
            'delete it, or find out why it was stored without text'),
        ('tiny document', 'characters', null, 40,
            'join it with what it belongs to: alone it is found, but answers nothing'),
        ('mojibake', 'times',
            '[\u00c2\u00c3][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|\u00c2\u00a0|[\u00ce\u00cf][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|\u00e2[\u0080-\u009f\u201a\u20ac\u2020\u2021\u02c6\u201e\u2026\u2030][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]|[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122][\u0080-\u009f\u00a1-\u00aa\u00ac-\u00ba\u00bc-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2020-\u2022\u2030\u20ac\u2122]|(?:[\u00e0\u00e1\u00e3-\u00ef][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\u00a0]){2,}|\u00f0\u0178|(?:[\u00c4-\u00cd\u00d0-\u00df][\u0080-\u009f\u00a1-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]){3,}',
            1, 'UTF-8 was read as Windows-1252: read it again as UTF-8, or repair it (ftfy)'),
        ('replacement characters', 'times', '\ufffd+', 1,
            'characters were lost: read the original again with its right encoding'),
        ('control characters', 'times', '[\u0001-\u0008\u000b\u000e-\u001f\u007f-\u009f]+', 1,
            'remove them, or export the text anew: they cut words apart'),
        ('invisible characters', 'times', '[\u00ad\u200b\u2060\ufeff]+', 5,
            'remove soft hyphens and zero-width spaces: they cut words apart'),
        ('encoded data', 'times', '[A-Za-z0-9+/]{200,}', 1,
            'leave base64 and dumps out: they fill chunks and mean nothing'),
        ('over-long line', 'lines', null, 5000,
            'break it into paragraphs: a chunker sees no structure in it'),
        ('few letters', 'characters that are no letters',
            '[\u0001-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2000-\u2bff\u2e00-\u2e7f\u3000-\u3004\u3007-\u3020\u3030-\u303f\ue000-\uf8ff\ufe10-\ufe6f\uff01-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff\U0001f000-\U0001faff]+',
            0.3, 'search cannot find what numbers and symbols mean: say it in words beside them'),
        ('other language', 'letters', null, 200,
            'put it into a collection of its language, or use the language simple: its words are stemmed by the wrong rules'),
        ('duplicate document', '', null, 1,
            'keep one: copies crowd other documents out of the hits'),
        ('near-duplicate document', '', null, 0.8,
            'keep the newest, or search with ragpg.search_distinct'),
        ('repeated line', 'documents', null, 0.3,
            'take it out when reading: it makes all chunks alike'),
        ('cut chunk', 'chunks', null, 1,
            'a sentence is longer than the window: break it, or build an index with larger chunks'),
        ('not indexed', '', null, 1,
            'run ragpg worker; ragpg.ingest_queue has the error if there is one');
end;
comment on function ragpg.inspection_rules() is
'Returns what inspection looks for: what it counts, the pattern of characters where it is one (few letters: of what is no letter), the least count, length or share that is reported (empty, tiny, few letters: less than that), and what to do.';

-- What looks wrong with this text?
create or replace function ragpg.text_problems(content text)
returns table (kind text, count bigint, example text)
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    -- Without blanks, whatever the database's locale, and the lines of Markdown tables.
    dense text := translate(text_problems.content, E' \t\n\r\f\u00a0\u3000|-', '');
    letters text;
    rule record;
begin
    for rule in select * from ragpg.inspection_rules()
    loop
        kind := rule.problem;
        example := '';
        case
            when kind = 'empty document' then
                count := (char_length(dense) < rule.minimum)::integer;
            when kind = 'tiny document' then
                count := char_length(dense);
                example := btrim(text_problems.content, E' \n');
                if count >= rule.minimum then
                    count := 0;
                end if;
            when kind = 'over-long line' then
                select count(*), left((array_agg(cut.line order by cut.place))[1], 60)
                into count, example
                from string_to_table(text_problems.content, E'\n')
                    with ordinality as cut (line, place)
                where char_length(cut.line) > rule.minimum;
            when kind = 'few letters' then
                letters := regexp_replace(dense, rule.pattern, '', 'g');
                count := char_length(dense) - char_length(letters);
                example := left(dense, 60);
                if char_length(dense) < 200
                    or char_length(letters) >= rule.minimum * char_length(dense)
                then
                    count := 0;
                end if;
            when rule.pattern is not null then
                count := regexp_count(text_problems.content, rule.pattern);
                if count < rule.minimum then
                    count := 0;
                end if;
                if count > 0 then
                    -- The first, with what stands around it.
                    example := substr(
                        text_problems.content,
                        greatest(1, regexp_instr(text_problems.content, rule.pattern) - 20), 60
                    );
                end if;
            else
                count := 0;
        end case;
        if count > 0 then
            example := replace(example, E'\n', ' ');
            return next;
        end if;
    end loop;
end
$$;
comment on function ragpg.text_problems(text) is
'Returns what looks wrong with a text: the kind (ragpg.inspection_rules tells all), how often (tiny document: its characters; few letters: those that are none), and the first of it with what stands around it. Blanks, pipes and hyphens do not count as characters.';

-- How much of this text is tables, how much code?
create or replace function ragpg.text_parts(content text, media_type text)
returns table (table_characters bigint, code_characters bigint)
language sql immutable parallel safe
begin atomic
    select
        (
            select coalesce(sum(char_length(line)), 0)
            from string_to_table(text_parts.content, E'\n') as line
            where line like '|%'
        ),
        case
            when ragpg.is_code(text_parts.media_type) then char_length(text_parts.content)
            else char_length(text_parts.content) - char_length(
                regexp_replace(E'\n' || text_parts.content, '\n {0,3}?```.*?\n {0,3}?```', '', 'g')
            ) + 1
        end;
end;
comment on function ragpg.text_parts(text, text) is
'Returns how many characters of a document are in rows of Markdown tables and in fenced code (all of them when it is source code).';

-- Which language is this text in?
create or replace function ragpg.text_language(content text) returns text
language plpgsql stable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    -- Without fenced code, tags and addresses, which are English everywhere.
    sample text := lower(left(
        regexp_replace(
            regexp_replace(E'\n' || left(content, 12000), '\n {0,3}?```.*?\n {0,3}?```', '', 'g'),
            '<[^<>]*>|https?://[^ \n<>)]*|\{[^ \n{}]*\}|`[^`\n]*`|\]\([^ \n)]*', ' ', 'g'
        ),
        2000
    ));
    script_name text;
    latin integer := char_length(sample)
        - char_length(regexp_replace(sample, '[a-z\u00df-\u024f\u1e00-\u1eff]+', '', 'g'));
    kana integer := regexp_count(sample, '[\u3040-\u30ff]');
    han integer := regexp_count(sample, '[\u3400-\u4dbf\u4e00-\u9fff]');
    found_language text;
begin
    -- A Chinese or Japanese character is about a third of a word; others are letters.
    select candidate.name into script_name
    from (
        values
            ('latin', latin),
            ('chinese', 3 * (han + kana)),
            ('korean', 2 * regexp_count(sample, '[\uac00-\ud7af]')),
            ('thai', regexp_count(sample, '[\u0e00-\u0e7f]')),
            ('arabic', regexp_count(sample, '[\u0600-\u06ff\u0750-\u077f]')),
            ('hebrew', regexp_count(sample, '[\u0590-\u05ff]')),
            ('hindi', regexp_count(sample, '[\u0900-\u097f]')),
            ('greek', regexp_count(sample, '[\u0370-\u03ff\u1f00-\u1fff]')),
            ('armenian', regexp_count(sample, '[\u0530-\u058f]')),
            ('tamil', regexp_count(sample, '[\u0b80-\u0bff]')),
            ('cyrillic', regexp_count(sample, '[\u0400-\u04ff]'))
    ) as candidate (name, weight)
    where candidate.weight >= 20
    order by candidate.weight desc, candidate.name
    limit 1;
    if script_name = 'chinese' and kana > 0.1 * (han + kana) then
        return 'japanese';
    elsif script_name = 'cyrillic' and regexp_count(sample, '[\u0454\u0456\u0457\u0491]') > 0.03 * char_length(sample) then
        return 'ukrainian';
    elsif script_name = 'latin' and regexp_count(sample, '[\u1ea0-\u1ef9]') > 0.03 * latin then
        return 'vietnamese';
    elsif script_name = 'latin' and regexp_count(sample, '[\u0103\u021b\u0163]') > 0.015 * latin then
        return 'romanian';
    elsif script_name not in ('latin', 'cyrillic') or script_name is null then
        return script_name;
    end if;
    -- The share of words that are stop words, by the dictionaries Postgres brings.
    with word as materialized (
        select token, count(*) as times
        from ts_parse('default', sample)
        where tokid in (1, 2) and char_length(token) > 1
        group by token
    ),
    looked_up as materialized (
        select language.name, word.times, ts_lexize(language.dictionary, word.token) = '{}' as is_stop
        from word
        cross join (
            values
                ('cyrillic', 'russian', 'pg_catalog.russian_stem'::regdictionary),
                ('latin', 'danish', 'pg_catalog.danish_stem'),
                ('latin', 'dutch', 'pg_catalog.dutch_stem'),
                ('latin', 'english', 'pg_catalog.english_stem'),
                ('latin', 'finnish', 'pg_catalog.finnish_stem'),
                ('latin', 'french', 'pg_catalog.french_stem'),
                ('latin', 'german', 'pg_catalog.german_stem'),
                ('latin', 'hungarian', 'pg_catalog.hungarian_stem'),
                ('latin', 'italian', 'pg_catalog.italian_stem'),
                ('latin', 'norwegian', 'pg_catalog.norwegian_stem'),
                ('latin', 'portuguese', 'pg_catalog.portuguese_stem'),
                ('latin', 'spanish', 'pg_catalog.spanish_stem'),
                ('latin', 'swedish', 'pg_catalog.swedish_stem'),
                ('latin', 'turkish', 'pg_catalog.turkish_stem')
        ) as language (script, name, dictionary)
        where language.script = script_name
    ),
    share as (
        select
            looked_up.name,
            sum(looked_up.times) filter (where looked_up.is_stop) / sum(looked_up.times) as share,
            count(*) filter (where looked_up.is_stop) as words
        from looked_up
        group by looked_up.name
    )
    select ranked.name into found_language
    from (
        select share.name, share.share, lead(share.share) over (order by share.share desc) as next
        from share
        where share.words >= 3  -- different ones: a table's "no" is no language
        order by share.share desc
        limit 1
    ) as ranked
    where ranked.share >= 0.1 and ranked.share >= 1.1 * coalesce(ranked.next, 0);
    return found_language;
end
$$;
comment on function ragpg.text_language(text) is
'Returns the language of a text by the name of its text-search configuration where Postgres has one, such as english; null when it cannot tell. Script decides where it can (chinese, japanese, korean, thai, hebrew, tamil, ukrainian, vietnamese and romanian by letters of theirs); else the share of stop words. Reads the first 2,000 characters that are not code, tags or addresses. Languages Postgres has no stop words for, such as Polish, come out as null or as a relative.';

-- Which lines stand in document after document, such as a footer?
create or replace function ragpg.repeated_lines(
    collection text default null,
    min_share double precision default 0.3,
    min_documents integer default 5
) returns table (line text, documents bigint, share double precision)
language sql stable
begin atomic
    with stored as materialized (
        select document.id, document.content
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(repeated_lines.collection)
    ),
    lines as (
        select stored.id, btrim(cut.line, E' \t') as line
        from stored
        cross join lateral string_to_table(stored.content, E'\n') as cut (line)
        where char_length(cut.line) >= 15
    )
    select
        min(lines.line) as line,
        count(distinct lines.id) as documents,
        count(distinct lines.id)::double precision / (select count(*) from stored) as share
    from lines
    -- A heading gives structure, a table's rule and a fence are syntax: three letters in a row
    -- make a text.
    where lines.line !~ '^#{1,6} ' and lines.line ~ '[^\u0001-\u0040\u005b-\u0060\u007b-\u00a9]{3}'
    -- Page numbers and dates differ from page to page.
    group by regexp_replace(lines.line, '[0-9]+', '0', 'g')
    having count(distinct lines.id) >= repeated_lines.min_documents
        and count(distinct lines.id) >= repeated_lines.min_share * (select count(*) from stored)
    order by 2 desc, 1;
end;
comment on function ragpg.repeated_lines(text, double precision, integer) is
'Returns the lines, of 15 characters or more, that stand in at least min_share and min_documents of a collection''s documents, most frequent first; numbers are taken as equal, headings left out.';

-- Which documents are nearly the same?
create or replace function ragpg.near_duplicate_documents(
    collection text default null,
    min_similarity double precision default 0.8
) returns table (
    first_document_id bigint, second_document_id bigint, first_source text, second_source text,
    similarity double precision, is_copy boolean
)
language sql stable
-- What is joined has no statistics, and nested loops over it took minutes.
set enable_nestloop = off
begin atomic
    with stored as materialized (
        select
            document.id, document.source, document.content,
            min(document.id) over (partition by document.content_hash) as first_id
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(near_duplicate_documents.collection)
            and document.content ~ '\S'
    ),
    units as materialized (
        select
            stored.id, hashtextextended(cut.unit, 0) as unit,
            max(char_length(cut.unit)) as characters
        from stored
        cross join lateral (
            -- A sentence is the same at the end of a line, with its full stop, as before another.
            select btrim(part, E' \t.!?') as unit
            from regexp_split_to_table(stored.content, E'\n|[.!?] +|[。！？]') as part
        ) as cut
        where stored.id = stored.first_id and cut.unit <> ''
        group by stored.id, 2
    ),
    sizes as materialized (
        select units.id, sum(units.characters) as characters
        from units
        group by units.id
    ),
    placed as materialized (
        select
            units.id, units.unit, units.characters,
            count(*) over (partition by units.unit) as documents,
            first_value(units.id) over (partition by units.unit order by units.id) as first_id
        from units
    ),
    -- Documents that share a unit; of a unit of many, each with the first one only, so that a
    -- footer does not make every pair.
    pairs as materialized (
        select linked.a_id, linked.b_id
        from (
            select a.id as a_id, b.id as b_id
            from placed as a
            join placed as b on b.unit = a.unit and b.id > a.id
            where a.documents <= 20 and b.documents <= 20
            union
            select placed.first_id, placed.id
            from placed
            where placed.documents > 20 and placed.id <> placed.first_id
        ) as linked
        join sizes as a_size on a_size.id = linked.a_id
        join sizes as b_size on b_size.id = linked.b_id
        -- Two texts as similar as that are at least so similar in length.
        where least(a_size.characters, b_size.characters)
            >= near_duplicate_documents.min_similarity
            * greatest(a_size.characters, b_size.characters)
    ),
    -- On its own, so that units are not joined with all that have the same first.
    of_first as materialized (
        select pairs.a_id, pairs.b_id, units.unit, units.characters
        from pairs
        join units on units.id = pairs.a_id
    ),
    shared as materialized (
        select
            of_first.a_id, of_first.b_id,
            sum(of_first.characters)::double precision as characters
        from of_first
        join units on units.id = of_first.b_id and units.unit = of_first.unit
        group by of_first.a_id, of_first.b_id
    ),
    measured as (
        select
            shared.a_id, shared.b_id,
            shared.characters / (a_size.characters + b_size.characters - shared.characters)
                as similarity
        from shared
        join sizes as a_size on a_size.id = shared.a_id
        join sizes as b_size on b_size.id = shared.b_id
    )
    select found.a_id, found.b_id, a.source, b.source, found.similarity, found.is_copy
    from (
        select measured.a_id, measured.b_id, measured.similarity, false as is_copy
        from measured
        where measured.similarity >= near_duplicate_documents.min_similarity
        union all
        select stored.first_id, stored.id, 1, true
        from stored
        where stored.first_id <> stored.id
    ) as found
    join stored as a on a.id = found.a_id
    join stored as b on b.id = found.b_id
    order by found.similarity desc, found.a_id, found.b_id;
end;
comment on function ragpg.near_duplicate_documents(text, double precision) is
'Returns pairs of documents of a collection that are nearly the same: the characters of the lines and sentences they share, of all those of both (weighted Jaccard). A copy to the character (is_copy) is paired with the first one only; so are documents whose every shared line stands in more than 20 documents.';

-- Which chunks say nearly the same?
create or replace function ragpg.near_duplicates(
    collection text default null,
    min_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    neighbours integer default 5,
    chunks integer default null
) returns table (
    first_chunk_id bigint, second_chunk_id bigint, first_source text, second_source text,
    similarity double precision, overlap double precision, content text
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
begin
    select recipe.id, model.dimensions into active_id, dimensions
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    perform set_config('hnsw.ef_search', least(greatest(40, neighbours + 1), 1000)::text, true);
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in
        select drawn.id, drawn.embedding
        from (
            select distinct on (ragpg.hash_text(chunk.content)) chunk.id, chunk.embedding
            from ragpg.chunks as chunk
            where chunk.index_id = active_id
            order by ragpg.hash_text(chunk.content), chunk.id
        ) as drawn
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        order by hashint8extended(drawn.id, 0)
        limit near_duplicates.chunks
    loop
        execute format(
            'select array_agg(near.id) from ('
            '  select chunk.id, chunk.embedding <=> $1 as distance'
            '  from ragpg.chunks as chunk where chunk.index_id = %s'
            '  order by chunk.embedding::halfvec(%s) <=> $1 limit %s'
            ' ) as near where near.id <> $2 and near.distance <= 1 - $3::double precision',
            active_id, dimensions, neighbours + 1
        )
        into near_ids
        using looked_at.embedding, looked_at.id, min_similarity;
        if near_ids is not null then
            pairs := pairs || (
                select array_agg(side.id order by near.id, side.place)
                from unnest(near_ids) as near (id)
                cross join lateral unnest(
                    case
                        when near_duplicates.chunks is null and near.id < looked_at.id
                            then array[near.id, looked_at.id]
                        else array[looked_at.id, near.id]
                    end
                ) with ordinality as side (id, place)
            );
        end if;
    end loop;
    return query
    with pair as (
        select distinct pairs[2 * place - 1] as a_id, pairs[2 * place] as b_id
        from generate_series(1, cardinality(pairs) / 2) as place
    ),
    copy as (
        select same.first_id as a_id, same.id as b_id
        from (
            select
                chunk.id,
                min(chunk.id) over (partition by ragpg.hash_text(chunk.content)) as first_id
            from ragpg.chunks as chunk
            where chunk.index_id = active_id and near_duplicates.chunks is null
        ) as same
        where same.id <> same.first_id
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case when a.content = b.content then 1 else ragpg.word_overlap(a.content, b.content) end
                as overlap,
            a.content
        from (select * from pair union select * from copy) as pair
        join ragpg.chunks as a on a.index_id = active_id and a.id = pair.a_id
        join ragpg.chunks as b on b.index_id = active_id and b.id = pair.b_id
    )
    select
        measured.a_id, measured.b_id, a.source, b.source, measured.similarity, measured.overlap,
        measured.content
    from measured
    join ragpg.documents as a on a.id = measured.a_document
    join ragpg.documents as b on b.id = measured.b_document
    where measured.overlap >= min_overlap
    order by measured.similarity desc, measured.a_id, measured.b_id;
end
$$;
comment on function ragpg.near_duplicates(text, double precision, double precision, integer, integer) is
'Returns pairs of chunks of a collection''s active search index that say nearly the same: cosine similarity of at least min_similarity, found through the vector index among each chunk''s nearest neighbours, and at least min_overlap of their words in common (Jaccard). Of chunks with the same text each is paired with the first. About a millisecond a chunk: chunks bounds how many are looked at, drawn by hash and each the first of its pairs.';

-- Which chunks end within a sentence?
create or replace function ragpg.cut_chunks(collection text default null)
returns table (chunk_id bigint, document_id bigint, content text)
language sql stable
begin atomic
    select ended.id, ended.document_id, ended.content
    from (
        select
            chunk.id, chunk.document_id, chunk.content, chunk.end_char,
            lead(chunk.start_char) over (
                partition by chunk.document_id order by chunk.ordinal
            ) as next_start
        from ragpg.chunks as chunk
        join ragpg.collections as one on one.active_index_id = chunk.index_id
        where one.id = ragpg.collection_id(cut_chunks.collection)
    ) as ended
    join ragpg.documents as document on document.id = ended.document_id
    where ended.next_start is not null
        and right(ended.content, 8) !~ '[.!?:;…؟।。！？；：|>}][\u0022\u0027)\]*_`”’»）」』]*$'
        -- Between lines is no sentence; the character after the chunk tells.
        and ended.next_start <= ended.end_char + 2
        and substr(document.content, ended.end_char + 1, 2) !~ '^\s*\n';
end;
comment on function ragpg.cut_chunks(text) is
'Returns the chunks of a collection''s active search index that end within a sentence or a word: what they hold was longer than the window.';

-- Which chunks answer this question best, without saying the same twice?
create or replace function ragpg.search_distinct(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null,
    max_similarity double precision default 0.95,
    min_overlap double precision default 0.8,
    relevance double precision default 1
) returns table (
    place integer, source text, title text, content text, score double precision,
    similarity double precision, bm25 double precision, start_char integer, end_char integer,
    page integer, context text, metadata jsonb, document_id bigint, document_version integer,
    chunk_id bigint
)
language plpgsql stable
set search_path = ragpg, public, extensions, pg_temp
as $$
#variable_conflict use_column
declare
    hits jsonb;
    contents text[];
    embeddings halfvec[];
    scores double precision[];  -- from 0, the last, to 1, the first
    nearest double precision[];  -- cosine to what is picked
    is_taken boolean[];  -- picked, or nearly the same as what is
    picks integer[];
    pick integer;
    -- Maximal marginal relevance chooses among more than it returns.
    wanted integer := case when relevance < 1 then greatest(3 * k, 30) else k + k / 2 + 1 end;
begin
    if num_nulls(max_similarity, min_overlap, relevance) > 0 or relevance not between 0 and 1 then
        raise exception 'max_similarity is %, min_overlap is %, relevance is %',
            max_similarity, min_overlap, relevance
            using errcode = 'RG005',
                hint = 'max_similarity is a cosine, min_overlap a share; relevance is from 0 (different) to 1 (best)';
    end if;
    loop
        select
            jsonb_agg(to_jsonb(hit) order by hit.place),
            array_agg(hit.content order by hit.place),
            array_agg(chunk.embedding order by hit.place),
            array_agg(
                coalesce((hit.score - hit.least) / nullif(hit.most - hit.least, 0), 1)
                order by hit.place
            ),
            array_agg(0 order by hit.place),
            array_agg(false order by hit.place)
        into hits, contents, embeddings, scores, nearest, is_taken
        from (
            select found.*, min(found.score) over () as least, max(found.score) over () as most
            from ragpg.search(
                query, wanted, collection, filter, query_embedding, mode, index_id
            ) as found
        ) as hit
        join ragpg.chunks as chunk on chunk.id = hit.chunk_id;
        picks := '{}';
        while cardinality(picks) < k loop
            select candidate.place into pick
            from unnest(scores, nearest, is_taken) with ordinality
                as candidate (score, nearest, is_taken, place)
            where not candidate.is_taken
            order by
                relevance * candidate.score - (1 - relevance) * candidate.nearest desc,
                candidate.place
            limit 1;
            exit when pick is null;
            picks := picks || pick;
            select
                array_agg(greatest(known.nearest, near.similarity) order by known.place),
                array_agg(
                    known.is_taken or known.place = pick
                    or near.similarity >= max_similarity
                    and ragpg.word_overlap(known.content, contents[pick]) >= min_overlap
                    order by known.place
                )
            into nearest, is_taken
            from unnest(nearest, is_taken, embeddings, contents) with ordinality
                as known (nearest, is_taken, embedding, content, place)
            cross join lateral (
                select 1 - (known.embedding <=> embeddings[pick]) as similarity
            ) as near;
        end loop;
        -- Too few, and search has more to give: look further down.
        exit when cardinality(picks) = k or coalesce(cardinality(scores), 0) < wanted;
        wanted := 2 * wanted;
    end loop;
    return query
    select
        picked.place::integer, hit.source, hit.title, hit.content, hit.score, hit.similarity,
        hit.bm25, hit.start_char, hit.end_char, hit.page, hit.context, hit.metadata,
        hit.document_id, hit.document_version, hit.chunk_id
    from unnest(picks) with ordinality as picked (hit, place)
    join jsonb_to_recordset(hits) as hit (
        place integer, source text, title text, content text, score double precision,
        similarity double precision, bm25 double precision, start_char integer, end_char integer,
        page integer, context text, metadata jsonb, document_id bigint, document_version integer,
        chunk_id bigint
    ) on hit.place = picked.hit
    order by 1;
end
$$;
comment on function ragpg.search_distinct(text, integer, text, jsonpath, halfvec, text, bigint, double precision, double precision, double precision) is
'Returns what ragpg.search does, but of chunks that are nearly the same only the best, and k of them whenever there are k. Nearly the same: a cosine similarity of at least max_similarity, and at least min_overlap of the words in common (ragpg.word_overlap; without it lists of different things look the same). relevance below 1 also trades score against being unlike the chunks before (maximal marginal relevance, Carbonell and Goldstein 1998: 0.7 is usual).';

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

-- What kind of texts does each collection hold, and how did they become chunks?
create or replace view ragpg.corpus_overview with (security_invoker = true) as
select
    one.name as collection,
    held.documents,
    held.characters,
    held.median_characters,
    held.table_share,
    held.code_share,
    spoken.languages,
    cut.chunks,
    cut.tokens_p05,
    cut.tokens_p50,
    cut.tokens_p95,
    recipe.chunk_tokens as window_tokens,
    cut.chunks - cut.texts as duplicate_chunks,
    (
        select count(distinct near.first_chunk_id)::double precision
        from ragpg.near_duplicates(one.name, chunks => 200) as near
    ) / nullif(least(200, cut.texts), 0) as near_duplicate_share
from ragpg.collections as one
left join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
cross join lateral (
    select
        count(*) as documents,
        coalesce(sum(char_length(document.content)), 0) as characters,
        percentile_cont(0.5) within group (order by char_length(document.content))
            as median_characters,
        sum(part.table_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as table_share,
        sum(part.code_characters)::double precision / nullif(sum(char_length(document.content)), 0)
            as code_share
    from ragpg.documents as document
    cross join lateral ragpg.text_parts(document.content, document.media_type) as part
    where document.collection_id = one.id
) as held
cross join lateral (
    select jsonb_object_agg(counted.language, counted.documents) as languages
    from (
        select
            coalesce(
                case when not ragpg.is_code(drawn.media_type)
                    then ragpg.text_language(drawn.content) end,
                'unknown'
            ) as language,
            count(*) as documents
        from (
            select document.content, document.media_type
            from ragpg.documents as document
            where document.collection_id = one.id
            order by hashint8extended(document.id, 0)
            limit 500
        ) as drawn
        group by 1
    ) as counted
) as spoken
cross join lateral (
    select
        count(*) as chunks,
        count(distinct ragpg.hash_text(chunk.content)) as texts,
        percentile_disc(0.05) within group (order by chunk.token_count) as tokens_p05,
        percentile_disc(0.5) within group (order by chunk.token_count) as tokens_p50,
        percentile_disc(0.95) within group (order by chunk.token_count) as tokens_p95
    from ragpg.chunks as chunk
    where chunk.index_id = one.active_index_id
) as cut;
comment on view ragpg.corpus_overview is
'A row per collection: sizes, shares of tables and code, languages, chunk sizes, duplicates. It reads every text: name the collection in where.';
comment on column ragpg.corpus_overview.collection is 'Name of the collection.';
comment on column ragpg.corpus_overview.documents is 'Documents stored.';
comment on column ragpg.corpus_overview.characters is 'Characters of all of them.';
comment on column ragpg.corpus_overview.median_characters is 'Characters of the middle one.';
comment on column ragpg.corpus_overview.table_share is 'Share of the characters that is in rows of tables.';
comment on column ragpg.corpus_overview.code_share is 'Share of the characters that is in fenced code or source code.';
comment on column ragpg.corpus_overview.languages is
'Documents by language (ragpg.text_language), of at most 500 drawn by hash.';
comment on column ragpg.corpus_overview.chunks is 'Chunks of the active search index.';
comment on column ragpg.corpus_overview.tokens_p05 is 'Tokens that 5 % of the chunks do not exceed.';
comment on column ragpg.corpus_overview.tokens_p50 is 'Tokens of the middle chunk.';
comment on column ragpg.corpus_overview.tokens_p95 is 'Tokens that 5 % of the chunks exceed.';
comment on column ragpg.corpus_overview.window_tokens is 'Most tokens of a chunk with its context.';
comment on column ragpg.corpus_overview.duplicate_chunks is
'Chunks whose text another chunk has, to the character; the first of each text not counted.';
comment on column ragpg.corpus_overview.near_duplicate_share is
'Share of the chunks, of 200 drawn by hash, that ragpg.near_duplicates pairs with another one.';
