-- Roughly where does a question lie among the embeddings, in a millisecond?
create or replace function ragpg.embed_query_static(query text, index_id bigint)
returns vector
language plpgsql stable parallel safe
set search_path = ragpg, public, extensions, pg_temp
as $$
declare
    model_id bigint;
    fitted_bias vector;
begin
    if query is null then
        return null;
    end if;
    select recipe.embedding_model_id, fitted.bias into model_id, fitted_bias
    from ragpg.static_encoders as fitted
    join ragpg.search_indexes as recipe on recipe.id = fitted.index_id
    where fitted.index_id = embed_query_static.index_id;
    if not found then
        raise exception 'search index % has no static encoder', index_id
            using errcode = 'RG009', hint = 'fit one: ragpg model fit-static';
    end if;
    if not exists (
        select from ragpg.encoders as encoder where encoder.embedding_model_id = model_id
    ) then
        raise exception 'the static encoder of search index % needs its model''s vocabulary', index_id
            using errcode = 'RG009', hint = 'load the model: ragpg model load';
    end if;
    return (
        select l2_normalize(sum(part.embedding))
        from (
            select fitted_bias as embedding
            union all
            select token.embedding::vector
            from unnest(ragpg.query_tokens(model_id, query)) as asked (token_id)
            join ragpg.static_token_embeddings as token
                on token.index_id = embed_query_static.index_id
                and token.token_id = asked.token_id
        ) as part
    );
end
$$;
comment on function ragpg.embed_query_static(text, bigint) is
'Returns roughly the embedding, of length 1, that a search index''s model would give a question: the normalised sum of the vectors fitted for its tokens. How roughly says the view static_encoder_status.';
