"""The schema as text: everything of ragpg's that a migration could change."""

from __future__ import annotations

import psycopg

_QUERIES = (
    # Columns
    """
    select format(
        'table %s column %s %s %s %s %s storage %s',
        relname, attname, format_type(atttypid, atttypmod),
        case when attnotnull then 'not null' else 'null' end,
        coalesce('default ' || pg_get_expr(adbin, adrelid), ''),
        concat(attidentity, attgenerated), attstorage
    )
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relnamespace::regnamespace::text like 'ragpg%' and relkind in ('r', 'p', 'v', 'c')
        and relname <> 'alembic_version' and attnum > 0 and not attisdropped
    order by relname, attnum
    """,
    """
    select format('table %s constraint %s %s', relname, conname, pg_get_constraintdef(c.oid))
    from pg_constraint as c
    join pg_class on pg_class.oid = conrelid
    where connamespace::regnamespace::text like 'ragpg%' and relname <> 'alembic_version'
        and contype <> 'n'
    order by relname, conname
    """,
    """
    select indexdef from pg_indexes
    where schemaname like 'ragpg%' and tablename <> 'alembic_version'
    order by indexname
    """,
    """
    select pg_get_triggerdef(t.oid)
    from pg_trigger as t
    join pg_class on pg_class.oid = tgrelid
    where relnamespace::regnamespace::text like 'ragpg%' and not tgisinternal
    order by tgname
    """,
    """
    select format('table %s row level security', relname)
    from pg_class
    where relnamespace::regnamespace::text like 'ragpg%' and relrowsecurity
    union all
    select format(
        'policy %s on %s for %s using %s check %s', polname, relname, polcmd,
        pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
    )
    from pg_policy
    join pg_class on pg_class.oid = polrelid
    where relnamespace::regnamespace::text like 'ragpg%'
    order by 1
    """,
    """
    select concat(
        case prokind when 'a' then format('aggregate %s', oid::regprocedure)
            else pg_get_functiondef(oid) end,
        ' -- access ', proacl
    )
    from pg_proc
    where pronamespace::regnamespace::text like 'ragpg%'
    order by pronamespace::regnamespace::text, proname, oid::regprocedure::text
    """,
    """
    select format('operator %s by %s', oid::regoperator, oprcode)
    from pg_operator
    where oprnamespace::regnamespace::text like 'ragpg%'
    union all
    select format('domain %s of %s', oid::regtype, format_type(typbasetype, typtypmod))
    from pg_type
    where typnamespace::regnamespace::text like 'ragpg%' and typtype = 'd'
    order by 1
    """,
    """
    select format('view %s %s%s%s', relname, reloptions, E'\n', pg_get_viewdef(oid))
    from pg_class
    where relnamespace::regnamespace::text like 'ragpg%' and relkind = 'v'
    order by relname
    """,
    """
    select format(
        'comment on %s: %s', (pg_identify_object(classoid, objoid, objsubid)).identity, description
    )
    from pg_description
    where coalesce(
        (select relnamespace from pg_class where classoid = 'pg_class'::regclass and oid = objoid),
        (select pronamespace from pg_proc where classoid = 'pg_proc'::regclass and oid = objoid),
        (
            select relnamespace
            from pg_trigger
            join pg_class on pg_class.oid = tgrelid
            where classoid = 'pg_trigger'::regclass and pg_trigger.oid = objoid
        ),
        (
            select relnamespace
            from pg_policy
            join pg_class on pg_class.oid = polrelid
            where classoid = 'pg_policy'::regclass and pg_policy.oid = objoid
        ),
        case when classoid = 'pg_namespace'::regclass then objoid end
    )::regnamespace::text like 'ragpg%'
    order by 1
    """,
)


def catalogue(connection: psycopg.Connection) -> str:
    """Returns the text; the same for the same schema, whoever owns it."""
    lines = [row[0] for query in _QUERIES for row in connection.execute(query.encode())]
    text = "\n".join(lines) + "\n"
    for (owner,) in connection.execute("select current_user union all select 'ragpg_owner'"):
        text = text.replace(f"{owner}=X/", "owner=X/").replace(f"=X/{owner}", "=X/owner")
    return text
