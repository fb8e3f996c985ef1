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
