-- 0005: what filters compare is kept as rows with B-trees, so that ranges are found as quickly as
-- what is equal.

drop function ragpg_internal.matching_documents(bigint, jsonpath, uuid);
drop function ragpg_internal.similarity_spread(halfvec[], halfvec);
drop function ragpg_internal.tenant_filter(jsonpath, text);
drop index if exists ragpg.documents_metadata_gin;
drop index if exists ragpg.documents_tenant_metadata_gin;

create table ragpg.document_values (
    document_id bigint not null,
    collection_id bigint not null,
    kind "char" not null,
    tenant text not null,
    key text collate "C" not null,
    number numeric,
    word text collate "C",
    constraint document_values_kind_is_known check (
        kind in ('n', 'N', 's', 'S', 't', 'T', 'l', 'L', 'x')
    ),
    constraint document_values_is_a_number_or_a_word check (num_nonnulls(number, word) = 1)
);
comment on table ragpg.document_values is
'What documents'' metadata hold, a row for each value: filters find documents here. Kept by a trigger of documents, written by nothing else.';
comment on column ragpg.document_values.document_id is 'The document.';
comment on column ragpg.document_values.collection_id is 'Its collection.';
comment on column ragpg.document_values.kind is
'n: a number, s: a text, t: a text that is a date, or a time with its date, l: true, false or null; a capital letter where it is in a list; x: some of the metadata''s values are not told here.';
comment on column ragpg.document_values.tenant is 'Whose it is.';
comment on column ragpg.document_values.key is
'The key, or the keys that lead to it with dots between them, such as author.name; one that has a dot or a quote itself in double quotes.';
comment on column ragpg.document_values.number is
'The number; of a time the seconds since 1970, by UTC where it says no zone.';
comment on column ragpg.document_values.word is 'The text''s first 100 characters; true, false or null.';
create policy document_values_tenant on ragpg.document_values
    using (
        (select ragpg_internal.acting_for())[tenant] is not null
        and tenant = (select ragpg.current_tenant())
    );
comment on policy document_values_tenant on ragpg.document_values is 'Rows of the session''s tenant.';

alter table ragpg.search_indexes
    alter column vector_weight drop not null,
    alter column vector_weight drop default;
-- What was the default follows the question from now on; what was tuned stays.
update ragpg.search_indexes as known set vector_weight = null where known.vector_weight = 0.55::real;
comment on column ragpg.search_indexes.vector_weight is
'Share of the vector leg in hybrid scores; the word leg has the rest. Null: it follows each question (ragpg_internal.question_weight), and is .55 with a filter.';

-- How is one key written in a path of keys?
create or replace function ragpg_internal.key_step(key text) returns text
language sql immutable strict parallel safe
return case when key ~ '[."]' or key = '' then to_json(key)::text else key end;
comment on function ragpg_internal.key_step(text) is
'Returns a key as it stands in a path of keys (ragpg.document_values.key), between dots: in double quotes where it has a dot or a quote itself.';

-- Which moment does a text name?
create or replace function ragpg_internal.instant(content text) returns numeric
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    found text;
begin
    -- Most texts are none, and none is longer. Fractions and Z are not read before Postgres 17.
    if content !~ '^\s*[-+\d]' or length(content) > 60 then
        return null;
    end if;
    found := jsonb_path_query_first(
        to_jsonb(regexp_replace(regexp_replace(content, '\.\d+', ''), 'Z$', '+00:00')),
        '$.datetime() ? (@.type() == "date" || @.type() starts with "timestamp")', silent => true
    ) #>> '{}';
    return extract(epoch from case
        when found ~ 'T.*[-+]' then found::timestamptz
        else (found || case when found ~ 'T' then 'Z' else 'T00:00:00Z' end)::timestamptz
    end);
exception
    when data_exception then
        return 'NaN';
end
$$;
comment on function ragpg_internal.instant(text) is
'Returns the seconds since 1970 of a date, or of a time with its date, as jsonpath''s datetime() reads it, by UTC where it says no zone; null for any other text; NaN for one that datetime() reads and no timestamp holds.';

