-- pgvector's library is loaded by its first use, before functions that set its parameters.
select '[1]'::halfvec <=> '[1]'::halfvec;

drop function ragpg_internal.vector_candidates(
    bigint, halfvec, integer, bigint[], bigint, jsonpath
);
drop view ragpg.answers_by_day;

-- What was asked, how much of it was answered from sources, and what did it cost?
create or replace view ragpg.answers_by_day with (security_invoker = true) as
select
    one.name as collection,
    answer.created_at::date as day,
    answer.model,
    count(*) as answers,
    count(*) filter (where answer.grounded) as grounded,
    count(*) filter (where answer.abstained) as abstained,
    sum(answer.input_tokens) as input_tokens,
    sum(answer.output_tokens) as output_tokens,
    sum(answer.cache_read_tokens) as cache_read_tokens,
    percentile_cont(0.5) within group (order by answer.latency_ms) as median_latency_ms,
    sum(answer.cache_creation_tokens) as cache_creation_tokens,
    (count(*) filter (where answer.grounded))::double precision / count(*) as grounded_share,
    (
        sum(answer.input_tokens * price.input_price)
        + sum(answer.output_tokens * price.output_price)
        + sum(answer.cache_read_tokens * price.cache_read_price)
        + sum(answer.cache_creation_tokens * price.cache_creation_price)
    ) / 1000000 as cost
from ragpg.answers as answer
join ragpg.collections as one on one.id = answer.collection_id
left join ragpg.model_prices as price on price.model = answer.model
group by one.name, answer.created_at::date, answer.model;
comment on view ragpg.answers_by_day is
'A row per collection, day and model: answers, how many are grounded in citations or abstained, tokens and median latency.';
comment on column ragpg.answers_by_day.collection is 'Name of the collection.';
comment on column ragpg.answers_by_day.day is 'The day, in the session''s time zone.';
comment on column ragpg.answers_by_day.model is 'The language model; null when none was asked.';
comment on column ragpg.answers_by_day.answers is 'How many.';
comment on column ragpg.answers_by_day.grounded is 'How many rest on citations.';
comment on column ragpg.answers_by_day.abstained is 'How many said that nothing fits.';
comment on column ragpg.answers_by_day.input_tokens is 'Tokens read.';
comment on column ragpg.answers_by_day.output_tokens is 'Tokens written.';
comment on column ragpg.answers_by_day.cache_read_tokens is 'Tokens read from the prompt cache.';
comment on column ragpg.answers_by_day.median_latency_ms is 'Median milliseconds.';
comment on column ragpg.answers_by_day.cache_creation_tokens is 'Tokens stored in the prompt cache.';
comment on column ragpg.answers_by_day.grounded_share is 'grounded by answers.';
comment on column ragpg.answers_by_day.cost is
'What the tokens cost by ragpg.model_prices; null when the model is not there.';

