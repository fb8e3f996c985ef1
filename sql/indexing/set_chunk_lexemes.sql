-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg_internal.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    select words.lexemes, words.lexeme_count
    into new.lexemes, new.lexeme_count
    from ragpg_internal.chunk_words(new.context, new.content, new.language) as words;
    return new;
end
$$;
comment on function ragpg_internal.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';
