-- Is a filter a question that has an answer?
create or replace function ragpg_internal.check_filter(filter jsonpath) returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    perform jsonb_path_match_tz('{}', filter);
exception
    when others then
        raise exception 'the filter % is not a predicate: %', filter, sqlerrm
            using errcode = 'RG004',
                hint = 'compare something, such as $.tier == "pro" && $.year >= 2024';
end
$$;
comment on function ragpg_internal.check_filter(jsonpath) is
'Raises RG004 unless the filter is a jsonpath predicate (something that is true or false of a document''s metadata).';
