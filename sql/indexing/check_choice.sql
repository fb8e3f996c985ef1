-- Does this choose documents, or all that there are?
create or replace function ragpg_internal.check_choice(filter jsonpath, sources text[])
returns void
language plpgsql stable
set search_path = ragpg, pg_temp
as $$
begin
    if filter is null and sources is null then
        raise exception 'nothing says which documents' using errcode = 'RG005',
            hint = 'give a filter over their metadata, such as $.tier == "pro", or their sources';
    end if;
    perform ragpg_internal.check_filter(filter);
end
$$;
comment on function ragpg_internal.check_choice(jsonpath, text[]) is
'Raises RG005 when neither a filter nor sources are given, RG004 when the filter is no predicate.';
