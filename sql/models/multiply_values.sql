-- Which values do the tokens offer to attention?
create or replace function ragpg_internal.multiply_values(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    batch vector[];
begin
    -- Eight tokens at a time, each in a variable: a row is read once for all of them, and no
    -- operation but the product is left for a pair. The last batch may hold nulls.
    for begun in 1..cardinality(inputs) by 8 loop
        input_1 := inputs[begun];
        input_2 := inputs[begun + 1];
        input_3 := inputs[begun + 2];
        input_4 := inputs[begun + 3];
        input_5 := inputs[begun + 4];
        input_6 := inputs[begun + 5];
        input_7 := inputs[begun + 6];
        input_8 := inputs[begun + 7];
        select
            array_agg(
                (array[
                    listed.weights <#> input_1,
                    listed.weights <#> input_2,
                    listed.weights <#> input_3,
                    listed.weights <#> input_4,
                    listed.weights <#> input_5,
                    listed.weights <#> input_6,
                    listed.weights <#> input_7,
                    listed.weights <#> input_8
                ])[:cardinality(inputs) - begun + 1]::vector
            )
        into batch
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = 2
            order by stored.place
            offset 0
        ) as listed;
        if begun = 1 then
            outputs := batch;
        else
            outputs := array(
                select listed.earlier || listed.added
                from unnest(outputs, batch) with ordinality as listed (earlier, added, place)
                order by listed.place
            );
        end if;
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_values(bigint, integer, vector[]) is
'Returns the values of attention, the other way round than ragpg_internal.multiply_weights: one vector over the tokens for each row of the matrix, ready for products with the shares of the tokens.';
