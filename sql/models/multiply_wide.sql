-- What does the wide layer of a model make of the vectors of the tokens?
create or replace function ragpg_internal.multiply_wide(
    encoder_id bigint, layer_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
    one constant vector := '[1]';  -- multiplies the bias of the next matrix
    outputs vector[] := '{}';
    input_1 vector; input_2 vector; input_3 vector; input_4 vector;
    input_5 vector; input_6 vector; input_7 vector; input_8 vector;
    output_1 vector; output_2 vector; output_3 vector; output_4 vector;
    output_5 vector; output_6 vector; output_7 vector; output_8 vector;
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
        -- GELU, exactly: x / 2 * (1 + erf(x / sqrt(2))); the constants are in the weights.
        select
            (
                array_agg(p.of_1 * (1 + erf(p.of_1))) filter (where input_1 is not null)
            )::vector || one,
            (
                array_agg(p.of_2 * (1 + erf(p.of_2))) filter (where input_2 is not null)
            )::vector || one,
            (
                array_agg(p.of_3 * (1 + erf(p.of_3))) filter (where input_3 is not null)
            )::vector || one,
            (
                array_agg(p.of_4 * (1 + erf(p.of_4))) filter (where input_4 is not null)
            )::vector || one,
            (
                array_agg(p.of_5 * (1 + erf(p.of_5))) filter (where input_5 is not null)
            )::vector || one,
            (
                array_agg(p.of_6 * (1 + erf(p.of_6))) filter (where input_6 is not null)
            )::vector || one,
            (
                array_agg(p.of_7 * (1 + erf(p.of_7))) filter (where input_7 is not null)
            )::vector || one,
            (
                array_agg(p.of_8 * (1 + erf(p.of_8))) filter (where input_8 is not null)
            )::vector || one
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select
                listed.weights <#> input_1 as of_1,
                listed.weights <#> input_2 as of_2,
                listed.weights <#> input_3 as of_3,
                listed.weights <#> input_4 as of_4,
                listed.weights <#> input_5 as of_5,
                listed.weights <#> input_6 as of_6,
                listed.weights <#> input_7 as of_7,
                listed.weights <#> input_8 as of_8
            from (
                select stored.weights
                from ragpg.encoder_weights as stored
                where stored.embedding_model_id = encoder_id
                    and stored.layer = layer_number
                    and stored.matrix = 4
                order by stored.place
                offset 0
            ) as listed
            offset 0
        ) as p;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_wide(bigint, integer, vector[]) is
'Returns what the first half of a layer''s feed-forward network makes of each vector, with GELU, and a 1 at the end for the next bias.';
