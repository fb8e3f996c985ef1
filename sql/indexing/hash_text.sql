-- Is this the same text? SHA-256 of its UTF-8 bytes.
-- Declared immutable though convert_to() is stable: its result changes only with the definition
-- of an encoding conversion, and generated columns need it.
create or replace function ragpg_internal.hash_text(content text) returns bytea
language sql immutable strict parallel safe
return sha256(convert_to(content, 'UTF8'));
comment on function ragpg_internal.hash_text(text) is 'Returns the SHA-256 of a text''s UTF-8 bytes.';
