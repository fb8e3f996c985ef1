-- Was this question embedded before?
create or replace function ragpg_internal.remembered_query(
    encoder_id bigint, query text, tenant text
) returns vector
language sql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
    select known.embedding
    from ragpg.encoders as encoder
    join ragpg.query_embeddings as known
        on known.embedding_model_id = encoder.embedding_model_id
        -- What other weights made does not count, whenever it was stored.
        and known.weights_loaded_at = encoder.loaded_at
    where encoder.embedding_model_id = remembered_query.encoder_id
        and encoder.cached_queries > 0
        and known.query_hash = ragpg_internal.hash_text(remembered_query.query)
        -- Whether somebody else asked it would show in how fast the answer comes.
        and known.tenant = remembered_query.tenant
    limit 1
$$;
comment on function ragpg_internal.remembered_query(bigint, text, text) is
'Returns the embedding that a loaded encoder gave a question earlier, null when it is not in ragpg.query_embeddings.';
