-- Which embedding does a BERT model give a row of tokens?
create or replace function ragpg_internal.encode(encoder_id bigint, token_ids integer[])
returns vector
language plpgsql stable parallel safe
set search_path = ragpg_internal, ragpg, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    encoder ragpg.encoders;
    norm ragpg.encoder_layers;
    count_of_tokens integer := cardinality(token_ids);
    size integer;  -- width of a head
    states vector[];  -- of each token, with a 1 at the end that multiplies the bias
    asked vector[];  -- queries and keys of each token
    keys vector[];  -- keys of each head, token by token
    held vector[];  -- values: one vector over the tokens for each number of the width
    mixed vector[];
    ones vector;
    token_ones vector;
    tail vector;  -- puts LayerNorm's epsilon under the root
    one constant vector := '[1]';
begin
    if current_setting('server_version_num')::integer < 160000 then
        raise exception 'computing embeddings in the database needs Postgres 16 or newer'
            using errcode = 'RG009', hint = 'pass a query embedding';
    end if;
    select stored.* into encoder
    from ragpg.encoders as stored
    where stored.embedding_model_id = encode.encoder_id;
    if not found then
        raise exception 'embedding model % is not loaded into the database', encoder_id
            using errcode = 'RG009', hint = 'load it: ragpg model load';
    end if;
    size := encoder.width / encoder.heads;
    ones := array_fill(1::real, array[encoder.width])::vector;
    token_ones := array_fill(1::real, array[count_of_tokens])::vector;
    tail := array[sqrt(encoder.layer_norm_epsilon * encoder.width)]::vector;
    -- LayerNorm: off with the mean, to length 1; the gain brings back the root of the width.
    select
        array_agg(
            l2_normalize(
                entered.state - array_fill(
                    (-(entered.state <#> ones) / encoder.width)::real, array[encoder.width]
                )::vector || tail
            ) * entered.output_gain + entered.output_shift
            order by entered.place
        )
    into states
    from (
        select
            listed.place,
            token.embedding::vector + position.embedding as state,
            layer.output_gain,
            layer.output_shift
        from unnest(token_ids) with ordinality as listed (token_id, place)
        join ragpg.encoder_embeddings as token
            on token.embedding_model_id = encoder_id and token.token_id = listed.token_id
        join ragpg.encoder_positions as position
            on position.embedding_model_id = encoder_id
            and position.token_position = listed.place::integer
        join ragpg.encoder_layers as layer
            on layer.embedding_model_id = encoder_id and layer.layer = 0
        offset 0
    ) as entered;
    if cardinality(states) is distinct from count_of_tokens then
        raise exception 'a token or its place is unknown to embedding model %', encoder_id
            using errcode = 'RG009';
    end if;
    for layer_number in 1..encoder.layers loop
        select stored.* into norm
        from ragpg.encoder_layers as stored
        where stored.embedding_model_id = encoder_id and stored.layer = layer_number;
        -- Attention: each head of each token mixes the values of all tokens, in shares of the
        -- exponentials of its query's products with their keys.
        asked := ragpg_internal.multiply_weights(encoder_id, layer_number, 1, states);
        held := ragpg_internal.multiply_values(encoder_id, layer_number, states);
        select array_agg(
            subvector(listed.state, encoder.width + head * size + 1, size)
            order by head, listed.place
        )
        into keys
        from unnest(asked) with ordinality as listed (state, place)
        cross join generate_series(0, encoder.heads - 1) as head;
        select array_agg(array(select unnest(by_token.by_head))::vector || one order by place)
        into mixed
        from (
            select
                share.place,
                array_agg(
                    array(
                        select (share.shares <#> value) / (share.shares <#> token_ones)
                        from unnest(share.head_values) as value
                    )
                    order by share.head
                ) as by_head
            from (
                select
                    query.place,
                    query.head,
                    query.head_values,
                    -- The exponential must fit a real: where the product could be large, the
                    -- largest is taken off first.
                    case when vector_norm(query.state) * query.longest < 60 then array(
                        select exp(query.state <#> key)
                        from unnest(query.head_keys) as key
                    )::vector else array(
                        select exp(greatest(product - max(product) over (), -80))
                        from (
                            select key_place, query.state <#> key as product
                            from unnest(query.head_keys) with ordinality as listed (key, key_place)
                        ) as scored
                        order by key_place
                    )::vector end as shares
                from (
                    select
                        listed.place,
                        of_head.*,
                        subvector(listed.state, of_head.head * size + 1, size) as state
                    from (
                        select
                            one_head.*,
                            (
                                select max(vector_norm(key)) from unnest(one_head.head_keys) as key
                            ) as longest
                        from (
                            select
                                head,
                                keys[head * count_of_tokens + 1:(head + 1) * count_of_tokens]
                                    as head_keys,
                                held[head * size + 1:(head + 1) * size] as head_values
                            from generate_series(0, encoder.heads - 1) as head
                            offset 0
                        ) as one_head
                        offset 0
                    ) as of_head
                    cross join unnest(asked) with ordinality as listed (state, place)
                    offset 0
                ) as query
                offset 0
            ) as share
            group by share.place
        ) as by_token;
        mixed := ragpg_internal.multiply_weights(encoder_id, layer_number, 3, mixed);
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.attention_gain + norm.attention_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
        -- Feed-forward: into the wide layer, GELU, and out of it.
        mixed := ragpg_internal.multiply_weights(
            encoder_id, layer_number, 5,
            ragpg_internal.multiply_wide(encoder_id, layer_number, states)
        );
        select
            array_agg(
                l2_normalize(
                    added.state - array_fill(
                        (-(added.state <#> ones) / encoder.width)::real, array[encoder.width]
                    )::vector || tail
                ) * norm.output_gain + norm.output_shift
                order by added.place
            )
        into states
        from (
            select listed.place, subvector(listed.state, 1, encoder.width) + change as state
            from unnest(states, mixed) with ordinality as listed (state, change, place)
            offset 0
        ) as added;
    end loop;
    if encoder.pooling = 'cls' then
        return l2_normalize(subvector(states[1], 1, encoder.width));
    end if;
    return (
        select l2_normalize(subvector(sum(state), 1, encoder.width)) from unnest(states) as state
    );
end
$$;
comment on function ragpg_internal.encode(bigint, integer[]) is
'Returns the embedding, of length 1, that a loaded encoder gives tokens: BERT''s forward pass (Devlin et al. 2018) with the products of pgvector.';
