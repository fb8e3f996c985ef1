-- Which words does a chunk hold? Sets lexemes and their count, whoever writes the row.
create or replace function ragpg_internal.set_chunk_lexemes() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
begin
    new.lexemes := ragpg.text_lexemes(new.context || E'\n' || new.content, new.language);
    new.lexeme_count := (
        select coalesce(sum(cardinality(word.positions)), 0)
        from unnest(ts_filter(new.lexemes, '{d}')) as word
    );
    return new;
end
$$;
comment on function ragpg_internal.set_chunk_lexemes() is
'Trigger of chunks: lexemes of context and content under the row''s language, and how many words they count.';
