-- The largest threshold that still keeps a share of the answerable questions.
create or replace function ragpg_internal.similarity_to_keep(
    similarities double precision[], answerable boolean[], keep double precision
) returns double precision
language sql immutable parallel safe
begin atomic
    select greatest(
        coalesce(
            (array_agg(given.similarity order by given.similarity))[
                least(floor(count(*) * (1 - keep) + 1e-9) + 1, count(*))::integer
            ],
            0
        ),
        0
    )
    from unnest(similarities, answerable) as given (similarity, is_answerable)
    where given.is_answerable;
end;
comment on function ragpg_internal.similarity_to_keep(double precision[], boolean[], double precision) is
'Returns the largest similarity (or relevance) that at least the share keep of the answerable questions reach, and at least 0.';
