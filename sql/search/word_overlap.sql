-- How many of their words do two texts share?
create or replace function ragpg_internal.word_overlap(first_text text, second_text text)
returns double precision
language sql immutable strict parallel safe
begin atomic
    select count(*) filter (where counted.sides = 2)::double precision / greatest(count(*), 1)
    from (
        select count(*) as sides
        from (
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', first_text))) as word
            union all
            select unnest(tsvector_to_array(to_tsvector('pg_catalog.simple', second_text)))
        ) as both_sides
        group by both_sides.word
    ) as counted;
end;
comment on function ragpg_internal.word_overlap(text, text) is
'Returns the share of the different words of two texts that stand in both (Jaccard), from 0 to 1.';
