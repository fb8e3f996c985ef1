-- Which tokens of a model spell a text?
create or replace function ragpg_internal.tokenize(
    encoder_id bigint, query text, wanted integer default null
) returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    encoder ragpg.encoders;
    special_pattern text;
    parts text[];
    found_special text[];
    found_ids integer[] := '{}';
    word record;
    pieces integer[];
    place integer;
    piece record;
    longest_word constant integer := 100;  -- longer ones are unknown, as BERT has it
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = tokenize.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    -- Special tokens such as [MASK] are taken out first, as they stand.
    parts := array[query];
    found_special := '{}';
    if query ~ '\[' and cardinality(encoder.special_tokens) > 0 then
        select string_agg(regexp_replace(token, '([^[:alnum:]])', '\\\1', 'g'), '|')
        into special_pattern
        from unnest(encoder.special_tokens) as token;
        parts := regexp_split_to_array(query, special_pattern);
        found_special := array(
            select found.matched[1]
            from regexp_matches(query, '(' || special_pattern || ')', 'g') as found (matched)
        );
    end if;
    for part_number in 1..cardinality(parts) loop
        for word in
            select listed.spelling, whole.token_id
            from unnest(
                string_to_array(
                    ragpg_internal.normalize_text(
                        parts[part_number], encoder.lower_case, encoder.strip_accents
                    ),
                    ' '
                )
            ) with ordinality as listed (spelling, place)
            left join ragpg.encoder_vocabulary as whole
                on whole.embedding_model_id = encoder.embedding_model_id
                and whole.token = listed.spelling collate "C"
                and length(listed.spelling) <= longest_word
            where listed.spelling <> ''
            order by listed.place
        loop
            exit when cardinality(found_ids) >= wanted;
            if word.token_id is not null then
                found_ids := found_ids || word.token_id;
                continue;
            end if;
            -- WordPiece: the longest token the rest of the word begins with, again and again.
            pieces := '{}';
            place := 1;
            if length(word.spelling) > longest_word then
                pieces := array[encoder.unknown_token_id];
                place := length(word.spelling) + 1;
            end if;
            while place <= length(word.spelling) loop
                select known.token_id, asked.size
                into piece
                from generate_series(
                    1, least(encoder.longest_token, length(word.spelling) - place + 1)
                ) as asked (size)
                join ragpg.encoder_vocabulary as known
                    on known.embedding_model_id = encoder.embedding_model_id
                    and known.token = case when place > 1 then '##' else '' end
                        || substr(word.spelling, place, asked.size)
                order by asked.size desc
                limit 1;
                if not found then
                    pieces := array[encoder.unknown_token_id];
                    exit;
                end if;
                pieces := pieces || piece.token_id;
                place := place + piece.size;
            end loop;
            found_ids := found_ids || pieces;
        end loop;
        exit when cardinality(found_ids) >= wanted;
        if part_number <= cardinality(found_special) then
            found_ids := found_ids || (
                select known.token_id
                from ragpg.encoder_vocabulary as known
                where known.embedding_model_id = encoder.embedding_model_id
                    and known.token = found_special[part_number] collate "C"
            );
        end if;
    end loop;
    return case when wanted is null then found_ids else found_ids[:wanted] end;
end
$$;
comment on function ragpg_internal.tokenize(bigint, text, integer) is
'Returns the numbers of the tokens that spell a text, as the WordPiece tokenizer of a loaded encoder gives them, without those that begin and end a text; the first so many when a number is wanted.';
