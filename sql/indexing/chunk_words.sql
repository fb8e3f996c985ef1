-- Which words does a chunk hold, and how many, where no trigger can tell?
create or replace function ragpg_internal.chunk_words(
    context text, content text, language text, out lexemes tsvector, out lexeme_count integer
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    lexemes := ragpg.text_lexemes(context || E'\n' || content, language);
    lexeme_count := (
        select count(*)
        from unnest(lexemes) as word
        cross join lateral unnest(word.weights) as label
        where label = 'D'
    );
end
$$;
comment on function ragpg_internal.chunk_words(text, text, text) is
'Returns what ragpg_internal.set_chunk_lexemes sets, for those who write chunks of a distributed table, which has no triggers.';
