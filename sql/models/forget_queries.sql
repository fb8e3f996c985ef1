-- An encoder was loaded anew, changed or dropped: what became of its questions?
create or replace function ragpg_internal.forget_queries() returns trigger
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
begin
    delete from ragpg.query_embeddings as known
    where known.embedding_model_id = old.embedding_model_id;
    return null;
end
$$;
comment on function ragpg_internal.forget_queries() is
'Trigger: empties the cache of an encoder whose row changed or went, because its vectors may be others now.';
