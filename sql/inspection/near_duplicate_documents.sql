-- Which documents are nearly the same?
create or replace function ragpg.near_duplicate_documents(
    collection text default null,
    min_similarity double precision default 0.8
) returns table (
    first_document_id bigint, second_document_id bigint, first_source text, second_source text,
    similarity double precision, is_copy boolean
)
language sql stable
-- What is joined has no statistics, and nested loops over it took minutes.
set enable_nestloop = off
begin atomic
    with stored as materialized (
        select
            document.id, document.source, document.content,
            min(document.id) over (partition by document.content_hash) as first_id
        from ragpg.documents as document
        where document.collection_id = ragpg.collection_id(near_duplicate_documents.collection)
            and document.content ~ '\S'
    ),
    units as materialized (
        select
            stored.id, hashtextextended(cut.unit, 0) as unit,
            max(char_length(cut.unit)) as characters
        from stored
        cross join lateral (
            -- A sentence is the same at the end of a line, with its full stop, as before another.
            select btrim(part, E' \t.!?') as unit
            from regexp_split_to_table(stored.content, E'\n|[.!?] +|[。！？]') as part
        ) as cut
        where stored.id = stored.first_id and cut.unit <> ''
        group by stored.id, 2
    ),
    sizes as materialized (
        select units.id, sum(units.characters) as characters
        from units
        group by units.id
    ),
    placed as materialized (
        select
            units.id, units.unit, units.characters,
            count(*) over (partition by units.unit) as documents,
            first_value(units.id) over (partition by units.unit order by units.id) as first_id
        from units
    ),
    -- Documents that share a unit; of a unit of many, each with the first one only, so that a
    -- footer does not make every pair.
    pairs as materialized (
        select linked.a_id, linked.b_id
        from (
            select a.id as a_id, b.id as b_id
            from placed as a
            join placed as b on b.unit = a.unit and b.id > a.id
            where a.documents <= 20 and b.documents <= 20
            union
            select placed.first_id, placed.id
            from placed
            where placed.documents > 20 and placed.id <> placed.first_id
        ) as linked
        join sizes as a_size on a_size.id = linked.a_id
        join sizes as b_size on b_size.id = linked.b_id
        -- Two texts as similar as that are at least so similar in length.
        where least(a_size.characters, b_size.characters)
            >= near_duplicate_documents.min_similarity
            * greatest(a_size.characters, b_size.characters)
    ),
    -- On its own, so that units are not joined with all that have the same first.
    of_first as materialized (
        select pairs.a_id, pairs.b_id, units.unit, units.characters
        from pairs
        join units on units.id = pairs.a_id
    ),
    shared as materialized (
        select
            of_first.a_id, of_first.b_id,
            sum(of_first.characters)::double precision as characters
        from of_first
        join units on units.id = of_first.b_id and units.unit = of_first.unit
        group by of_first.a_id, of_first.b_id
    ),
    measured as (
        select
            shared.a_id, shared.b_id,
            shared.characters / (a_size.characters + b_size.characters - shared.characters)
                as similarity
        from shared
        join sizes as a_size on a_size.id = shared.a_id
        join sizes as b_size on b_size.id = shared.b_id
    )
    select found.a_id, found.b_id, a.source, b.source, found.similarity, found.is_copy
    from (
        select measured.a_id, measured.b_id, measured.similarity, false as is_copy
        from measured
        where measured.similarity >= near_duplicate_documents.min_similarity
        union all
        select stored.first_id, stored.id, 1, true
        from stored
        where stored.first_id <> stored.id
    ) as found
    join stored as a on a.id = found.a_id
    join stored as b on b.id = found.b_id
    order by found.similarity desc, found.a_id, found.b_id;
end;
comment on function ragpg.near_duplicate_documents(text, double precision) is
'Returns pairs of documents of a collection that are nearly the same: the characters of the lines and sentences they share, of all those of both (weighted Jaccard). A copy to the character (is_copy) is paired with the first one only; so are documents whose every shared line stands in more than 20 documents.';
