"""Who owns ragpg, who acts for whom, and what filters and statistics tell: docs/security.md."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg.database import embedded
from ragpg.database.migrations import migrate

from ..conftest import ROOT, WordEmbedder, role
from .tenants import MARKER, _login

# Who owns it -----------------------------------------------------------------------------------


def test_nothing_belongs_to_who_made_it(sql: psycopg.Connection) -> None:
    assert sql.execute("select * from ragpg_internal.ownership_changes()").fetchall() == []
    owner = sql.execute(
        "select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
        " from pg_roles where oid = (select nspowner from pg_namespace where nspname = 'ragpg')"
    ).fetchone()
    assert owner == (False,) * 6
    assert sql.execute("select * from ragpg.health_problems").fetchall() == []


def test_every_function_that_runs_as_its_owner_is_listed_with_its_reason(
    shared: psycopg.Connection,
) -> None:
    """docs/security.md has them all, those of tenants included, and nobody may call them unasked."""
    rows = shared.execute(
        """
        select
            format('%s.%s', pronamespace::regnamespace, proname),
            coalesce(bool_or(acl.grantee = 0), true)
        from pg_proc
        left join aclexplode(proacl) as acl on true
        where pronamespace::regnamespace::text like 'ragpg%' and prosecdef
        group by pg_proc.oid
        """
    ).fetchall()
    told = dict(
        re.findall(
            r"^\| `(ragpg\w*\.\w+)` \| (\S.*?) \|", (ROOT / "docs/security.md").read_text(), re.M
        )
    )
    assert sorted(told) == sorted(name for name, _ in rows)
    assert [name for name, for_all in rows if for_all] == ["ragpg.current_tenant"]


def test_a_role_that_may_make_roles_gives_ragpg_away_and_works_on(
    owner_url: str, server: str, words: WordEmbedder
) -> None:
    with psycopg.connect(server, autocommit=True) as admin:
        role(server, "maker")
        admin.execute("alter role maker createrole")
        # Made by the superuser, it would be nobody's whom maker could ask.
        admin.execute("grant ragpg_owner to maker")
        with psycopg.connect(owner_url) as owner:
            admin.execute(f"alter database {owner.info.dbname} owner to maker".encode())
    url = owner_url.replace("app_owner:@", "maker:@")
    migrate(url)
    with psycopg.connect(url, autocommit=True) as maker:
        assert maker.execute("select * from ragpg_internal.ownership_changes()").fetchall() == []
        maker.execute("select ragpg.enable_tenants()")
        role(server, "maker_writer")
        maker.execute("select ragpg.grant_writer('maker_writer')")
        maker.execute("select ragpg.bind_role('maker_writer', 'a')")
        with ragpg.connect(url.replace("maker:@", "maker_writer:@"), embedder=words) as client:
            client.collection("help").add(text="A refund takes five days.", source="one")
            assert len(client.collection("help").search("refund")) == 1
        readable = "select has_table_privilege('maker_writer', 'ragpg.chunks_1', 'select')"
        assert maker.execute(readable.encode()).fetchone() == (True,), "tables made later, too"
        assert maker.execute("select ragpg.drop_collection('help')").fetchone()
    migrate(url, "0001")
    migrate(url)
    migrate(url, "base")


def test_ragpg_is_not_given_to_a_role_that_may_log_in(server: str, empty_url: str) -> None:
    """Somebody may have made it before."""
    with psycopg.connect(server) as admin:  # undone, not committed: others migrate meanwhile
        admin.execute("alter role ragpg_owner login")
        told: list[str] = []
        admin.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        admin.execute("create extension if not exists vector")
        admin.execute("create schema ragpg")
        for step in ("0001_baseline", "0002_safety"):
            admin.execute((ROOT / f"migrations/versions/{step}.up.sql").read_bytes())
        admin.execute("select ragpg.secure()")
        assert [one for one in told if "the role ragpg_owner may log in" in one]
        found = admin.execute(
            "select nspowner::regrole::text from pg_namespace where nspname = 'ragpg'"
        )
        assert found.fetchone() == ("postgres",)
        problems = admin.execute("select problem, what_to_do from ragpg.health_problems").fetchall()
        assert problems == [("functions run as a superuser", "select ragpg.secure()")]
        admin.rollback()


# Who acts for whom -----------------------------------------------------------------------------


def test_a_role_without_a_binding_sees_nothing(shared: psycopg.Connection, server: str) -> None:
    for reader in _login(shared, server, "tenant_reader_unbound", None):
        name = reader.info.user
        shared.execute("select ragpg.unbind_role(%s, null)", (name,))
        reader.execute("set ragpg.tenant = 'a'")
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (0,)
        with pytest.raises(psycopg.Error) as raised:
            reader.execute("select ragpg.set_tenant('a')")
        assert raised.value.sqlstate == "RG013" and "trust_role" in str(
            raised.value.diag.message_hint
        )
        told = "select problem, detail from ragpg.health_problems where detail like %s"
        assert shared.execute(told, (f"{name}%",)).fetchall() == [
            ("role acts for no tenant", f"{name}: it may read ragpg and sees nothing")
        ]
        assert reader.execute("select * from ragpg.health_problems").fetchall() == []
        shared.execute("select ragpg.trust_role(%s)", (name,))
        reader.execute("select ragpg.set_tenant('a', for_session => true)")
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (4,)
        assert shared.execute(told, (f"{name}%",)).fetchall() == []


def test_what_is_bound_is_bound_by_name_and_with_all_who_inherit(
    shared: psycopg.Connection, server: str
) -> None:
    for reader in _login(shared, server, "tenant_Reader odd", "a"):
        assert reader.execute("select ragpg.current_tenant()").fetchone() == ("a",)
        role(server, "tenant_reader_heir")
        shared.execute('grant "tenant_Reader odd" to tenant_reader_heir')
        with psycopg.connect(shared.info.dsn, user="tenant_reader_heir") as heir:
            heir.execute(f"set ragpg.tenant = '{MARKER}'".encode())
            assert heir.execute("select ragpg.current_tenant()").fetchone() == (None,)
            heir.execute("reset ragpg.tenant")
            assert heir.execute("select ragpg.current_tenant()").fetchone() == ("a",)
        with pytest.raises(psycopg.errors.UndefinedObject):
            shared.execute("select ragpg.bind_role('nobody at all', 'a')")
        with pytest.raises(psycopg.Error, match="blank"):
            shared.execute("select ragpg.bind_role('tenant_Reader odd', ' ')")
        # Who takes another role acts as that one, whoever logged in.
        shared.execute('set role "tenant_Reader odd"')
        assert shared.execute("select ragpg.current_tenant()").fetchone() == ("a",)
        shared.execute(f"set ragpg.tenant = '{MARKER}'".encode())
        assert shared.execute("select count(*) from ragpg.documents").fetchone() == (0,)
        shared.execute("reset role")
        shared.execute("reset ragpg.tenant")


def test_a_restored_dump_keeps_apart_whatever_roles_are_missing(
    shared: psycopg.Connection, server: str, empty_url: str
) -> None:
    programs = embedded.bin_folder()
    for reader in _login(shared, server, "tenant_reader_restored", "a"):
        role(server, "tenant_reader_left")
        shared.execute("select ragpg.bind_role('tenant_reader_left', 'c')")
        done = subprocess.run(
            [programs / "pg_dump", "-Fc", shared.info.dsn + f" host={reader.info.host}"],
            capture_output=True, check=True,
        )  # fmt: skip
        shared.execute("delete from ragpg.tenant_roles where role = 'tenant_reader_left'")
        shared.execute("drop role tenant_reader_left")
        subprocess.run(
            [programs / "pg_restore", "-d", empty_url], input=done.stdout, capture_output=True
        )
        with psycopg.connect(empty_url, autocommit=True) as restored:
            roles = "select role, tenant from ragpg.tenant_roles order by role"
            assert restored.execute(roles.encode()).fetchall() == [
                ("tenant_reader_left", "c"), ("tenant_reader_restored", "a"),
            ]  # fmt: skip
            expected = "tenant_reader_left: it would act for 'c'"
            problems = restored.execute("select problem, detail from ragpg.health_problems")
            assert ("bound role is missing", expected) in problems.fetchall()
            verified = restored.execute("select problem, object from ragpg.verify()").fetchall()
            assert ("bound role is missing", "tenant_reader_left") in verified
        with psycopg.connect(empty_url, user=reader.info.user, autocommit=True) as theirs:
            assert theirs.execute("select count(*) from ragpg.documents").fetchone() == (4,)
            theirs.execute(f"set ragpg.tenant = '{MARKER}'".encode())
            assert theirs.execute("select count(*) from ragpg.documents").fetchone() == (0,)


def test_what_no_longer_keeps_apart_is_told_and_mended(shared: psycopg.Connection) -> None:
    def problems() -> set[str]:
        found = shared.execute("select problem, detail from ragpg.health_problems")
        return {f"{one}: {detail}" for one, detail in found if one != "documents fail"}

    assert problems() == set()
    for statement, told in (
        (
            "alter table ragpg.answers disable row level security",
            "table is not kept apart: ragpg.answ",
        ),
        (
            "alter function ragpg_internal.matching_documents security invoker",
            "function does not run",
        ),
        ("alter table ragpg.documents alter source set statistics 100", "statistics tell of all"),
        (
            "create index tags_gin on ragpg.evaluation_questions (lower(question))",
            "statistics tell of all tenants: ragpg.evaluation_questions: of tags_gin.lower",
        ),
    ):
        shared.execute(statement.encode())
        (found,) = problems()
        assert found.startswith(told), found
        shared.execute("select ragpg.secure()")
        assert problems() == set()
    shared.execute("create statistics public.pair on source, title from ragpg.documents")
    assert problems() == {
        "statistics tell of all tenants: ragpg.documents: extended statistics pair"
    }


def test_statistics_are_of_keys_alone(shared: psycopg.Connection, words: WordEmbedder) -> None:
    """Whatever is analysed, by hand or by autovacuum, old tables and new ones."""
    with ragpg.connect(shared.info.dsn, embedder=words) as client:
        made = client.collection("shared").indexes.create(chunk_tokens=20)
        client.collection("shared").indexes.fill(made.id)
    shared.execute("create index on ragpg.chunks_2 ((length(content)))")
    shared.execute("select ragpg.secure()")
    shared.execute("analyze")
    rows = shared.execute(
        """
        select tablename, attname from pg_stats
        where schemaname = 'ragpg' and attname !~ '(^|_)id$'
            and (tablename like 'chunks%' or tablename in (
                select relname from pg_class where oid in (
                    select relation from ragpg_internal.protected_tables())))
        """
    ).fetchall()
    assert rows == []
    kept = shared.execute("select count(*) from pg_stats where tablename = 'documents'").fetchone()
    assert kept == (2,), "id and collection_id: joins need them"


# What a filter tells ---------------------------------------------------------------------------

# An attacker's condition on another tenant's metadata, and an error that `@@` does not silence.
_ORACLE = '(%s) && ($.at.datetime() < "2027-01-01".datetime())'
_TRUE_OF_B = f'$.tag starts with "{MARKER[:4]}"'


def _asked(connection: psycopg.Connection, filter_: str, mode: str) -> list[Any]:
    return connection.execute(
        "select source from ragpg.search('refund', collection => 'shared', filter => %s::jsonpath,"
        " query_embedding => '[1,0,0,0,0,0,0,0]', mode => %s)",
        (filter_, mode),
    ).fetchall()


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
@pytest.mark.parametrize("forced", ["", "enable_seqscan", "enable_bitmapscan", "enable_indexscan"])
def test_errors_of_a_filter_tell_nothing(
    reader: psycopg.Connection, mode: str, forced: str
) -> None:
    if forced:
        reader.execute(f"set {forced} = off".encode())
    for condition in (_TRUE_OF_B, '$.tag starts with "nobody"', "$.year == 2026"):
        found = _asked(reader, _ORACLE % condition, mode)
        assert len(found) == (3 if condition == "$.year == 2026" else 0)


def test_the_test_of_errors_notices_the_hole(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    shared.execute(
        """
        create or replace function ragpg_internal.matching_documents(
            index_id bigint, filter jsonpath, out document_ids bigint[], out chunks bigint
        )
        language sql stable security definer
        set search_path = ragpg_internal, ragpg, pg_temp
        begin atomic
            select array_agg(document.id), count(*)
            from ragpg.documents as document
            -- Nothing but the order of words stands between the filter and another's rows.
            where document.metadata @@ filter and document.tenant || '' = ragpg.current_tenant();
        end
        """
    )
    assert _asked(reader, _ORACLE % '$.tag starts with "nobody"', "keyword") == []
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        _asked(reader, _ORACLE % _TRUE_OF_B, "keyword")


def test_a_wide_filter_is_not_asked_of_others(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    """The word leg asks it of each candidate: of other tenants' as well, were it not for the case."""
    call = "select * from ragpg_internal.keyword_candidates(1, 'refund', 10, null, %s::jsonpath)"
    for condition in (_TRUE_OF_B, "$.year == 2026"):
        found = reader.execute(call, (_ORACLE % condition,)).fetchall()
        assert len(found) == (3 if condition == "$.year == 2026" else 0)