-- Many documents of one chunk each, their embeddings given: how another vector store moves in.
create or replace function ragpg_internal.put_embedded_documents(
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
set search_path = ragpg_internal, ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    owner_name constant text := ragpg_internal.written_tenant();
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
            collection_id, source, content, title, media_type, metadata, source_hash, tenant
        )
        select
            recipe.collection_id, given.source, given.content, given.title, given.media_type,
            given.metadata, given.source_hash, owner_name
        from given
        on conflict on constraint documents_collection_id_tenant_source_key do update
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
            lexeme_count, language, context, content, lexemes, embedding, tenant
        )
        select
            recipe.id, stored.id, stored.version, 0, 0, char_length(given.content),
            0, 0, ragpg_internal.document_language(recipe.language, given.metadata, given.content),
            given.title, given.content, '', given.embedding, owner_name
        from stored
        join given on given.source = stored.source
        on conflict on constraint chunks_pkey do update
        set document_version = excluded.document_version,
            end_char = excluded.end_char,
            token_count = excluded.token_count,
            language = excluded.language,
            context = excluded.context,
            content = excluded.content,
            embedding = excluded.embedding,
            generated_chars = 0
    ),
    indexed as (
        insert into ragpg.index_documents as state (
            index_id, document_id, document_version, chunk_count, indexed_at, tenant
        )
        select recipe.id, stored.id, stored.version, 1, clock_timestamp(), owner_name
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
comment on function ragpg_internal.put_embedded_documents(bigint, text[], text[], text[], text[], jsonb[], bytea[], halfvec[]) is
'Stores documents of one chunk each with given embeddings of the search index''s model (arrays of equal length), in one statement, and returns whether each was added or updated. Tokens are not counted. Other search indexes of the collection get them through workers.';

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
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 40
-- A tenant's chunks may be few among the nearest.
set hnsw.iterative_scan = strict_order
as $$
#variable_conflict use_column
declare
    active_id bigint;
    dimensions integer;
    quantize text;
    scanned integer;
    looked_at record;
    near_ids bigint[];
    pairs bigint[] := '{}';
begin
    select
        recipe.id, model.dimensions, recipe.quantize,
        least(
            greatest(
                case recipe.quantize when 'bit' then recipe.ef_search else 40 end, neighbours + 1
            ),
            1000
        )
    into active_id, dimensions, quantize, scanned
    from ragpg.collections as one
    join ragpg.search_indexes as recipe on recipe.id = one.active_index_id
    join ragpg.embedding_models as model on model.id = recipe.embedding_model_id
    where one.id = ragpg.collection_id(near_duplicates.collection);
    perform set_config('hnsw.ef_search', scanned::text, true);
    -- One question to the vector index per chunk, so the work grows with the chunks and not with
    -- their square. Of chunks of one text only the first asks.
    for looked_at in
        select drawn.id, drawn.embedding
        from (
            select distinct on (ragpg_internal.hash_text(chunk.content)) chunk.id, chunk.embedding
            from ragpg.chunks as chunk
            where chunk.index_id = active_id
            order by ragpg_internal.hash_text(chunk.content), chunk.id
        ) as drawn
        -- Drawn by hash, not by random(): the same chunks give the same answer.
        order by hashint8extended(drawn.id, 0)
        limit near_duplicates.chunks
    loop
        execute format(
            'select array_agg(near.id) from (%s) as near'
            ' where near.id <> $2 and near.distance <= 1 - $3::double precision',
            ragpg_internal.nearest_query(
                'chunks', active_id, dimensions, quantize, '', neighbours + 1, scanned
            )
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
                min(chunk.id) over (
                    partition by ragpg_internal.hash_text(chunk.content)
                ) as first_id
            from ragpg.chunks as chunk
            where chunk.index_id = active_id and near_duplicates.chunks is null
        ) as same
        where same.id <> same.first_id
    ),
    measured as (
        select
            a.id as a_id, b.id as b_id, a.document_id as a_document, b.document_id as b_document,
            1 - (a.embedding <=> b.embedding) as similarity,
            case
                when a.content = b.content then 1
                else ragpg_internal.word_overlap(a.content, b.content)
            end
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

-- Which values does a condition of a filter ask for?
create or replace function ragpg_internal.filter_condition(
    condition text,
    out kind "char",
    out key text,
    out sign text,
    out number numeric,
    out word text,
    out is_exact boolean
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    path constant text := '(\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+)';
    literal constant text := '("(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9e]*|true|false|null)';
    -- Without a format, or with one of those by which Python's filters read what has Z.
    moment constant text :=
        '(\.datetime\((?:"yyyy-mm-dd\\"T\\"hh24:mi:ss(?:\.us)?\\"Z\\"")?\))?';
    signs constant text := ' (==|<=?|>=?|starts with) ';
    said text[] := regexp_match(
        condition, '^' || path || moment || signs || literal || moment || '$'
    );
    turned text[];
begin
    if said is null then
        turned := regexp_match(
            condition, '^' || literal || moment || signs || path || moment || '$'
        );
        said := array[
            turned[4], turned[5], translate(turned[3], '<>', '><'), turned[1], turned[2]
        ];
    end if;
    if said[1] is null or (said[2] is null) <> (said[5] is null) then
        return;
    end if;
    key := (
        select string_agg(
            ragpg_internal.key_step(step.found[1]::jsonb #>> '{}'), '.' order by step.place
        )
        from regexp_matches(said[1], '"(?:[^"\\]|\\.)*"', 'g')
            with ordinality as step (found, place)
    );
    sign := said[3];
    is_exact := true;
    if said[5] is not null then
        kind := 't';
        number := ragpg_internal.instant(said[4]::jsonb #>> '{}');
        -- A zone that was not said may be any: Postgres takes up to a week.
        is_exact := false;
    elsif said[4] like '"%' then
        kind := 's';
        word := said[4]::jsonb #>> '{}';
        if length(word) >= 100 then
            word := left(word, 100);
            sign := case sign when '<' then '<=' when '>' then '>=' else sign end;
            is_exact := false;
        end if;
    elsif said[4] ~ '^[-0-9]' then
        kind := 'n';
        number := said[4]::numeric;
    else
        kind := 'l';
        word := said[4];
    end if;
    if length(key) > 100
        or coalesce(number = 'NaN' or length(said[4]) > 100 and kind = 'n', word is null)
        -- jsonpath orders texts by their UTF-16, which is their UTF-8's order up to there.
        or kind = 's' and sign <> '==' and word ~ '[\ue000-\U0010ffff]'
        or kind = 'l' and sign <> '=='
        or kind <> 's' and sign = 'starts with'
    then
        kind := null;
    end if;
end
$$;
comment on function ragpg_internal.filter_condition(text) is
'Returns what a comparison of a jsonpath predicate asks for, in the words of ragpg.document_values: kind, key, sign (==, <, <=, >, >=, starts with), number or word, and whether the values for which that is true are exactly those that the comparison lets through, or may be more. No kind where the values cannot tell.';

-- How is the vector index of a search index asked?
create or replace function ragpg_internal.nearest_query(
    table_name text,
    index_id bigint,
    dimensions integer,
    quantize text,
    conditions text,
    wanted integer,
    scanned integer
) returns text
language sql stable
set search_path = ragpg_internal, ragpg, pg_temp
begin atomic
    -- The index's own expression, one table, ascending: anything else loses the index.
    select format(
        case quantize
            when 'bit' then
                'select chunk.id, chunk.embedding operator(%1$s.<=>) $1 as distance from ('
                '  select chunk.id, chunk.embedding from ragpg.%2$s as chunk'
                '  where chunk.index_id = %3$s%4$s'
                '  order by %1$s.binary_quantize(chunk.embedding)::bit(%5$s)'
                '   operator(%1$s.<~>) %1$s.binary_quantize($1)::bit(%5$s) limit %7$s'
                ' ) as chunk order by distance limit %6$s'
            else
                'select chunk.id, chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1'
                ' as distance from ragpg.%2$s as chunk where chunk.index_id = %3$s%4$s'
                ' order by chunk.embedding::%1$s.halfvec(%5$s) operator(%1$s.<=>) $1 limit %6$s'
        end,
        ragpg_internal.vector_schema(), table_name, index_id, conditions, dimensions, wanted,
        greatest(scanned, wanted)
    );
end;
comment on function ragpg_internal.nearest_query(text, bigint, integer, text, text, integer, integer) is
'Returns the statement that asks the vector index of a search index for the wanted chunks nearest to $1 (id, distance; best first) of a table, its partition or chunks, under conditions: of a quantised one (search_indexes.quantize) those nearest by their bits, scanned of them, ordered by the embeddings themselves.';

-- Which share of a normal distribution lies above a value?
create or replace function ragpg_internal.normal_tail(deviations double precision)
returns double precision
language sql immutable strict parallel safe
-- To 0.3 %; erfc() is there since Postgres 16 alone.
return case
    when deviations > 37 then 0
    when deviations >= 0
        then exp(-0.5 * deviations ^ 2) / (1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
    else 1 - exp(-0.5 * deviations ^ 2) / (-1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
end;
comment on function ragpg_internal.normal_tail(double precision) is
'Returns the share of a normal distribution that is more than so many standard deviations above its mean (to 0.3 %).';

-- What share of the nearest chunks does the vector index find with this ef_search?
create or replace function ragpg_internal.recalls_at(
    index_id bigint, embeddings halfvec[], own_ids bigint[], distances double precision[],
    k integer, ef_search integer
) returns double precision[]
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- As ragpg_internal.vector_candidates scans. Named here so that what is set below ends with it.
set hnsw.ef_search = 100
set hnsw.iterative_scan = strict_order
as $$
declare
    recalls double precision[] := '{}';
    held bigint := (
        select count(*) from ragpg.chunks as chunk where chunk.index_id = recalls_at.index_id
    );
    quantize constant text := (
        select recipe.quantize from ragpg.search_indexes as recipe where recipe.id = index_id
    );
    found bigint;
begin
    perform set_config('hnsw.ef_search', least(greatest(ef_search, k), 1000)::text, true);
    for place in 1..cardinality(embeddings) loop
        execute format(
            'select count(*) from ('
            '  select near.distance from (%s) as near where near.id is distinct from $2'
            '  order by near.distance limit %s'
            -- By distance, not by id: of chunks equally far any will do.
            ' ) as best where best.distance <= $3 + 1e-6',
            ragpg_internal.nearest_query(
                'chunks', recalls_at.index_id, vector_dims(embeddings[place]), quantize, '',
                k + (own_ids[place] is not null)::integer, ef_search
            ),
            k
        )
        into found
        using embeddings[place], own_ids[place], distances[place];
        recalls := recalls || coalesce(
            found::double precision
                / nullif(least(k, held - (own_ids[place] is not null)::integer), 0),
            1
        );
    end loop;
    return recalls;
end
$$;
comment on function ragpg_internal.recalls_at(bigint, halfvec[], bigint[], double precision[], integer, integer) is
'Returns for each embedding the share of its k nearest chunks that the vector index finds: those at most as far as distances says (ragpg_internal.exact_distances), the chunk of own_ids left out.';

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
    all_chunks bigint;
    mean_length real;
    some_documents bigint[];  -- drawn at random
    dimensions integer;
    wanted integer;
    sampled_documents bigint[];  -- that the filter lets through
    matching_documents bigint[];  -- all of them; null where they are many: each candidate is asked
    matching_chunks bigint;
    matching_share double precision := 0;
    exactly boolean := false;  -- all chunks that pass are looked at: they are few, or far
    -- Up to so many are looked at as quickly as the index finds some (docs/measured.md).
    exact_limit constant integer := 4000;
    few_chunks constant integer := 200;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_counts integer[];  -- of chunks
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
    -- Not the whole row: its sample of embeddings is large.
    select
        known.chunk_count, known.mean_length,
        case when filter is not null then known.document_sample end
    into all_chunks, mean_length, some_documents
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        if all_chunks > 20000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, exact_limit) as found;
            -- Of some documents, how many pass? Where they are many, to list them all takes longer
            -- than to ask of each candidate as it is met.
            if matching_documents is null then
                sampled_documents := ragpg_internal.passing(some_documents[:50], filter);
                matching_share := coalesce(cardinality(sampled_documents), 0) / 50.0;
            end if;
        end if;
        if matching_documents is null and matching_share * coalesce(all_chunks, 0) <= 40000 then
            select found.document_ids, found.chunks into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(
                -- So many are listed in 10 ms.
                recipe.id, filter, case when matching_share >= 0.03 then 50000 end
            ) as found;
        end if;
        exactly := coalesce(matching_chunks <= exact_limit, false);
        -- The index finds what is near the question. Where of what passes even the nearest (two
        -- deviations above the mean of some) is farther than the nearest of all, it would go
        -- through many rows and still miss some: all that pass are looked at instead.
        if not exactly and query_embedding is not null and mode <> 'keyword' then
            select spread.mean, spread.deviation
            into vector_mean, vector_deviation
            from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
                as spread;
            if matching_documents is null then
                sampled_documents := ragpg_internal.passing(some_documents, filter);
            end if;
            select coalesce(
                avg(near.similarity) + 2 * stddev_pop(near.similarity)
                < vector_mean + 1.6 * vector_deviation,
                false
            )
            into exactly
            from (
                select coalesce(matching_documents, sampled_documents) as ids
            ) as passed
            cross join generate_series(
                1, cardinality(passed.ids), greatest(cardinality(passed.ids) / 200, 1)
            ) as place
            cross join lateral (
                select 1 - (chunk.embedding <=> query_embedding) as similarity
                from ragpg.chunks as chunk
                where chunk.index_id = recipe.id and chunk.document_id = passed.ids[place]
                order by chunk.ordinal
                limit 1
            ) as near;
        end if;
        if exactly and matching_chunks is null then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
        end if;
        if matching_chunks = 0 then
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
            array_agg(word.chunk_count order by word.place), sum(word.chunk_count),
            coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_counts, word_chunks, word_mean, word_deviation
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
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
    end if;
    if query_embedding is not null then
        loop
            select array_agg(found.chunk_id), array_agg(found.similarity)
            into vector_ids, similarities
            from ragpg_internal.vector_candidates(
                recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter,
                exactly
            ) as found;
            -- How many of all chunks should be nearer than the last of them, if similarities are
            -- spread as the normal distribution is? Where they are more than a filter that has
            -- nothing to do with the question would make the index pass by, it has missed some.
            exit when exactly or filter is null or (
                all_chunks * ragpg_internal.normal_tail(
                    (similarities[cardinality(similarities)] - vector_mean) / vector_deviation
                ) > greatest(100, 2.5 * wanted / greatest(
                    matching_share,
                    matching_chunks / all_chunks::double precision, 0.001
                ))
            ) is not true;
            exactly := true;
            if matching_chunks is null then
                select found.document_ids, found.chunks
                into matching_documents, matching_chunks
                from ragpg_internal.matching_documents(recipe.id, filter) as found;
            end if;
        end loop;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' and vector_mean is null then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
            as spread;
    end if;
    -- Where the search index names no weight it follows the question: the less its nearest chunk
    -- stands out, the less the model knows of it. Of few chunks, that pass a filter or are all
    -- there are, it tells less: none of n is more than (n - 1) / sqrt(n) deviations above the mean.
    vector_weight := coalesce(
        vector_weight,
        case
            when filter is not null or coalesce(all_chunks, 0) < few_chunks then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
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
            ragpg_internal.bm25_saturation(mean_length), recipe.id
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
            -- Where very many chunks hold the words, those that only the commonest speak for are
            -- left to the vector leg: none of the best 30 by words were lost (docs/measured.md).
            if word_chunks <= 30000 or matching_documents is not null then
                word_counts := null;
            end if;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25, word_counts
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
        -- Alike to the words, which none of them holds, or to a weight of nothing: the nearest.
        order by known.score desc, known.similarity desc nulls last, known.chunk_id
        limit k
    )
    select
        (row_number() over (
            order by best.score desc, best.similarity desc nulls last, best.chunk_id
        ))::integer, hit.source,
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
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says, or else by how far the nearest chunk stands out (ragpg_internal.question_weight). Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

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
set enable_indexscan = on
set enable_seqscan = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_passing text := case
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
        else ''
    end;
    only_own text := '';
    tenant_chunks bigint;
    scanned integer;
    scan text;
    ids bigint[];
    distances double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $4';
        tenant_chunks := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = only_tenant
            ),
            0
        );
        exactly := exactly or tenant_chunks <= 20000;
        if document_ids is null then
            matching_chunks := tenant_chunks;
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if not exactly then
        -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
        scanned := greatest(recipe.ef_search, wanted, case when filter is not null then 200 end);
        perform set_config('hnsw.ef_search', least(scanned, 1000)::text, true);
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case
            when only_own || only_passing = '' then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            execute
                'select array_agg(near.id), array_agg(near.distance) from ('
                || ragpg_internal.nearest_query(
                    table_name, recipe.id, vector_dims(query_embedding), recipe.quantize,
                    only_own || only_passing, wanted, scanned
                )
                || ') as near'
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null then
            execute format(
                'select array_agg(near.id), array_agg(near.distance)'
                ' from (select chunk.id, chunk.embedding operator(%5$s.<=>) $1 as distance'
                '  from ragpg.%1$s as chunk where chunk.index_id = %2$s%3$s'
                '  order by chunk.embedding operator(%5$s.<=>) $1 limit %4$s) as near',
                table_name, recipe.id, only_own || only_passing, wanted,
                ragpg_internal.vector_schema()
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
        elsif only_tenant is null and cardinality(document_ids) > 4000 then
            -- Page by page of the table, in order: two thirds of the time where there are so many.
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select chunk.id, chunk.embedding <=> query_embedding as distance
                from ragpg.chunks as chunk
                where chunk.index_id = vector_candidates.index_id
                    and chunk.document_id = any((select document_ids)::bigint[])
                order by 2
                limit wanted
            ) as near;
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks, and since Postgres 17 the whole index of documents is. Planned once
            -- in a session: two thirds of the time where few match.
            select array_agg(near.id), array_agg(near.distance) into ids, distances
            from (
                select one.id, one.embedding <=> query_embedding as distance
                from unnest(document_ids) as listed (id)
                cross join lateral (
                    select chunk.id, chunk.embedding
                    from ragpg.chunks as chunk
                    where chunk.index_id = vector_candidates.index_id
                        and chunk.document_id = listed.id
                        and (only_tenant is null or chunk.tenant = only_tenant)
                    offset 0
                ) as one
                order by 2
                limit wanted
            ) as near;
        end if;
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
