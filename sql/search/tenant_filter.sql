-- A filter on one tenant's metadata alone, whatever plan it is asked by.
create or replace function ragpg_internal.tenant_filter(filter jsonpath, tenant text)
returns jsonpath
language sql immutable parallel safe
-- Each $ outside quotes gets the tenant's name behind it; a jsonpath writes itself with all keys
-- and strings in double quotes.
return (
    select string_agg(
        case token.part[1] when '$' then '$.' || to_json(tenant) else token.part[1] end,
        '' order by token.place
    )::jsonpath
    from regexp_matches(filter::text, '"(?:[^"\\]|\\.)*"|[^"$]+|\$', 'g')
        with ordinality as token (part, place)
);
comment on function ragpg_internal.tenant_filter(jsonpath, text) is
'Returns the filter that asks of {"tenant": metadata} what the given one asks of metadata. Other tenants'' rows have nothing under that name: no error, no match and no entry of the index documents_tenant_metadata_gin comes from them.';
