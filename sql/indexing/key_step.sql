-- How is one key written in a path of keys?
create or replace function ragpg_internal.key_step(key text) returns text
language sql immutable strict parallel safe
return case when key ~ '[."]' or key = '' then to_json(key)::text else key end;
comment on function ragpg_internal.key_step(text) is
'Returns a key as it stands in a path of keys (ragpg.document_values.key), between dots: in double quotes where it has a dot or a quote itself.';
