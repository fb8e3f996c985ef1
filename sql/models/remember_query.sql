-- What is the embedding of a new question? The next one to ask it finds it stored.
create or replace function ragpg_internal.remember_query(
    encoder_id bigint, query text, proof uuid default ragpg_internal.proof()
) returns vector
language plpgsql volatile
-- Security definer: roles that may only read fill the cache, too. It computes what it stores, so
-- that nobody can store another vector under a question.
security definer
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    for_tenant constant text := ragpg_internal.proven_writer(proof);
    -- Perhaps stored by the statement that asks, whose own snapshot does not show it.
    computed vector := ragpg_internal.remembered_query(encoder_id, query, for_tenant);
    -- Read before the weights: a vector of weights loaded in between is never looked up.
    loaded_at timestamptz := (
        select encoder.loaded_at
        from ragpg.encoders as encoder
        where encoder.embedding_model_id = remember_query.encoder_id
    );
    stored_id bigint;
    first_over bigint;
    check_every constant integer := 128;
begin
    if computed is not null then
        return computed;
    end if;
    computed := ragpg_internal.encode(encoder_id, ragpg_internal.query_tokens(encoder_id, query));
    -- Nothing here waits for another session: no unique index (two sessions that ask the same new
    -- question both store it), and the row the foreign key locks is skipped when it is taken.
    insert into ragpg.query_embeddings (
        embedding_model_id, query_hash, embedding, weights_loaded_at, tenant
    )
    select model.id, ragpg_internal.hash_text(remember_query.query), computed, loaded_at,
        for_tenant
    from ragpg.embedding_models as model
    where model.id = remember_query.encoder_id
    for key share skip locked
    returning id into stored_id;
    if stored_id % check_every = 0 then
        -- Two statements: in one the offset may be counted again for every row.
        select newest.id into first_over
        from ragpg.query_embeddings as newest
        where newest.embedding_model_id = remember_query.encoder_id
        order by newest.id desc
        offset (
            select encoder.cached_queries
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = remember_query.encoder_id
        )
        limit 1;
        delete from ragpg.query_embeddings as gone
        where gone.id in (
            select old.id
            from ragpg.query_embeddings as old
            where old.embedding_model_id = remember_query.encoder_id and old.id <= first_over
            for update skip locked
        );
    end if;
    return computed;
end
$$;
revoke execute on function ragpg_internal.remember_query(bigint, text, uuid) from public;
comment on function ragpg_internal.remember_query(bigint, text, uuid) is
'Returns the embedding a loaded encoder gives a question and stores it in ragpg.query_embeddings; with every 128th one, those beyond encoders.cached_queries go, oldest first. Called by ragpg.embed_query.';