def test_a_tenants_filter_uses_its_index(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    shared.execute(
        "insert into ragpg.documents (collection_id, source, content, metadata, tenant, version)"
        " select 1, 'n' || number, 'filler', jsonb_build_object('n', number), 'a', 1"
        " from generate_series(1, 5000) as number"
    )
    shared.execute("vacuum analyze ragpg.documents")
    scans = b"select pg_stat_get_numscans('ragpg.documents_tenant_metadata_gin'::regclass)"
    before = shared.execute(scans).fetchone()
    reader.execute("select * from ragpg_internal.matching_documents(1, '$.n == 17')")
    reader.execute("select pg_stat_force_next_flush()")
    after = shared.execute(scans).fetchone()
    assert before is not None and after is not None and after[0] == before[0] + 1


@pytest.mark.parametrize("tenant", ["a", 'o"dd $ \\ name', "$", "1", "ä ' b"])
def test_a_tenants_filter_says_what_the_filter_says(sql: psycopg.Connection, tenant: str) -> None:
    metadata = '{"a": 1, "$b": "$ x", "c": [{"d": "\\\\$"}, 2], "q\\"": true, "at": "2026-01-01"}'
    for asked in (
        "$.a == 1", '$."$b" == "$ x"', '$."$b" starts with "$"', '$.c[*].d == "\\\\$"',
        "exists($.c[*] ? (@.d like_regex \"^.\\\\$$\"))", '$."q\\"" == true', "$.a > 1",
        "strict $.c[0].d == \"\\\\$\"", "!($.a == 1) || $.c.size() == 2", "$.**.d == \"\\\\$\"",
        "$.none == 1", 'exists($ ? (@.a == 1 && $.c[1] == 2))', "$.at.datetime() > $.at.datetime()",
        '"$" == $."$b"', "$.c[last] == 2", "$.a",
    ):  # fmt: skip
        row = sql.execute(
            """
            select
                ragpg_internal.passes(stored, asked),
                ragpg_internal.passes(
                    jsonb_set('{}', array[%(tenant)s], stored),
                    ragpg_internal.tenant_filter(asked, %(tenant)s)
                ),
                ragpg_internal.passes(
                    jsonb_set('{}', array['other'], stored),
                    ragpg_internal.tenant_filter(asked, %(tenant)s)
                )
            from (select %(metadata)s::jsonb, %(asked)s::jsonpath) as one (stored, asked)
            """,
            {"tenant": tenant, "metadata": metadata, "asked": asked},
        ).fetchone()
        assert row is not None and row[0] == row[1], (asked, row)


def test_times_with_and_without_a_zone_are_compared(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    held = client.collection("help")
    for source, at in (("old", "2019-05-01T10:00:00+02"), ("new", "2026-05-01"), ("odd", "soon")):
        held.add(text=f"A refund, {source}.", source=source, metadata={"at": at})
    for filter_, expected in (
        ('$.at.datetime() < "2020-01-01".datetime()', {"old"}),
        ('$.at.datetime() >= "2020-01-01T00:00:00+00".datetime()', {"new"}),
        ('$.at.datetime() > "2000-01-01".datetime() || $.at == "soon"', {"old", "new", "odd"}),
    ):
        rows = sql.execute(
            "select source from ragpg.search('refund', mode => 'keyword', filter => %s::jsonpath)",
            (filter_,),
        ).fetchall()
        assert {source for (source,) in rows} == expected, filter_
