-- One word as a text-search query; quoted, so that no character of it is an operator.
create or replace function ragpg_internal.lexeme_query(lexeme text) returns tsquery
language sql immutable strict parallel safe
return ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery;
comment on function ragpg_internal.lexeme_query(text) is
'Returns the tsquery that matches exactly this lexeme. Queries are joined from these: text of users never reaches to_tsquery.';
