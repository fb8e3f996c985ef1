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