-- Which values do metadata hold, by their keys?
create or replace function ragpg_internal.metadata_values(metadata jsonb)
returns table (kind "char", key text, number numeric, word text)
language sql immutable parallel safe
begin atomic
    -- An array is entered once, as jsonpath does; what is in one within another is not told.
    with recursive member (key, value, type, is_element, is_several) as (
        select ragpg_internal.key_step(held.key), held.value, jsonb_typeof(held.value), false, false
        from jsonb_each(metadata) as held
        union all
        select
            within.key, within.value, jsonb_typeof(within.value), within.is_element,
            member.is_several or within.is_element
        from member
        cross join lateral (
            select
                member.key || '.' || ragpg_internal.key_step(held.key) as key, held.value,
                false as is_element
            from jsonb_each(case member.type when 'object' then member.value end) as held
            union all
            select member.key, held.value, true
            from jsonb_array_elements(case member.type when 'array' then member.value end) as held
            where not member.is_element
        ) as within
        where member.type in ('object', 'array')
    ),
    read as (
        select distinct
            case when member.is_several then upper(one.kind) else one.kind end as kind,
            member.key, one.number, one.word,
            one.kind = 'x' or length(member.key) > 100 or one.number is not distinct from 'NaN'
                as is_untold
        from member
        cross join lateral (
            select case when length(member.value::text) > 100 then 'x' else 'n' end as kind,
                member.value::numeric as number, null as word
            where member.type = 'number'
            union all
            select 's', null, left(member.value #>> '{}', 100)
            where member.type = 'string'
            union all
            select 't', moment, null
            from ragpg_internal.instant(
                case member.type when 'string' then member.value #>> '{}' end
            ) as moment
            where moment is not null
            union all
            select 'l', null, member.value::text
            where member.type in ('boolean', 'null')
            union all
            select 'x', null, null
            where member.type = 'array' and member.is_element
        ) as one
        limit 1001
    )
    select read.kind::"char", read.key, read.number, read.word
    from read
    where not read.is_untold and (select count(*) from read) <= 1000
    union all
    select 'x', '', null, ''
    where exists (select from read where read.is_untold) or (select count(*) from read) > 1000;
end;
comment on function ragpg_internal.metadata_values(jsonb) is
'Returns the values that metadata hold, one a row, as ragpg.document_values keeps them; beside them, or instead where they are more than 1,000, one of kind x where not all can be told.';

-- The values of some documents' metadata, as they are now.
create or replace function ragpg_internal.put_document_values(document_ids bigint[]) returns void
language sql volatile
begin atomic
    delete from ragpg.document_values as known
    where known.document_id = any(put_document_values.document_ids);
    insert into ragpg.document_values (
        document_id, collection_id, tenant, kind, key, number, word
    )
    select document.id, document.collection_id, document.tenant, held.*
    from unnest(put_document_values.document_ids) as asked (id)
    join ragpg.documents as document on document.id = asked.id
    cross join lateral ragpg_internal.metadata_values(document.metadata) as held;
end;
revoke execute on function ragpg_internal.put_document_values(bigint[]) from public;
comment on function ragpg_internal.put_document_values(bigint[]) is
'Makes document_values of these documents what their metadata hold; of those that are no more, nothing. For the trigger of documents, and for an owner whom ragpg.verify told to.';

-- What filters compare follows the documents.
create or replace function ragpg_internal.keep_document_values() returns trigger
language plpgsql security definer
set search_path = ragpg, pg_temp
as $$
declare
    document_ids bigint[];
begin
    -- Each has other rows to look at, and a statement is planned with those it names.
    if tg_op = 'INSERT' then
        document_ids := array(select added.id from new_rows as added);
    elsif tg_op = 'DELETE' then
        document_ids := array(select dropped.id from old_rows as dropped);
    else
        document_ids := array(
            select later.id
            from new_rows as later
            join old_rows as earlier on earlier.id = later.id
            where (later.metadata, later.collection_id, later.tenant)
                is distinct from (earlier.metadata, earlier.collection_id, earlier.tenant)
        );
    end if;
    perform ragpg_internal.put_document_values(document_ids);
    return null;
end
$$;
revoke execute on function ragpg_internal.keep_document_values() from public;
comment on function ragpg_internal.keep_document_values() is
'Trigger of documents: their metadata''s values in document_values, once a statement. Security definer, so that nobody but it writes there.';

-- What does a filter join, by which operator?
create or replace function ragpg_internal.filter_parts(
    condition text,
    out operator text,
    out parts text[]
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    is_enclosed boolean;
begin
    -- A jsonpath writes itself with blanks around operators, keys and strings in double quotes, and
    -- parentheses where && stands within && and || within &&.
    loop
        with token as (
            select
                found.part[1] as part, found.place,
                sum(case found.part[1] when '(' then 1 when ')' then -1 else 0 end)
                    over (order by found.place) as depth
            from regexp_matches(
                condition, '"(?:[^"\\]|\\.)*"| && | \|\| |[()]|[^"()&| ]+|.', 'g'
            ) with ordinality as found (part, place)
        ),
        joined as (
            select max(token.part) as operator  -- || binds less
            from token
            where token.depth = 0 and token.part in (' && ', ' || ')
        ),
        divided as (
            select
                token.*,
                count(*) filter (where token.depth = 0 and token.part = joined.operator)
                    over (order by token.place) as number,
                token.depth = 0 and token.part = joined.operator as divides
            from token
            cross join joined
        ),
        held as (
            select divided.number, string_agg(divided.part, '' order by divided.place) as part
            from divided
            where divided.divides is not true
            group by divided.number
        )
        select
            (select joined.operator from joined),
            array(select held.part from held order by held.number),
            -- Do the first parenthesis and the last one belong together?
            (
                select
                    bool_and(token.depth > 0 or token.place = last.place)
                    and bool_or(token.depth > 0)
                from token
                cross join (select max(token.place) as place from token) as last
            ) and condition like '(%'
        into operator, parts, is_enclosed;
        exit when not coalesce(is_enclosed, false);
        condition := substr(condition, 2, length(condition) - 2);
    end loop;
    if operator is not null then
        parts := array(
            select unnest(
                case within.operator when filter_parts.operator then within.parts
                    else array[part] end
            )
            from unnest(filter_parts.parts) as part
            cross join lateral ragpg_internal.filter_parts(part) as within
        );
    end if;
end
$$;
comment on function ragpg_internal.filter_parts(text) is
'Returns the conditions that a jsonpath predicate, as Postgres writes it, joins by && or ||, and which of them; the one condition it is, without parentheses around it, where it joins none.';

-- What does a filter ask of each value of a list?
create or replace function ragpg_internal.filter_of_each(condition text) returns text
language sql immutable parallel safe
return (
    select string_agg(
        case token.part[1] when '@' then asked.part[1] else token.part[1] end, ''
        order by token.place
    )
    from regexp_match(
        condition, '^exists \((\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+)\?(\(.*\))\)$'
    ) as asked (part)
    cross join lateral regexp_matches(asked.part[2], '"(?:[^"\\]|\\.)*"|[^"@]+|@', 'g')
        with ordinality as token (part, place)
);
comment on function ragpg_internal.filter_of_each(text) is
'Returns the condition that exists ($.key ? (condition)) has of each value, asked of the key instead, which lets more through; null of anything else.';

-- Which values does a condition of a filter ask for?
create or replace function ragpg_internal.filter_condition(
    condition text,
    out kind "char",
    out key text,
    out sign text,
    out number numeric,
    out word text,
    out is_exact boolean
)
language plpgsql immutable parallel safe
set search_path = ragpg, pg_temp
as $$
declare
    path constant text := '(\$(?:\."(?:[^"\\]|\\.)*"(?:\[\*\])?)+)';
    literal constant text := '("(?:[^"\\]|\\.)*"|-?[0-9][-+.0-9e]*|true|false|null)';
    -- Without a format, or with one of those by which Python's filters read what has Z.
    moment constant text :=
        '(\.datetime\((?:"yyyy-mm-dd\\"T\\"hh24:mi:ss(?:\.us)?\\"Z\\"")?\))?';
    signs constant text := ' (==|<=?|>=?|starts with) ';
    said text[] := regexp_match(
        condition, '^' || path || moment || signs || literal || moment || '$'
    );
    turned text[];
begin
    if said is null then
        turned := regexp_match(
            condition, '^' || literal || moment || signs || path || moment || '$'
        );
        said := array[
            turned[4], turned[5], translate(turned[3], '<>', '><'), turned[1], turned[2]
        ];
    end if;
    if said[1] is null or (said[2] is null) <> (said[5] is null) then
        return;
    end if;
    key := (
        select string_agg(
            ragpg_internal.key_step(step.found[1]::jsonb #>> '{}'), '.' order by step.place
        )
        from regexp_matches(said[1], '"(?:[^"\\]|\\.)*"', 'g')
            with ordinality as step (found, place)
    );
    sign := said[3];
    is_exact := true;
    if said[5] is not null then
        kind := 't';
        number := ragpg_internal.instant(said[4]::jsonb #>> '{}');
        -- A zone that was not said may be any: Postgres takes up to a week.
        is_exact := false;
    elsif said[4] like '"%' then
        kind := 's';
        word := said[4]::jsonb #>> '{}';
        if length(word) >= 100 then
            word := left(word, 100);
            sign := case sign when '<' then '<=' when '>' then '>=' else sign end;
            is_exact := false;
        end if;
    elsif said[4] ~ '^[-0-9]' then
        kind := 'n';
        number := said[4]::numeric;
    else
        kind := 'l';
        word := said[4];
    end if;
    if length(key) > 100
        or coalesce(number = 'NaN' or length(said[4]) > 100 and kind = 'n', word is null)
        -- jsonpath orders texts by their UTF-16, which is their UTF-8's order up to there.
        or kind = 's' and sign <> '==' and word ~ '[\ue000-\U0010ffff]'
        or kind = 'l' and sign <> '=='
        or kind <> 's' and sign = 'starts with'
    then
        kind := null;
    end if;
end
$$;
comment on function ragpg_internal.filter_condition(text) is
'Returns what a comparison of a jsonpath predicate asks for, in the words of ragpg.document_values: kind, key, sign (==, <, <=, >, >=, starts with), number or word, and whether the values for which that is true are exactly those that the comparison lets through, or may be more. No kind where the values cannot tell.';

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
        exit when most < 200;
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

-- Which share of a normal distribution lies above a value?
create or replace function ragpg_internal.normal_tail(deviations double precision)
returns double precision
language sql immutable strict parallel safe
-- To 0.3 %; erfc() is there since Postgres 16 alone.
return case
    when deviations > 37 then 0
    when deviations >= 0
        then exp(-0.5 * deviations ^ 2) / (1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
    else 1 - exp(-0.5 * deviations ^ 2) / (-1.64 * deviations + sqrt(0.76 * deviations ^ 2 + 4))
end;
comment on function ragpg_internal.normal_tail(double precision) is
'Returns the share of a normal distribution that is more than so many standard deviations above its mean (to 0.3 %).';

-- How much does the vector leg count for this question?
create or replace function ragpg_internal.question_weight(stands_out double precision)
returns double precision
language sql immutable parallel safe
-- Found on ten labelled sets and two whose letters were changed for others that the model does not
-- know (docs/measured.md): from nothing at two deviations to .65 at five. 0.55 for all was the best
-- single weight.
return 0.65 * least(greatest((stands_out - 2) / 3, 0), 1);
comment on function ragpg_internal.question_weight(double precision) is
'Returns the share of the vector leg in hybrid scores, by how many standard deviations the nearest chunk is above the mean similarity of the index: a model that does not know the question''s language or matter finds all chunks alike. None where there is no chunk.';

-- How similar is a question to what there is, on the whole?
create or replace function ragpg_internal.similarity_spread(
    index_id bigint,
    tenant text,
    query_embedding halfvec,
    out mean double precision,
    out deviation double precision
)
language sql stable
begin atomic
    select
        coalesce(avg(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0),
        coalesce(
            nullif(stddev_pop(1 - (sample operator(ragpg_internal.<=>) query_embedding)), 0), 1
        )
    from ragpg.index_statistics as known
    cross join unnest(known.embedding_sample) as sample
    where known.index_id = similarity_spread.index_id and known.tenant = similarity_spread.tenant;
end;
comment on function ragpg_internal.similarity_spread(bigint, text, halfvec) is
'Returns mean and standard deviation of the cosine similarities of a question to a sample of a search index''s embeddings, or of a tenant''s in it (ragpg.index_statistics): 0 and 1 of an empty one.';

-- Is a quote really there, and on which page? Refuses one that is not the cited characters.
create or replace function ragpg_internal.check_citation_quote() returns trigger
language plpgsql
set search_path = ragpg, pg_temp
as $$
declare
    whole text;
begin
    -- Who erases the document meanwhile waits, and then finds the answer; or was first.
    perform from ragpg.documents as document where document.id = new.document_id for key share;
    perform
    from ragpg.document_versions as earlier
    where earlier.document_id = new.document_id and earlier.version = new.document_version
    for key share;
    whole := ragpg.document_text(new.document_id, new.document_version);
    if whole is null then
        raise exception 'document % has no version % (any more)',
            new.document_id, new.document_version
            using errcode = 'RG007', hint = 'it was erased or pruned meanwhile: ask again';
    end if;
    if substr(whole, new.start_char + 1, new.end_char - new.start_char) <> new.quote then
        raise exception 'the quote "%" is not what document % version % holds at characters % to %',
            left(new.quote, 60), new.document_id, new.document_version, new.start_char, new.end_char
            using errcode = 'RG006',
                hint = 'quotes must be exact; characters count from 0 and the end is not included';
    end if;
    new.page := ragpg_internal.page_at(new.document_id, new.document_version, new.start_char);
    return new;
end
$$;
comment on function ragpg_internal.check_citation_quote() is
'Trigger of citations: refuses (RG006) a quote that is not exactly the cited characters of that document version, or of a version that is not there any more (RG007), and notes its page.';

-- Keeps an answer and what it cites.
create or replace function ragpg.save_answer(
    collection text,
    question text,
    content text,
    model text,
    abstained boolean,
    grounded boolean,
    stop_reason text,
    input_tokens integer,
    output_tokens integer,
    cache_read_tokens integer,
    cache_creation_tokens integer,
    latency_ms integer,
    citations jsonb
) returns bigint
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    new_id bigint;
    of_tenant text;
begin
    insert into ragpg.answers as answer (
        collection_id, question, content, model, abstained, grounded, stop_reason, input_tokens,
        output_tokens, cache_read_tokens, cache_creation_tokens, latency_ms
    )
    values (
        ragpg.collection_id(save_answer.collection), save_answer.question, save_answer.content,
        save_answer.model, save_answer.abstained, save_answer.grounded, save_answer.stop_reason,
        save_answer.input_tokens, save_answer.output_tokens, save_answer.cache_read_tokens,
        save_answer.cache_creation_tokens, save_answer.latency_ms
    )
    returning answer.id, answer.tenant into new_id, of_tenant;
    insert into ragpg.citations (
        answer_id, ordinal, document_id, document_version, start_char, end_char, quote,
        answer_start, answer_end, tenant
    )
    select
        new_id, (cited.place - 1)::integer, said.document_id, said.document_version,
        said.start_char, said.end_char, said.quote, said.answer_start, said.answer_end,
        of_tenant
    from jsonb_array_elements(save_answer.citations) with ordinality as cited (body, place)
    cross join jsonb_to_record(cited.body) as said (
        document_id bigint, document_version integer, start_char integer, end_char integer,
        quote text, answer_start integer, answer_end integer
    );
    return new_id;
end
$$;
comment on function ragpg.save_answer(text, text, text, text, boolean, boolean, text, integer, integer, integer, integer, integer, jsonb) is
'Stores an answer with its citations (a JSON array of objects with document_id, document_version, start_char, end_char, quote, answer_start, answer_end) and returns its id. Raises RG006 when a quote is not what the document holds there, RG007 when that version was erased meanwhile.';

-- Everybody who may read sees all rows again.
create or replace function ragpg.disable_tenants() returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
begin
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, false);
    end loop;
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security invoker', leg);
        execute format('grant execute on function %s to public', leg);
    end loop;
    drop index if exists ragpg.documents_tenant_btree;
    drop index if exists ragpg.chunks_tenant_btree;
    drop index if exists ragpg.chunks_content_hash_tenant_btree;
    create index if not exists chunks_content_hash_hash on ragpg.chunks using hash (content_hash);
    comment on index ragpg.chunks_content_hash_hash is 'Serves the reuse of embeddings.';
    delete from ragpg.lexeme_statistics as known where known.tenant <> '';
    delete from ragpg.index_statistics as known where known.tenant <> '';
end
$$;
revoke execute on function ragpg.disable_tenants() from public;
comment on function ragpg.disable_tenants() is
'Takes ragpg.enable_tenants() back. Rows keep their tenant, so that it can be switched on again; until then every reader sees them all.';

-- From now on everybody sees the rows of one tenant.
create or replace function ragpg.enable_tenants(existing_tenant text default null) returns void
language plpgsql volatile
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    kept regclass;
    leg regprocedure;
    granted record;
    recipe_id bigint;
begin
    if not pg_has_role(
        current_user,
        (
            select known.relowner
            from pg_class as known
            where known.oid = 'ragpg.documents'::regclass
        ),
        'usage'
    ) then
        raise exception 'role % does not own the tables of ragpg', current_user
            using errcode = '42501', hint = 'the role that ran ragpg init does';
    end if;
    perform pg_advisory_xact_lock(hashtext('ragpg.enable_tenants'));
    -- Its policy shows it to nobody: who sees all tenants proves it by this row.
    insert into ragpg.tenant_roles (role, tenant) values ('', null)
    on conflict on constraint tenant_roles_key do nothing;
    if existing_tenant is not null then
        -- chunks and index_documents follow by their foreign keys, the rest by their parents.
        foreach kept in array array[
            'ragpg.documents', 'ragpg.document_versions', 'ragpg.answers', 'ragpg.searches',
            'ragpg.evaluation_sets', 'ragpg.finetune_jobs', 'ragpg.recall_measurements'
        ]::regclass[]
        loop
            execute format('update %s set tenant = $1 where tenant = ''''', kept)
            using existing_tenant;
        end loop;
    end if;
    create index if not exists documents_tenant_btree on ragpg.documents (tenant);
    create index if not exists chunks_tenant_btree on ragpg.chunks (tenant);
    -- By content_hash alone, explain analyze would tell whether another tenant has the same chunk.
    drop index if exists ragpg.chunks_content_hash_hash;
    create index if not exists chunks_content_hash_tenant_btree
        on ragpg.chunks (content_hash, tenant);
    comment on index ragpg.chunks_content_hash_tenant_btree is 'Serves the reuse of embeddings.';
    comment on index ragpg.documents_tenant_btree is 'Serves the documents of one tenant.';
    comment on index ragpg.chunks_tenant_btree is 'Serves exact scans of one tenant''s chunks.';
    for kept in select held.relation from ragpg_internal.protected_tables() as held loop
        perform ragpg_internal.protect_table(kept, true);
    end loop;
    -- Operators on words and on metadata are not leakproof: under a policy they would lose their
    -- indexes. So what uses them runs as the owner and compares the tenant itself.
    for leg in select own.called from ragpg_internal.tenant_legs() as own loop
        execute format('alter function %s security definer', leg);
        execute format('revoke execute on function %s from public', leg);
        for granted in
            select distinct
                case acl.grantee when 0 then 'public' else acl.grantee::regrole::text end as to_whom
            from pg_class as chunks
            cross join aclexplode(chunks.relacl) as acl
            where chunks.oid = 'ragpg.chunks'::regclass and acl.privilege_type = 'SELECT'
        loop
            execute format('grant execute on function %s to %s', leg, granted.to_whom);
        end loop;
    end loop;
    for recipe_id in select recipe.id from ragpg.search_indexes as recipe loop
        perform ragpg.refresh_search_index(recipe_id);
    end loop;
end
$$;
revoke execute on function ragpg.enable_tenants(text) from public;
comment on function ragpg.enable_tenants(text) is
'Keeps tenants apart by row-level security on every table that holds content: a session sees and writes the rows of its tenant (ragpg.set_tenant, ragpg.bind_role), without one it sees nothing. What is stored without a tenant becomes existing_tenant''s, or else is seen by the owner alone. To be run by the owner, who sees everything; again after an upgrade. ragpg.disable_tenants takes it back.';

-- Is everything stored what it claims to be?
create or replace function ragpg.verify(collection text default null)
returns table (problem text, object text, detail text, what_to_do text)
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    only_id bigint := case
        when verify.collection is not null then ragpg.collection_id(verify.collection)
    end;
    block_chars constant integer := 65536;
begin
    -- A block is cut out of a text once for all chunks that begin in it: substr() walks from the
    -- start of the text, which over a long document is quadratic.
    return query
    with block as materialized (
        select
            used.document_id, used.version, used.number,
            substr(
                ragpg.document_text(used.document_id, used.version),
                used.number * block_chars + 1, block_chars + used.longest
            ) as content
        from (
            select
                chunk.document_id, chunk.document_version as version,
                chunk.start_char / block_chars as number,
                max(chunk.end_char - chunk.start_char) as longest
            from ragpg.chunks as chunk
            join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
            where only_id is null or recipe.collection_id = only_id
            group by 1, 2, 3
        ) as used
    )
    select
        'chunk is not its span', format('chunk %s of search index %s', chunk.id, chunk.index_id),
        format('document %s version %s, characters %s to %s', chunk.document_id,
            chunk.document_version, chunk.start_char, chunk.end_char),
        'build the search index anew: ragpg index build'
    from ragpg.chunks as chunk
    join ragpg.search_indexes as recipe on recipe.id = chunk.index_id
    join block
        on block.document_id = chunk.document_id
        and block.version = chunk.document_version
        and block.number = chunk.start_char / block_chars
    where (only_id is null or recipe.collection_id = only_id)
        and substr(
            block.content,
            chunk.start_char - block.number * block_chars + 1, chunk.end_char - chunk.start_char
        ) is distinct from chunk.content;

    return query
    select
        'chunks missing or too many',
        format('document %s in search index %s', state.document_id, state.index_id),
        format('%s chunks, %s were stored', held.chunks, state.chunk_count),
        'build the search index anew: ragpg index build'
    from ragpg.index_documents as state
    join ragpg.search_indexes as recipe on recipe.id = state.index_id
    left join (
        select chunk.index_id, chunk.document_id, count(*) as chunks
        from ragpg.chunks as chunk
        group by chunk.index_id, chunk.document_id
    ) as held on held.index_id = state.index_id and held.document_id = state.document_id
    where (only_id is null or recipe.collection_id = only_id)
        and coalesce(held.chunks, 0) <> coalesce(state.chunk_count, 0);

    return query
    select
        'values of metadata missing or too many', format('document %s', document.id),
        'filters miss it, or ask it without need',
        format('select ragpg_internal.put_document_values(array[%s])', document.id)
    from ragpg.documents as document
    where (only_id is null or document.collection_id = only_id)
        and exists (
            select
            from (
                select held.kind, held.key, held.number, held.word
                from ragpg_internal.metadata_values(document.metadata) as held
            ) as held
            full join (
                select known.kind, known.key, known.number, known.word
                from ragpg.document_values as known
                where known.document_id = document.id
                    and known.collection_id = document.collection_id
                    and known.tenant = document.tenant
            ) as known
                on known.kind = held.kind
                and known.key = held.key
                and coalesce(known.number, 0) = coalesce(held.number, 0)
                and coalesce(known.word, '') = coalesce(held.word, '')
            where known.kind is null or held.kind is null
        );

    return query
    select
        case when said.content is null then 'quote without its source'
            else 'quote is not its source' end,
        format('citation %s of answer %s', cited.id, cited.answer_id),
        format('document %s version %s, characters %s to %s', cited.document_id,
            cited.document_version, cited.start_char, cited.end_char),
        case when said.content is null
            then 'the version was pruned: the quote can no longer be checked'
            else 'do not trust the answer; restore document_versions from a backup' end
    from ragpg.citations as cited
    join ragpg.answers as answer on answer.id = cited.answer_id
    cross join lateral ragpg.document_text(cited.document_id, cited.document_version)
        as said (content)
    where (only_id is null or answer.collection_id = only_id)
        and substr(said.content, cited.start_char + 1, cited.end_char - cited.start_char)
            is distinct from cited.quote;

    return query
    select
        'index is invalid', part.indexrelid::regclass::text,
        format('on %s', part.indrelid::regclass),
        format('reindex index concurrently %s', part.indexrelid::regclass)
    from pg_index as part
    join pg_class as kept on kept.oid = part.indrelid
    where kept.relnamespace = 'ragpg'::regnamespace and not part.indisvalid;

    return query
    select
        wrong.problem, format('search index %s of %s', health.index_id, health.collection),
        wrong.detail, format('select ragpg.refresh_search_index(%s, force => true)', health.index_id)
    from ragpg.index_health as health
    cross join lateral (
        select
            'vector index is missing' as problem,
            format('%s chunks are searched one by one', health.chunks) as detail
        where health.state = 'ready' and not exists (
            select
            from pg_index as part
            join pg_class as built on built.oid = part.indexrelid
            join pg_am as method on method.oid = built.relam
            where part.indrelid = to_regclass('ragpg.chunks_' || health.index_id)
                and method.amname = 'hnsw'
        )
        union all
        -- What refresh_search_index itself would count again.
        select
            'statistics are stale',
            format('counted with %s chunks at %s, now %s', coalesce(health.counted_chunks, 0),
                coalesce(health.refreshed_at::text, 'no time'), health.chunks)
        where abs(health.chunks - coalesce(health.counted_chunks, 0))
            > case when health.chunks > 20000 then health.chunks / 50 else 0 end
    ) as wrong
    where verify.collection is null or health.collection = verify.collection;

    return query
    select found.problem, found.object, found.detail, found.what_to_do
    from ragpg_internal.safety_problems() as found;
end
$$;
comment on function ragpg.verify(text) is
'Returns a row per problem, so none when all is well: a chunk that is not exactly its span of its document, chunks missing, values of metadata missing, a quote that is not its source, an invalid or missing index, stale statistics, a role or table that tenants are not kept apart by; with what to do. It reads every text.';

-- Makes a document never have been here: for privacy.
create or replace function ragpg.erase_document(collection text, source text)
returns table (documents bigint, versions bigint, answers bigint)
language plpgsql volatile
set search_path = ragpg, pg_temp
as $$
#variable_conflict use_column
declare
    parent_id bigint := ragpg.collection_id(erase_document.collection);
    ids bigint[];
    recipe_id bigint;
    owner_name constant text := ragpg_internal.written_tenant();
begin
    -- Also what was deleted under that source before: its versions are still there.
    select array_agg(known.id) into ids
    from (
        select document.id
        from ragpg.documents as document
        where document.collection_id = parent_id
            and document.tenant = owner_name
            and document.source = erase_document.source
        union
        select earlier.document_id
        from ragpg.document_versions as earlier
        where earlier.collection_id = parent_id
            and earlier.tenant = owner_name
            and earlier.source = erase_document.source
    ) as known;
    -- Who stores an answer that cites it is waited for, and its answer found.
    perform from ragpg.documents as document where document.id = any(ids) for update;
    perform from ragpg.document_versions as earlier where earlier.document_id = any(ids) for update;
    -- Answers repeat what they read, so those that cite it go as a whole.
    delete from ragpg.answers as answer
    where answer.id in (
        select cited.answer_id from ragpg.citations as cited where cited.document_id = any(ids)
    );
    get diagnostics answers = row_count;
    -- So do the questions that quote it, and the hits of past runs name it.
    delete from ragpg.evaluation_questions as question
    where question.id in (
        select label.evaluation_question_id
        from ragpg.evaluation_label_spans as label
        where label.document_id = any(ids)
        union
        select label.evaluation_question_id
        from ragpg.evaluation_labels as label
        join ragpg.evaluation_questions as asked on asked.id = label.evaluation_question_id
        join ragpg.evaluation_sets as of_set on of_set.id = asked.evaluation_set_id
        where of_set.collection_id = parent_id
            and of_set.tenant = owner_name
            and label.source = erase_document.source
    );
    delete from ragpg.evaluation_hits as hit where hit.document_id = any(ids);
    -- What a model wrote about its chunks, of all its versions.
    delete from ragpg.chunk_contexts as written
    where written.collection_id = parent_id
        and written.document_hash in (
            select document.content_hash
            from ragpg.documents as document
            where document.id = any(ids)
            union all
            select ragpg_internal.hash_text(earlier.content)
            from ragpg.document_versions as earlier
            where earlier.document_id = any(ids)
        );
    delete from ragpg.documents as document where document.id = any(ids);
    get diagnostics documents = row_count;
    delete from ragpg.document_versions as earlier where earlier.document_id = any(ids);
    get diagnostics versions = row_count;
    versions := versions - documents;  -- the delete above made the last ones
    -- Its words are in the counts, its embeddings may be in the samples.
    for recipe_id in
        select recipe.id from ragpg.search_indexes as recipe where recipe.collection_id = parent_id
    loop
        perform ragpg.refresh_search_index(recipe_id, force => true);
    end loop;
    return next;
end
$$;
comment on function ragpg.erase_document(text, text) is
'Erases a document for good: its text, chunks, the sentences a model wrote about them, all versions, every answer that cites it, every evaluation question that quotes it, and its words from the statistics; returns how many documents, earlier versions and answers went. The log of searches holds questions and no text of documents: it stays. Dead rows leave the files with the next vacuum; backups and logs of Postgres itself are not touched.';

-- Where are the question's words in this text?
create or replace function ragpg.highlight(
    content text,
    query text,
    language text default 'english',
    start_mark text default '**',
    end_mark text default '**'
) returns text
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
declare
    -- Of scripts without spaces, where text_lexemes counts pairs of letters: any two to eight
    -- letters in a row that the question has in a row.
    run constant text := '[\u0e01-\u0edf\u1000-\u108f\u1780-\u17dd\u3041-\u9fff\uac00-\ud7af]{2,}';
    rows_of_letters text;
    said constant tsvector := ragpg.text_lexemes(regexp_replace(query, run, ' ', 'g'), language);
    -- A question of stop words alone asks for these.
    spoken constant text := case when ts_filter(said, '{c,d}') = '' then 'simple' else language end;
    words constant text[] := tsvector_to_array(
        case
            when spoken = language then ts_filter(said, '{c,d}')
            else ragpg.text_lexemes(query, spoken)
        end
    );
    marked text := content;
    mark constant text := regexp_replace(start_mark, '([^[:alnum:]\s])', '\\\1', 'g');
    -- What has the marks already, as in **Markdown**, within a paragraph.
    emphasis constant text := mark || '\S(?:(?!\n\s*\n|' || mark || ').)*' || mark;
begin
    if start_mark = end_mark and start_mark <> '' and content ~ emphasis then
        return (
            select string_agg(
                case
                    when part.found[1] ~ ('^' || mark) then part.found[1]
                    else ragpg.highlight(part.found[1], query, language, start_mark, end_mark)
                end,
                '' order by part.place
            )
            from regexp_matches(
                content, emphasis || '|' || mark || '|(?:(?!' || mark || ').)+', 'g'
            ) with ordinality as part (found, place)
        );
    end if;
    -- Of a compound the parts that were asked for, or all of it where no part alone was.
    if words <> '{}' then
        with parts as materialized (
            select part.found[1] as token, part.place
            from regexp_matches(content, '\s+|\S+', 'g') with ordinality as part (found, place)
        ),
        found as materialized (
            select once.token
            from (select distinct one.token from parts as one where one.token ~ '\S') as once
            where tsvector_to_array(
                ragpg.text_lexemes(regexp_replace(once.token, run, ' ', 'g'), spoken)
            ) && words
        )
        select
            string_agg(
                case
                    when inner_parts.in_parts is null then part.token
                    when inner_parts.is_in_parts then inner_parts.in_parts
                    else regexp_replace(
                        part.token, '^([^[:alnum:]]*)(.*?[[:alnum:]][+#%]*)([^[:alnum:]]*)$',
                        '\1' || replace(start_mark, '\', '\\') || '\2'
                        || replace(end_mark, '\', '\\') || '\3'
                    )
                end,
                '' order by part.place
            )
        into marked
        from parts as part
        left join found on found.token = part.token
        left join lateral (
            select
                string_agg(
                    case
                        when one.is_found then start_mark || one.piece || end_mark
                        else one.piece
                    end,
                    '' order by one.place
                ) as in_parts,
                bool_or(one.is_found) as is_in_parts
            from (
                select
                    piece.found[1] as piece, piece.place,
                    tsvector_to_array(
                        ragpg.text_lexemes(regexp_replace(piece.found[1], run, ' ', 'g'), spoken)
                    ) && words as is_found
                from regexp_matches(found.token, '[!-/:-@[-`{-~]+|[^!-/:-@[-`{-~]+', 'g')
                    with ordinality as piece (found, place)
            ) as one
        ) as inner_parts on true;
    end if;
    select string_agg(distinct substr(part.found[1], start, length), '|') into rows_of_letters
    from regexp_matches(query, run, 'g') as part (found)
    cross join lateral generate_series(1, char_length(part.found[1]) - 1) as start
    cross join lateral generate_series(
        2, least(8, char_length(part.found[1]) - start + 1)
    ) as length;
    return case
        when rows_of_letters is null then marked
        else regexp_replace(
            marked, rows_of_letters,
            replace(start_mark, '\', '\\') || '\&' || replace(end_mark, '\', '\\'), 'g'
        )
    end;
end
$$;
comment on function ragpg.highlight(text, text, text, text, text) is
'Returns the text with the words of the query (whatever their form, within compounds too) between the marks; what stands between such marks already, as in **Markdown**, stays as it is. language is a text-search configuration, such as that of the chunk.';

-- Which documents does a filter let through?
create or replace function ragpg_internal.matching_documents(
    index_id bigint,
    filter jsonpath,
    out document_ids bigint[],
    out chunks bigint,
    only_quickly boolean default false,
    proof uuid default ragpg_internal.proof()
)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    only_tenant text := (select known.tenant from ragpg_internal.proven_tenant(proof) as known);
    tenants text[] := array[only_tenant];
    only_collection bigint;
    untold bigint[];
    is_exact boolean;
    -- So many are listed in 10 ms.
    most constant integer := case when only_quickly then 50000 else 1000000 end;
    counted constant integer := 200;
begin
    select recipe.collection_id into only_collection
    from ragpg.search_indexes as recipe
    where recipe.id = matching_documents.index_id;
    if only_tenant is null then
        -- One look at an index for each.
        tenants := array(
            with recursive met as (
                (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection
                    order by document.tenant
                    limit 1
                )
                union all
                select (
                    select document.tenant
                    from ragpg.documents as document
                    where document.collection_id = only_collection and document.tenant > met.tenant
                    order by document.tenant
                    limit 1
                )
                from met
                where met.tenant is not null
            )
            select met.tenant from met where met.tenant is not null
        );
    end if;
    select listed.document_ids, listed.is_exact into document_ids, is_exact
    from ragpg_internal.listed_documents(
        only_collection, tenants, filter::text, most
    ) as listed;
    if document_ids is not null then
        select array_agg(known.document_id) into untold
        from ragpg.document_values as known
        where known.collection_id = only_collection
            and known.key = ''
            and known.kind = 'x'
            and known.tenant = any(tenants)
            and known.word is not null;
        if untold is not null then
            document_ids := array(
                select distinct id from unnest(document_ids || untold) as id
            );
        end if;
        if untold is not null or not is_exact then
            -- Looked up one by one, and all of the tenant: a join may be planned that reads others.
            execute 'select array_agg(listed.id) from unnest($1) as listed (id)'
                ' where (select ragpg_internal.passes(document.metadata, $2)'
                '  from ragpg.documents as document where document.id = listed.id)'
            into document_ids
            using document_ids, filter;
        end if;
    elsif not only_quickly then
        -- Nothing is asked of another tenant's: an error, or the time it takes, would tell.
        execute format(
            'select array_agg(document.id) from ragpg.documents as document'
            ' where document.collection_id = $1 and case when %s'
            '  then ragpg_internal.passes(document.metadata, $2) end',
            case when only_tenant is null then 'true' else 'document.tenant = $3' end
        )
        into document_ids
        using only_collection, filter, only_tenant;
    else
        return;
    end if;
    -- Counted, or where they are many, estimated from some.
    select
        case when cardinality(document_ids) <= counted then sum(state.chunk_count)
            else sum(state.chunk_count) * cardinality(document_ids) / counted
        end::bigint
    into chunks
    from unnest(document_ids[:counted]) as listed (id)
    cross join lateral (
        select one.chunk_count
        from ragpg.index_documents as one
        where one.document_id = listed.id and one.index_id = matching_documents.index_id
        limit 1
    ) as state;
    chunks := greatest(chunks, case when cardinality(document_ids) > counted then 1 else 0 end);
end
$$;
grant execute on function
ragpg_internal.matching_documents(bigint, jsonpath, boolean, uuid)
to public;
comment on function ragpg_internal.matching_documents(bigint, jsonpath, boolean, uuid) is
'Returns the documents of a search index whose metadata match a filter, and how many chunks they have: counted up to 200 documents, else estimated from so many; no number where they were to be listed only if that is quick, and it is not. Found by ragpg.document_values where these can tell, else by asking each document. Security definer while tenants are on (ragpg_internal.tenant_legs), so that indexes are used; then only of the caller''s tenant.';

-- Which chunks answer this question best?
create or replace function ragpg.search(
    query text,
    k integer default 10,
    collection text default null,
    filter jsonpath default null,
    query_embedding halfvec default null,
    mode text default 'hybrid',
    index_id bigint default null
) returns setof ragpg.hit
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set plan_cache_mode = auto
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    all_chunks bigint;
    mean_length real;
    some_documents bigint[];  -- drawn at random
    dimensions integer;
    wanted integer;
    sampled_documents bigint[];  -- that the filter lets through
    matching_documents bigint[];  -- all of them; null where they are many: each candidate is asked
    matching_chunks bigint;
    matching_share double precision := 0;
    exactly boolean := false;  -- all chunks that pass are looked at: they are few, or far
    -- Up to so many are looked at as quickly as the index finds some (docs/measured.md).
    exact_limit constant integer := 4000;
    vector_ids bigint[];  -- best first
    similarities double precision[];
    bm25_scores double precision[];  -- of the same chunks
    words tsquery[];  -- the rarest first
    word_weights double precision[];
    word_chunks bigint;  -- that hold one of the words, at most
    word_ids bigint[];  -- best first
    word_scores double precision[];
    vector_weight double precision := 1;
    vector_mean double precision;
    vector_deviation double precision;
    word_weight double precision := 0;
    word_mean double precision := 0;
    word_deviation double precision := 1;
    least_bm25 double precision := 0;  -- with less a chunk of the word leg alone cannot be a hit
    logged boolean := false;
    hit_count integer;
    -- Looked up one by one: a join may be planned that reads all of a tenant's documents.
    drawn constant text :=
        'select array_agg(drawn.id) filter (where drawn.passes)'
        ' from (select known.id, (select ragpg_internal.passes(document.metadata, $2)'
        '   from ragpg.documents as document where document.id = known.id) as passes'
        '  from unnest($1) as known (id)) as drawn';
    counted_tenant constant text := coalesce(ragpg_internal.searched_tenant(), '');
    started constant timestamptz := clock_timestamp();
begin
    if mode not in ('hybrid', 'vector', 'keyword') or mode is null then
        raise exception 'there is no mode "%"', mode
            using errcode = 'RG005', hint = 'modes are hybrid, vector and keyword';
    end if;
    if k is null or k < 1 then
        raise exception 'k is %: there is nothing to return', k
            using errcode = 'RG005', hint = 'ask for 1 or more';
    end if;
    if query_embedding is null and coalesce(query, '') !~ '\S' then
        raise exception 'the query is blank' using errcode = 'RG005', hint = 'ask something';
    end if;
    if search.index_id is null then
        select known.* into recipe
        from ragpg.collections as one
        join ragpg.search_indexes as known on known.id = one.active_index_id
        where one.id = ragpg.collection_id(search.collection);
        if recipe.id is null then
            return;  -- a collection without a document yet
        end if;
        -- Is this one of the share that is logged? Never where it could not be written: on a
        -- standby every transaction is read-only.
        select
            one.search_log_share > random()
            and current_setting('transaction_read_only') = 'off'
            and has_function_privilege('ragpg_internal.log_search'::regproc, 'execute')
        into logged
        from ragpg.collections as one
        where one.id = recipe.collection_id;
    else
        select known.* into recipe
        from ragpg.search_indexes as known
        where known.id = search.index_id;
        if recipe.id is null then
            raise exception 'there is no search index %', search.index_id
                using errcode = 'RG010', hint = 'view index_health lists them';
        end if;
    end if;
    -- A question is enough when the database holds the model that embedded the chunks.
    if query_embedding is null and mode <> 'keyword'
        and exists (
            select
            from ragpg.encoders as encoder
            where encoder.embedding_model_id = recipe.embedding_model_id and encoder.verified
        )
    then
        query_embedding := ragpg.embed_query(search.query, recipe.embedding_model_id);
    end if;
    if query_embedding is null and mode = 'vector' then
        raise exception 'mode vector needs a query embedding'
            using errcode = 'RG005',
                hint = 'load the model with ragpg model load, pass query_embedding, or use hybrid';
    end if;
    select known.dimensions into dimensions
    from ragpg.embedding_models as known
    where known.id = recipe.embedding_model_id;
    if vector_dims(query_embedding) <> dimensions then
        raise exception 'the query embedding has % dimensions, the collection''s have %',
            vector_dims(query_embedding), dimensions
            using errcode = 'RG003', hint = 'embed the query with the model the collection was built with';
    end if;
    -- Not the whole row: its sample of embeddings is large.
    select
        known.chunk_count, known.mean_length,
        case when filter is not null then known.document_sample end
    into all_chunks, mean_length, some_documents
    from ragpg.index_statistics as known
    where known.index_id = recipe.id and known.tenant = counted_tenant;
    -- Planned once in a session from here on, not in each search: 0.4 ms instead of 0.65 were
    -- measured. (Not above: a model in the database takes half as long again.)
    perform set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Fusion needs candidates that one leg alone would place lower.
    wanted := case mode when 'hybrid' then greatest(k, recipe.candidates) else k end;

    if filter is not null then
        perform ragpg_internal.check_filter(filter);
        -- Of some documents, how many pass? Where they are many, to list them all takes longer than
        -- to ask of each candidate as it is met.
        if all_chunks > 20000 then
            execute drawn into sampled_documents using some_documents[:50], filter;
            matching_share := coalesce(cardinality(sampled_documents), 0) / 50.0;
        end if;
        if matching_share * coalesce(all_chunks, 0) <= 40000 then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter, matching_share >= 0.03)
                as found;
        end if;
        exactly := coalesce(matching_chunks <= exact_limit, false);
        -- The index finds what is near the question. Where of what passes even the nearest (two
        -- deviations above the mean of some) is farther than the nearest of all, it would go
        -- through many rows and still miss some: all that pass are looked at instead.
        if not exactly and query_embedding is not null and mode <> 'keyword' then
            select spread.mean, spread.deviation
            into vector_mean, vector_deviation
            from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
                as spread;
            if matching_documents is null then
                execute drawn into sampled_documents using some_documents, filter;
            end if;
            select coalesce(
                avg(near.similarity) + 2 * stddev_pop(near.similarity)
                < vector_mean + 1.6 * vector_deviation,
                false
            )
            into exactly
            from (
                select coalesce(matching_documents, sampled_documents) as ids
            ) as passed
            cross join generate_series(
                1, cardinality(passed.ids), greatest(cardinality(passed.ids) / 200, 1)
            ) as place
            cross join lateral (
                select 1 - (chunk.embedding <=> query_embedding) as similarity
                from ragpg.chunks as chunk
                where chunk.index_id = recipe.id and chunk.document_id = passed.ids[place]
                order by chunk.ordinal
                limit 1
            ) as near;
        end if;
        if exactly and matching_chunks is null then
            select found.document_ids, found.chunks
            into matching_documents, matching_chunks
            from ragpg_internal.matching_documents(recipe.id, filter) as found;
        end if;
        if matching_chunks = 0 then
            if logged then
                perform ragpg_internal.log_search(
                    recipe.id, search.query, search.query_embedding, search.mode, search.k, true,
                    0, null, extract(epoch from clock_timestamp() - started) * 1000
                );
            end if;
            return;
        end if;
    end if;

    if mode <> 'vector' then
        select
            array_agg(word.word order by word.place), array_agg(word.weight order by word.place),
            sum(word.chunk_count), coalesce(sum(word.mean_score), 0),
            coalesce(nullif(sqrt(sum(word.mean_square - word.mean_score ^ 2)), 0), 1)
        into words, word_weights, word_chunks, word_mean, word_deviation
        from ragpg_internal.query_words(recipe.id, search.query) as word;
        if cardinality(words) = 64 then
            raise notice 'of the question''s words the 64 that weigh most are looked for';
        end if;
    end if;
    if mode = 'keyword' or query_embedding is null then
        select array_agg(found.chunk_id), array_agg(found.score)
        into word_ids, word_scores
        from ragpg_internal.keyword_candidates(
            recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter
        ) as found;
    end if;
    if mode = 'keyword' then
        query_embedding := null;
        vector_weight := 0;
    elsif mode = 'hybrid' then
        vector_weight := recipe.vector_weight;
        if query_embedding is null then
            query_embedding := ragpg_internal.feedback_embedding(recipe.id, word_ids, word_scores);
            vector_weight := 0.5;  -- measured: near one half is best when words made the vector
            raise notice 'the database holds no model to embed the query with: searched by words'
                using hint = 'load the model with ragpg model load, or pass query_embedding';
        end if;
    end if;
    if query_embedding is not null then
        loop
            select array_agg(found.chunk_id), array_agg(found.similarity)
            into vector_ids, similarities
            from ragpg_internal.vector_candidates(
                recipe.id, query_embedding, wanted, matching_documents, matching_chunks, filter,
                exactly
            ) as found;
            -- How many of all chunks should be nearer than the last of them, if similarities are
            -- spread as the normal distribution is? Where they are more than a filter that has
            -- nothing to do with the question would make the index pass by, it has missed some.
            exit when exactly or filter is null or (
                all_chunks * ragpg_internal.normal_tail(
                    (similarities[cardinality(similarities)] - vector_mean) / vector_deviation
                ) > greatest(100, 2.5 * wanted / greatest(
                    matching_share,
                    matching_chunks / all_chunks::double precision, 0.001
                ))
            ) is not true;
            exactly := true;
            if matching_chunks is null then
                select found.document_ids, found.chunks
                into matching_documents, matching_chunks
                from ragpg_internal.matching_documents(recipe.id, filter) as found;
            end if;
        end loop;
    end if;

    -- Standard scores: how many deviations above the mean of the whole index a chunk is, in each
    -- leg. The vector leg's mean and deviation come from a sample of embeddings, the word leg's from
    -- how common each word is.
    if mode = 'hybrid' and vector_mean is null then
        select spread.mean, spread.deviation
        into vector_mean, vector_deviation
        from ragpg_internal.similarity_spread(recipe.id, counted_tenant, query_embedding)
            as spread;
    end if;
    -- Where the search index names no weight it follows the question: the less its nearest chunk
    -- stands out, the less the model knows of it. Of few chunks, that pass a filter, it tells less.
    vector_weight := coalesce(
        vector_weight,
        case
            when filter is not null then 0.55
            else ragpg_internal.question_weight((similarities[1] - vector_mean) / vector_deviation)
        end
    );
    word_weight := 1 - vector_weight;
    if mode = 'hybrid' and vector_ids is not null then
        -- setweight returns a copy in memory, so that each word's ts_rank does not read the row anew.
        execute format(
            'select array_agg(%s order by chunk.place)'
            ' from (select setweight(stored.lexemes, ''D'') as lexemes, known.place,'
            '   %s as saturation'
            '  from unnest($1) with ordinality as known (id, place)'
            '  cross join lateral ('
            '   select one.lexemes, one.lexeme_count from ragpg.chunks as one'
            '   where one.index_id = %s and one.id = known.id limit 1) as stored'
            '  offset 0) as chunk',
            ragpg_internal.bm25_expression(words, word_weights),
            ragpg_internal.bm25_saturation(mean_length), recipe.id
        )
        into bm25_scores
        using vector_ids;
        -- Fewer than wanted are all there are. Else any other chunk is at most as similar as the
        -- last of these, so that its words must make up for that to come before the k-th of these
        -- (the threshold algorithm of Fagin, Lotem and Naor 2003).
        if word_ids is null and cardinality(vector_ids) >= wanted then
            select
                word_mean + word_deviation / nullif(word_weight, 0) * (
                    vector_weight * (known.similarity - similarities[wanted]) / vector_deviation
                    + word_weight * (known.bm25 - word_mean) / word_deviation
                )
            into least_bm25
            from unnest(similarities, bm25_scores) as known (similarity, bm25)
            order by
                vector_weight * known.similarity / vector_deviation
                + word_weight * known.bm25 / word_deviation desc
            offset k - 1
            limit 1;
            select array_agg(found.chunk_id), array_agg(found.score)
            into word_ids, word_scores
            from ragpg_internal.keyword_candidates(
                recipe.id, words, word_weights, word_chunks, wanted, matching_documents, filter,
                least_bm25
            ) as found;
        end if;
    end if;

    return query
    with candidates as (
        select known.chunk_id, known.similarity, known.bm25
        from unnest(vector_ids, similarities, bm25_scores) as known (chunk_id, similarity, bm25)
        union all
        select said.chunk_id, 1 - (chunk.embedding <=> query_embedding), said.bm25
        from unnest(word_ids, word_scores) as said (chunk_id, bm25)
        cross join lateral (
            select one.embedding
            from ragpg.chunks as one
            where one.index_id = recipe.id and one.id = said.chunk_id
            limit 1
        ) as chunk
        where said.chunk_id <> all(coalesce(vector_ids, '{}'))
    ),
    best as (
        select known.*
        from (
            select
                candidate.*,
                case mode
                    when 'vector' then candidate.similarity
                    when 'keyword' then candidate.bm25
                    else
                        vector_weight * (candidate.similarity - vector_mean) / vector_deviation
                        + word_weight * (candidate.bm25 - word_mean) / word_deviation
                end as score
            from candidates as candidate
        ) as known
        order by known.score desc, known.chunk_id
        limit k
    )
    select
        (row_number() over (order by best.score desc, best.chunk_id))::integer, hit.source,
        hit.title, hit.content, best.score, best.similarity, best.bm25, hit.start_char,
        hit.end_char, hit.page, hit.context, hit.metadata, hit.document_id,
        hit.document_version, best.chunk_id
    from best
    -- Looked up one by one, as above: without statistics of the parent of all partitions, and it
    -- has none, a join may be planned that reads every chunk.
    cross join lateral (
        select chunk.*, document.source, document.title, document.metadata
        from ragpg.chunks as chunk
        join ragpg.documents as document on document.id = chunk.document_id
        where chunk.index_id = recipe.id and chunk.id = best.chunk_id
        limit 1
    ) as hit
    order by 1;
    get diagnostics hit_count = row_count;
    if hit_count = 0 and to_regclass('ragpg.chunks_' || recipe.id) is null then
        raise exception 'search index % was dropped during the search', recipe.id
            using errcode = 'RG010', hint = 'search again';
    end if;
    if logged then
        perform ragpg_internal.log_search(
            recipe.id, search.query, search.query_embedding, search.mode, search.k,
            filter is not null, hit_count, similarities[1],
            extract(epoch from clock_timestamp() - started) * 1000
        );
    end if;
end
$$;
comment on function ragpg.search(text, integer, text, jsonpath, halfvec, text, bigint) is
'Returns the k chunks that answer a query best, best first (order by place). Hybrid: cosine similarity and BM25 of each chunk as standard scores, weighted as the search index says, or else by how far the nearest chunk stands out (ragpg_internal.question_weight). Without query_embedding the database embeds the query when it holds the model (view encoder_status); else the best chunks by words stand in for it, and a query none of whose words occurs returns no row. filter is a jsonpath predicate over the documents'' metadata, such as $.tier == "pro" && $.year >= 2024. k rows come back whenever k chunks match. index_id searches another search index than the active one. A share of the searches (collections.search_log_share, 0 by default), those of a given index_id apart, is kept in ragpg.searches where the transaction may write. Raises RG001 to RG005, RG010.';

-- Which chunks are nearest in meaning?
create or replace function ragpg_internal.vector_candidates(
    index_id bigint,
    query_embedding halfvec,
    wanted integer,
    document_ids bigint[] default null,
    matching_chunks bigint default null,
    filter jsonpath default null,
    exactly boolean default false
) returns table (chunk_id bigint, similarity double precision)
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
-- Named here so that what is set below ends with the call.
set hnsw.ef_search = 100
set hnsw.iterative_scan = off
set enable_sort = on
set enable_indexscan = on
set enable_seqscan = on
as $$
#variable_conflict use_column
declare
    recipe ragpg.search_indexes;
    template constant text :=
        'select array_agg(near.id), array_agg(near.distance)'
        ' from (select chunk.id, chunk.%1$s operator(%6$s.<=>) $1 as distance'
        '  from %2$s as chunk'
        '  where chunk.index_id = %3$s%4$s'
        '  order by chunk.%1$s operator(%6$s.<=>) $1 limit %5$s) as near';
    vector_schema constant text := ragpg_internal.vector_schema();
    -- The partition itself is planned more quickly than its parent, whose policies keep tenants
    -- apart.
    table_name text := 'chunks_' || vector_candidates.index_id;
    only_passing text := case
        -- A subquery that looks one document up, and no join: the scan asks of each chunk it
        -- meets, until it has enough.
        when filter is not null then
            ' and (select ragpg_internal.passes(document.metadata, $3)'
            '  from ragpg.documents as document where document.id = chunk.document_id)'
        else ''
    end;
    only_own text := '';
    tenant_chunks bigint;
    scan text;
    ids bigint[];
    distances double precision[];
    only_tenant constant text := ragpg_internal.searched_tenant();
begin
    select known.* into strict recipe
    from ragpg.search_indexes as known
    where known.id = vector_candidates.index_id;
    if only_tenant is not null then
        -- A tenant is a filter, too: how many chunks it has was counted with its words. So few are
        -- looked at as quickly as the index finds some of them.
        only_own := ' and chunk.tenant = $4';
        tenant_chunks := coalesce(
            (
                select counted.chunk_count
                from ragpg.index_statistics as counted
                where counted.index_id = recipe.id and counted.tenant = only_tenant
            ),
            0
        );
        exactly := exactly or tenant_chunks <= 20000;
        if document_ids is null then
            matching_chunks := tenant_chunks;
        end if;
    end if;
    if only_tenant is not null
        or not coalesce(has_table_privilege(to_regclass('ragpg.' || table_name), 'select'), false)
    then
        table_name := 'chunks';
    end if;
    if not exactly then
        perform set_config(
            'hnsw.ef_search',
            -- Filtered scans that keep 200: recall@10 of .975 and more (docs/measured.md).
            least(
                greatest(recipe.ef_search, wanted, case when filter is not null then 200 end), 1000
            )::text,
            true
        );
        if only_tenant is not null then
            -- The planner takes a tenant for few rows, and would read and sort them all.
            perform set_config('enable_sort', 'off', true);
        end if;
        -- A scan that goes on until it has enough takes longer, so only where rows it meets are
        -- left out: by a condition, or, seen by what came back, because they were deleted.
        foreach scan in array case
            when only_own || only_passing = '' then '{off,strict_order}'::text[]
            else '{strict_order}' end
        loop
            perform set_config('hnsw.iterative_scan', scan, true);
            -- The index's own expression, one table, ascending: anything else loses the index.
            execute format(
                template,
                format('embedding::%s.halfvec(%s)', vector_schema, vector_dims(query_embedding)),
                'ragpg.' || table_name, recipe.id, only_own || only_passing, wanted, vector_schema
            )
            into ids, distances
            using query_embedding, document_ids, filter, only_tenant;
            exit when cardinality(ids) >= wanted;
        end loop;
    end if;
    if coalesce(cardinality(ids), 0) < least(wanted, matching_chunks) then
        -- Few match, or the scan stopped short of them: without the cast it is not the index's
        -- expression, so every matching chunk is looked at.
        perform set_config('enable_sort', 'on', true);
        if document_ids is null then
            table_name := 'ragpg.' || table_name;
        elsif only_tenant is null and cardinality(document_ids) > 4000 then
            -- Page by page of the table, in order: two thirds of the time where there are so many.
            -- In a subquery: of an array that is known the planner looks at each element.
            perform set_config('enable_indexscan', 'off', true);
            perform set_config('enable_seqscan', 'off', true);
            table_name := 'ragpg.' || table_name;
            only_passing := ' and chunk.document_id = any((select $2)::bigint[])';
        else
            -- Document by document: else a policy's index may be taken, which reads all of a
            -- tenant's chunks, and since Postgres 17 the whole index of documents is.
            table_name := format(
                'unnest($2) as listed (id) cross join lateral ('
                ' select one.* from ragpg.%s as one'
                ' where one.index_id = %s and one.document_id = listed.id offset 0)',
                table_name, recipe.id
            );
            only_passing := '';
        end if;
        execute format(
            template, 'embedding', table_name, recipe.id, only_own || only_passing, wanted,
            vector_schema
        )
        into ids, distances
        using query_embedding, document_ids, filter, only_tenant;
    end if;
    return query
    select found.id, 1 - found.distance
    from unnest(ids, distances) as found (id, distance);
exception
    when undefined_table then
        return;  -- dropped between two looks at it; search says so
end
$$;
comment on function ragpg_internal.vector_candidates(bigint, halfvec, integer, bigint[], bigint, jsonpath, boolean) is
'Returns the chunks of a search index nearest to an embedding, best first, with their cosine similarity; only of the given documents when there are any, which hold matching_chunks chunks, else only of those whose metadata the filter, if given, lets through. Exact when few match, or where asked to be; otherwise the HNSW index, and exact again should that come back with too few.';

insert into ragpg.document_values (document_id, collection_id, tenant, kind, key, number, word)
select document.id, document.collection_id, document.tenant, held.*
from ragpg.documents as document
cross join lateral ragpg_internal.metadata_values(document.metadata) as held;
create index document_values_number_btree
    on ragpg.document_values (tenant, collection_id, key, kind, number, document_id)
    where number is not null;
comment on index ragpg.document_values_number_btree is 'Serves comparisons of numbers and times.';
create index document_values_word_btree
    on ragpg.document_values (tenant, collection_id, key, kind, word, document_id)
    where word is not null;
comment on index ragpg.document_values_word_btree is 'Serves comparisons of texts.';
create index document_values_document_id_btree on ragpg.document_values (document_id);
comment on index ragpg.document_values_document_id_btree is 'Serves changes of a document.';
create trigger documents_values_are_added
    after insert on ragpg.documents referencing new table as new_rows
    for each statement execute function ragpg_internal.keep_document_values();
comment on trigger documents_values_are_added on ragpg.documents is 'Keeps document_values.';
create trigger documents_values_are_changed
    after update on ragpg.documents referencing old table as old_rows new table as new_rows
    for each statement execute function ragpg_internal.keep_document_values();
comment on trigger documents_values_are_changed on ragpg.documents is 'Keeps document_values.';
create trigger documents_values_are_dropped
    after delete on ragpg.documents referencing old table as old_rows
    for each statement execute function ragpg_internal.keep_document_values();
comment on trigger documents_values_are_dropped on ragpg.documents is 'Keeps document_values.';

-- Who reads documents reads their values.
select ragpg.grant_reader(reader.rolname::text)
from pg_class as documents
cross join aclexplode(documents.relacl) as given
join pg_roles as reader on reader.oid = given.grantee
where documents.oid = 'ragpg.documents'::regclass
    and given.privilege_type = 'SELECT'
    and given.grantee <> documents.relowner;
-- While tenants are on, row by row here as well.
select ragpg_internal.protect_table('ragpg.document_values', true)
where ragpg_internal.tenants_enabled();
