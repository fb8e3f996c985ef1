-- Are the chunks spread over several servers?
create or replace function ragpg_internal.is_distributed() returns boolean
language sql immutable parallel safe
-- Inlined and folded, so that one server pays nothing for asking.
return false;
comment on function ragpg_internal.is_distributed() is
'Returns whether ragpg.chunks is distributed by Citus: false until ragpg.distribute makes it say true.';
