-- Is it the source code of a program?
create or replace function ragpg_internal.is_code(media_type text) returns boolean
language sql immutable strict parallel safe
return media_type ~ '^text/(x-(?!rst)|javascript$)';
comment on function ragpg_internal.is_code(text) is
'Returns whether documents of a media type are source code, which is no text of a language.';
