-- What does a matrix of a model make of the vectors of the tokens?
create or replace function ragpg_internal.multiply_weights(
    encoder_id bigint, layer_number integer, matrix_number integer, inputs vector[]
) returns vector[]
language plpgsql stable parallel safe
as $$
declare
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
        select
            (array_agg(listed.weights <#> input_1) filter (where input_1 is not null))::vector,
            (array_agg(listed.weights <#> input_2) filter (where input_2 is not null))::vector,
            (array_agg(listed.weights <#> input_3) filter (where input_3 is not null))::vector,
            (array_agg(listed.weights <#> input_4) filter (where input_4 is not null))::vector,
            (array_agg(listed.weights <#> input_5) filter (where input_5 is not null))::vector,
            (array_agg(listed.weights <#> input_6) filter (where input_6 is not null))::vector,
            (array_agg(listed.weights <#> input_7) filter (where input_7 is not null))::vector,
            (array_agg(listed.weights <#> input_8) filter (where input_8 is not null))::vector
        into output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        from (
            select stored.weights
            from ragpg.encoder_weights as stored
            where stored.embedding_model_id = encoder_id
                and stored.layer = layer_number
                and stored.matrix = matrix_number
            order by stored.place
            offset 0
        ) as listed;
        outputs := outputs || (array[
            output_1, output_2, output_3, output_4, output_5, output_6, output_7, output_8
        ])[:cardinality(inputs) - begun + 1];
    end loop;
    return outputs;
end
$$;
comment on function ragpg_internal.multiply_weights(bigint, integer, integer, vector[]) is
'Returns the product of a matrix of ragpg.encoder_weights with each vector.';
