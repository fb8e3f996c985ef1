-- Which documents may a filter let through, by the values that are kept of them?
create or replace function ragpg_internal.listed_documents(
    collection_id bigint,
    tenants text[],
    condition text,
    most integer,
    out document_ids bigint[],
    out is_exact boolean
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Planned once in a session: an index that is empty then will not be.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    joined record;
    part text;
    asked record;
    listed record;
    within text;
    found_ids bigint[];
    has_lists boolean;
    -- A text behind all that are kept.
    beyond constant text := repeat(U&'\+10FFFF', 101);
begin
    joined := ragpg_internal.filter_parts(condition);
    if joined.operator = ' || ' then
        document_ids := '{}';
        is_exact := true;
        foreach part in array joined.parts loop
            listed := ragpg_internal.listed_documents(
                listed_documents.collection_id, tenants, part, most
            );
            document_ids := document_ids || listed.document_ids;
            if listed.document_ids is null or cardinality(document_ids) > most then
                document_ids := null;
                return;
            end if;
            is_exact := is_exact and listed.is_exact;
        end loop;
        document_ids := array(select distinct id from unnest(document_ids) as id);
        return;
    end if;
    -- Of conditions that all must hold the one that lists least is enough; both bounds of a key are
    -- one condition. What is equal is asked first: it is likely to list less.
    for asked in
        select
            one.kind, one.key, one.is_exact, one.is_both,
            coalesce(one.least, '-Infinity') - one.leeway as low_number,
            coalesce(one.greatest, 'Infinity') + one.leeway as high_number,
            coalesce(one.first, '') as low_word,
            coalesce(one.last, beyond) as high_word,
            case when one.is_open and one.kind <> 't' then coalesce(one.least, one.greatest) end
                as other_number,
            case when one.is_open then coalesce(one.first, one.last) end as other_word
        from (
            select
                said.kind, said.key, bool_and(said.is_exact) as is_exact,
                count(*) > 1 as is_both, bool_or(said.sign = '==') as is_equal,
                count(*) = 1 and min(said.sign) in ('<', '>') as is_open,
                case said.kind when 't' then 604800 else 0 end as leeway,
                max(said.number) filter (where said.sign not like '<%') as least,
                min(said.number) filter (where said.sign not like '>%') as greatest,
                max(said.word collate "C") filter (where said.sign not like '<%') as first,
                min(
                    case said.sign when 'starts with' then said.word || beyond else said.word end
                    collate "C"
                ) filter (where said.sign not like '>%') as last
            from unnest(joined.parts) as part
            cross join lateral ragpg_internal.filter_condition(part) as said
            where said.kind is not null
            group by said.kind, said.key
        ) as one
        order by one.is_equal desc, one.is_both desc, one.key
    loop
        -- Of a list one value may keep the one bound, another the other.
        if asked.kind in ('s', 'l') then
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= asked.high_word
                        and one.word is distinct from asked.other_word
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.word >= asked.low_word
                        and one.word <= case when asked.is_both then beyond else asked.high_word end
                        and one.word is distinct from asked.other_word
                )
                limit most + 1
            ) as found;
        else
            select coalesce(array_agg(found.document_id), '{}'), bool_or(found.is_of_list)
            into found_ids, has_lists
            from (
                (
                    select one.document_id, false as is_of_list
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = asked.kind
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= asked.high_number
                        and one.number is distinct from asked.other_number
                )
                union all
                (
                    select one.document_id, true
                    from ragpg.document_values as one
                    where one.collection_id = listed_documents.collection_id
                        and one.key = asked.key
                        and one.kind = upper(asked.kind::text)::"char"
                        and one.tenant = any(tenants)
                        and one.number >= asked.low_number
                        and one.number <= case
                            when asked.is_both then 'Infinity' else asked.high_number end
                        and one.number is distinct from asked.other_number
                )
                limit most + 1
            ) as found;
        end if;
        if cardinality(found_ids) <= most then
            document_ids := case
                when has_lists then array(select distinct id from unnest(found_ids) as id)
                else found_ids
            end;
            is_exact := cardinality(joined.parts) = 1 and asked.is_exact;
            most := cardinality(document_ids) - 1;
            exit when most < 200;
        end if;
    end loop;
    foreach part in array joined.parts loop
        exit when most < 200 or cardinality(joined.parts) = 1 and is_exact;
        within := coalesce(
            ragpg_internal.filter_of_each(part),
            case when (ragpg_internal.filter_parts(part)).operator is not null then part end
        );
        continue when within is null;
        listed := ragpg_internal.listed_documents(
            listed_documents.collection_id, tenants, within, most
        );
        if listed.document_ids is not null then
            document_ids := listed.document_ids;
            is_exact := false;
            most := cardinality(document_ids) - 1;
        end if;
    end loop;
end
$$;
comment on function ragpg_internal.listed_documents(bigint, text[], text, integer) is
'Returns the documents of a collection and some tenants whose kept values (ragpg.document_values) a condition of a filter lets through, and whether they are exactly those that it does: else it may be some of them. Null where the values cannot tell, or where they are more than the most wanted.';
