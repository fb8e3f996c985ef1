"""Who owns ragpg, who acts for whom, and what filters and statistics tell: docs/security.md."""

from __future__ import annotations

import re
import subprocess

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
    assert [name for name, for_all in rows if for_all] == []


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
        theirs = url.replace("maker:@", "maker_writer:@")
        with ragpg.connect(theirs, embedder=words) as client:
            refused = client.collection("help")
            with pytest.raises(ragpg.errors.SharedByTenants, match='model "words" is none'):
                refused.add(text="A refund takes five days.", source="one")
        with ragpg.connect(url, embedder=words) as client:  # whose workers load models by name
            client.collection("first").add(text="A refund takes five days.", source="one")
        with ragpg.connect(theirs, embedder=words) as client:
            client.collection("help").add(text="A refund takes five days.", source="one")
            assert len(client.collection("help").search("refund")) == 1
        readable = "select has_table_privilege('maker_writer', 'ragpg.chunks_2', 'select')"
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
            roles = "select role, tenant from ragpg.tenant_roles where role <> '' order by role"
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


# What an upgrade leaves ------------------------------------------------------------------------


def _fill_at_0001(url: str) -> None:
    """Writes what two tenants have into each table that 0002 gives a column tenant."""
    with psycopg.connect(url, autocommit=True) as sql:
        sql.execute("select ragpg.enable_tenants()")
        for name in ("upgraded_bound", "upgraded_unbound"):
            sql.execute("select ragpg.grant_reader(%s)", (name,))
        sql.execute("select ragpg.bind_role('upgraded_bound', 'a')")
        for tenant in ("a", "b"):
            sql.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
            sql.execute("select ragpg.put_document('shared', 'same', %s)", (f"{tenant} says",))
            sql.execute(
                """
                with said as (
                    select ragpg.save_answer('shared', 'q', 'c', 'm', false, true, 'end', 1, 1, 0, 0,
                        1, jsonb_build_array(jsonb_build_object('document_id', id,
                            'document_version', 1, 'start_char', 0, 'end_char', 1,
                            'quote', left(content, 1), 'answer_start', 0, 'answer_end', 1))) as id
                    from ragpg.documents where tenant = %s
                )
                select ragpg.feedback(id, 'bad', 'other') from said
                """,
                (tenant,),
            )
            sql.execute(
                "select ragpg.put_evaluation_question('shared', 's', 'q', '[{\"source\": \"same\"}]')"
            )
        sql.execute("reset ragpg.tenant")
        sql.execute(
            "insert into ragpg.evaluation_runs (evaluation_set_id, index_id, k, mode, recipe)"
            " select id, 1, 10, 'keyword', '{}' from ragpg.evaluation_sets"
        )
        sql.execute(
            "insert into ragpg.evaluation_results (evaluation_run_id, evaluation_question_id,"
            " hit_count, relevant_chunks, latency_ms, labels, lost_labels, split_labels)"
            " select run.id, asked.id, 1, 1, 1, 1, 0, 0 from ragpg.evaluation_runs as run"
            " join ragpg.evaluation_questions as asked using (evaluation_set_id)"
        )
        sql.execute(
            "insert into ragpg.evaluation_hits (evaluation_run_id, evaluation_question_id, place,"
            " is_relevant, document_id, document_version, source, start_char, end_char, score)"
            " select evaluation_run_id, evaluation_question_id, 1, true, 1, 1, 'same', 0, 1, 1"
            " from ragpg.evaluation_results"
        )


def test_tenants_stay_apart_through_an_upgrade(empty_url: str, server: str) -> None:
    """A database at 0001 with tenants on: each row gets its tenant, no role sees more than before."""
    migrate(empty_url, "0001")
    for name in ("upgraded_bound", "upgraded_unbound"):
        role(server, name)
    _fill_at_0001(empty_url)
    migrate(empty_url)
    tables = (
        "documents", "answers", "citations", "answer_feedback", "evaluation_sets",
        "evaluation_questions", "evaluation_labels", "evaluation_runs", "evaluation_results",
        "evaluation_hits",
    )  # fmt: skip
    with psycopg.connect(empty_url, autocommit=True) as sql:
        for table in tables:
            rows = sql.execute(f"select tenant from ragpg.{table} order by 1".encode()).fetchall()
            assert rows == [("a",), ("b",)], table
        problems = sql.execute("select problem, detail from ragpg.health_problems").fetchall()
        assert (
            "role acts for no tenant",
            "upgraded_unbound: it may read ragpg and sees nothing",
        ) in [one for one in problems if "upgraded" in one[1]]
        legs = sql.execute("select bool_and(prosecdef) from pg_proc where proname in"
                           " ('keyword_candidates', 'matching_documents')").fetchone()  # fmt: skip
        assert legs == (True,), "no call of enable_tenants is needed"
    for name, seen in (("upgraded_bound", 1), ("upgraded_unbound", 0)):
        with psycopg.connect(empty_url, user=name, autocommit=True) as reader:
            reader.execute(f"set ragpg.tenant = '{'a' if seen else 'b'}'".encode())
            for table in tables:
                row = reader.execute(f"select count(*) from ragpg.{table}".encode()).fetchone()
                assert row == (seen,), (name, table)
    migrate(empty_url, "0001")
    with psycopg.connect(empty_url, user="upgraded_bound", autocommit=True) as reader:
        assert reader.execute("select count(*) from ragpg.citations").fetchone() == (1,)
    with psycopg.connect(empty_url, autocommit=True) as sql:
        sql.execute("drop owned by upgraded_bound, upgraded_unbound")
