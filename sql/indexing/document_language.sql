-- By which text-search configuration is this document's word search done?
create or replace function ragpg_internal.document_language(
    language text, metadata jsonb, content text
)
returns text
language plpgsql stable
set search_path = ragpg_internal, ragpg, pg_temp
as $$
declare
    said text := lower(metadata ->> 'language');
begin
    if language <> 'auto' then
        return language;
    end if;
    select iso.name into said
    from (
        values
            ('ar', 'arabic'), ('hy', 'armenian'), ('eu', 'basque'), ('ca', 'catalan'),
            ('da', 'danish'), ('nl', 'dutch'), ('en', 'english'), ('et', 'estonian'),
            ('fi', 'finnish'), ('fr', 'french'), ('de', 'german'), ('el', 'greek'),
            ('hi', 'hindi'), ('hu', 'hungarian'), ('id', 'indonesian'), ('ga', 'irish'),
            ('it', 'italian'), ('lt', 'lithuanian'), ('ne', 'nepali'), ('nb', 'norwegian'),
            ('nn', 'norwegian'), ('no', 'norwegian'), ('pl', 'polish'), ('pt', 'portuguese'),
            ('ro', 'romanian'), ('ru', 'russian'), ('sr', 'serbian'), ('es', 'spanish'),
            ('sv', 'swedish'), ('ta', 'tamil'), ('tr', 'turkish'), ('yi', 'yiddish')
    ) as iso (code, name)
    where said in (iso.code, iso.name) or said like iso.code || '-%' or said like iso.code || '\_%';
    return coalesce(
        (
            select configuration.cfgname::text
            from unnest(array[said, ragpg.text_language(content)]) with ordinality
                as candidate (name, place)
            join pg_catalog.pg_ts_config as configuration on configuration.cfgname = candidate.name
            where pg_ts_config_is_visible(configuration.oid)
            order by candidate.place
            limit 1
        ),
        'simple'
    );
end
$$;
comment on function ragpg_internal.document_language(text, jsonb, text) is
'Returns the search index''s language, unless that is auto: then the one the metadata name under language (english, en or en-GB), else the one the text shows (ragpg.text_language), where Postgres has a configuration for it; else simple.';
