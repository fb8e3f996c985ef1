-- What does a loaded model read when it is asked a question?
create or replace function ragpg_internal.query_tokens(encoder_id bigint, query text)
returns integer[]
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    encoder ragpg.encoders;
    spelled integer[];
begin
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = query_tokens.encoder_id;
    spelled := ragpg_internal.tokenize(
        encoder_id, encoder.query_prefix || query, encoder.max_query_tokens - 1
    );
    if cardinality(spelled) > encoder.max_query_tokens - 2 then
        raise notice 'the query is cut to % tokens', encoder.max_query_tokens;
        spelled := spelled[:encoder.max_query_tokens - 2];
    end if;
    return encoder.first_token_id || spelled || encoder.last_token_id;
end
$$;
comment on function ragpg_internal.query_tokens(bigint, text) is
'Returns the tokens a loaded encoder reads for a question: its query prefix and the tokens that begin and end a text added, cut to its limit with a notice.';
