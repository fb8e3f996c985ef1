-- Which words does a chunk hold, and how many?
create or replace function ragpg_internal.chunk_words(
    context text, content text, language text, out lexemes tsvector, out lexeme_count integer
)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    lexemes := ragpg.text_lexemes(context || E'\n' || content, language);
    lexeme_count := (
        select coalesce(sum(cardinality(word.positions)), 0)
        from unnest(ts_filter(lexemes, '{d}')) as word
    );
end
$$;
comment on function ragpg_internal.chunk_words(text, text, text) is
'Returns the lexemes of a chunk''s context and content, and how many words they count: for ragpg_internal.set_chunk_lexemes, and for those who write chunks of a distributed table, which has no triggers.';
