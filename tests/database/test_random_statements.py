"""Random statements of one tenant's roles say the same, whatever another tenant has written.

Two databases are the same but for the texts of tenant B. Each statement of A's reader or writer is run
in both: whatever differs in rows, errors, notices, plans or estimates tells something of B (the
noninterference of Goguen and Meseguer 1982). RAGPG_STATEMENTS sets how many are tried.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from itertools import chain

import psycopg
import pytest

import ragpg
from ragpg.database import embedded

from ..conftest import WordEmbedder, new_database, role
from .statements import FUNCTIONS, RELATIONS, RESTLESS, SECRETS, SYSTEM, every_guess, statement
from .tenants import _fill, put_texts

STATEMENTS = int(os.environ.get("RAGPG_STATEMENTS", 3000))

_CHANGING = re.compile(
    r"datetime\.(datetime|timedelta)\([^)]*\)+|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.\d]*(\+\d\d)?"
    r"|'[{\d,}]+'::oid"
    r"|cost=[\d.]+"  # from sizes, which are not kept apart, besides estimates, which are compared
)


def _told(connection: psycopg.Connection, statements: list[str]) -> str:
    """Returns everything the server said: rows, names, errors, notices. All is rolled back."""
    said: list[str] = []

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        said.append(str(notice.message_primary))

    connection.add_notice_handler(listen)
    try:
        for one in statements:
            if one.startswith("copy"):
                with connection.cursor().copy(one.encode()) as copy:
                    said += [bytes(block).decode() for block in copy]
                continue
            cursor = connection.execute(one.encode())
            if cursor.description:
                said += [column.name for column in cursor.description]
                said += [str(row) for row in cursor.fetchall()]
    except psycopg.Error as error:
        diag = error.diag
        said += [str(error), str(diag.message_detail), str(diag.context), str(diag.message_hint)]
    finally:
        connection.rollback()
        connection.execute("reset all; deallocate all")
        connection.execute(_LIMITS)
        connection.commit()
        connection.remove_notice_handler(listen)
    return _CHANGING.sub("then", "\n".join(said))


_LIMITS = "set statement_timeout = '2s'; set client_min_messages = notice"


class _Attacker:
    """A role of tenant A in both databases, that asks at random and compares what is said."""

    def __init__(self, twins: list[psycopg.Connection], seed: int) -> None:
        self.twins, self.draw = twins, random.Random(seed)
        self.relations = dict(twins[0].execute(RELATIONS.encode()).fetchall()) | SYSTEM
        self.functions = twins[0].execute(FUNCTIONS.encode()).fetchall()
        for twin in twins:
            for own in _OWN:
                twin.execute(own.encode())
            twin.execute(_LIMITS)
            twin.commit()

    def crossings(self, statements: int) -> Iterator[list[str]]:
        """Yields the statements that told something of the other tenant: guesses, then random ones."""
        drawn = (statement(self.draw, self.relations, self.functions) for _ in range(statements))
        return (one for one in chain(every_guess(self.relations), drawn) if self.tells(one))

    def tells(self, statements: list[str]) -> bool:
        """Returns whether the statements say another secret in each database, or another thing.

        What differs from one time to the next is no secret, nor what autovacuum has done in one
        database only: it must differ in the same way twice after both were vacuumed.
        """
        written = " ".join(statements)
        first, second = (_told(twin, statements) for twin in self.twins)
        for secret, told in zip(SECRETS, (first, second), strict=True):
            if secret in told and secret not in written:
                return True
        if first == second or RESTLESS.search(written) or "statement timeout" in first + second:
            return False
        for twin in self.twins:
            with psycopg.connect(twin.info.dsn, user="postgres", autocommit=True) as sql:
                sql.execute("vacuum analyze")
        again = [{_told(twin, statements) for _ in range(2)} for twin in self.twins]
        return all(len(one) == 1 for one in again) and again[0] != again[1]


# The attacker's own: whatever it is asked about, it tells.
_OWN = (
    "create schema mine",
    "create type mine.seen as (said text)",
    """create function mine.spy(text) returns boolean language plpgsql cost 0.0001 as
    $$ begin raise notice 'seen: %', $1; return true; end $$""",
    """create function mine.spy(text, text) returns boolean language plpgsql cost 0.0001 as
    $$ begin raise notice 'seen: %', $1; return true; end $$""",
    """create function mine.seen(anyelement) returns text language plpgsql cost 0.0001 as
    $$ begin raise notice 'seen: %', $1; return $1::text; end $$""",
    """create function mine.seen(text) returns mine.seen language plpgsql cost 0.0001 as
    $$ begin raise notice 'seen: %', $1; return row($1)::mine.seen; end $$""",
    "create cast (text as mine.seen) with function mine.seen(text) as implicit",
    """create operator mine.=== (leftarg = text, rightarg = text, function = mine.spy,
    restrict = eqsel, join = eqjoinsel)""",
    "create operator mine.= (leftarg = text, rightarg = text, function = mine.spy, restrict = eqsel)",
    "create operator mine.@@ (leftarg = text, rightarg = text, function = mine.spy)",
    """create domain mine.told as text check (mine.spy(value))""",
)


@pytest.fixture(params=["reader", "writer"])
def attacker(
    request: pytest.FixtureRequest, server: str, words: WordEmbedder
) -> Iterator[_Attacker]:
    yield from _twins(server, words, request.param)


def _twins(
    server: str, words: WordEmbedder, kind: str, restored: bool = False
) -> Iterator[_Attacker]:
    name = f"twin_{kind}"
    role(server, name)
    for base in new_database(server, "template_ragpg"):
        with psycopg.connect(base, autocommit=True) as sql:
            with ragpg.connect(base, embedder=words) as client:
                put_texts(sql, client, "a", "Refund of money within days.")
            sql.execute("select ragpg.enable_tenants()")
            sql.execute("update ragpg.collections set search_log_share = 1")
            _fill(sql, "a", "Refund of money within days.", words)
            sql.execute("reset ragpg.tenant")
            sql.execute(f"select ragpg.grant_{kind}('{name}')".encode())
            sql.execute(f"select ragpg.bind_role('{name}', 'a')".encode())
            database = sql.info.dbname
        made = [new_database(server, database) for _ in SECRETS]
        urls = [next(one) for one in made]
        connections = []
        for url, secret in zip(urls, SECRETS, strict=True):
            with psycopg.connect(url, autocommit=True) as sql:
                sql.execute(f"grant create on database {sql.info.dbname} to {name}".encode())
                with ragpg.connect(url, embedder=words) as client:
                    put_texts(sql, client, "b", f"{secret} refund money rate limit.", count=30)
                _fill(sql, "b", f"{secret} refund money rate limit.", words)
                sql.execute("reset ragpg.tenant")
                for many in _MANY:  # statistics need some thousand rows to show in an estimate
                    sql.execute(many.encode())
                sql.execute("analyze")
            if restored:
                _restore(url)
            connections.append(psycopg.connect(url, user=name))
        yield _Attacker(connections, seed=STATEMENTS)
        for connection in connections:
            connection.close()
        for one in made:
            next(one, None)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"drop owned by {name}".encode())


_MANY = (
    """
    insert into ragpg.documents (collection_id, source, title, content, metadata, tenant, version)
    select collection_id, title || number, title, content, metadata, tenant, 1
    from ragpg.documents, generate_series(1, 3000) as number
    where tenant = 'b' and source = 'same'
    """,
    """
    insert into ragpg.chunks (index_id, document_id, document_version, ordinal, start_char, end_char,
        token_count, lexeme_count, language, content, lexemes, embedding, tenant)
    select index_id, document_id, document_version, 10 + number, 0, length(content), 1, 1, language,
        content, lexemes, embedding, tenant
    from ragpg.chunks, generate_series(1, 200) as number
    where tenant = 'b'
    """,
    """
    insert into ragpg.evaluation_questions (evaluation_set_id, question, tags, tenant)
    select evaluation_set_id, question || number, array[split_part(question, ' ', 1)], tenant
    from ragpg.evaluation_questions, generate_series(1, 3000) as number
    where tenant = 'b'
    """,
)


def _restore(url: str) -> None:
    """Puts a dump of the database in its place, as after a move to another server."""
    programs = embedded.bin_folder()
    dump = subprocess.run([programs / "pg_dump", url], capture_output=True, check=True)
    with psycopg.connect(url, autocommit=True) as sql:
        for schema in ("ragpg", "ragpg_internal"):
            sql.execute(f"drop schema {schema} cascade".encode())
        sql.execute("drop extension vector")
    subprocess.run(
        [programs / "psql", "-q", url], input=dump.stdout, check=True, capture_output=True
    )
    with psycopg.connect(url, autocommit=True) as sql:
        sql.execute("analyze")


def test_no_random_statement_tells_anything_of_another_tenant(attacker: _Attacker) -> None:
    assert len(attacker.relations) > 50 and len(attacker.functions) > 50
    assert list(attacker.crossings(STATEMENTS)) == []


def test_nor_after_a_dump_was_restored(server: str, words: WordEmbedder) -> None:
    for attacker in _twins(server, words, "reader", restored=True):
        assert list(attacker.crossings(STATEMENTS // 3)) == []


@pytest.mark.parametrize(
    "hole",
    [
        "alter table ragpg.documents disable row level security",
        "alter table ragpg.answers disable row level security",
        "alter table ragpg.lexeme_statistics disable row level security",
        # Estimates from statistics: of texts, arrays.
        "alter table ragpg.documents alter source set statistics 100; analyze ragpg.documents",
        "alter table ragpg.evaluation_questions alter tags set statistics 100;"
        " analyze ragpg.evaluation_questions",
        # A comparison of texts is asked before the policy: explain analyze shows of how many rows.
        "alter policy answers_tenant on ragpg.answers"
        " using (tenant = (select ragpg.current_tenant()))",
        "alter policy evaluation_labels_tenant on ragpg.evaluation_labels using (exists ("
        " select from ragpg.evaluation_questions as asked where asked.id = evaluation_question_id))",
        # Whoever is bound to nothing names a tenant; and the binding is lost.
        """
        delete from ragpg.tenant_roles;
        create or replace function ragpg.current_tenant() returns text
        language sql stable security definer
        return current_setting('ragpg.tenant', true)
        """,
    ],
)
def test_the_random_statements_notice_a_hole(server: str, words: WordEmbedder, hole: str) -> None:
    for attacker in _twins(server, words, "reader"):
        for twin in attacker.twins:
            with psycopg.connect(twin.info.dsn, user="postgres", autocommit=True) as sql:
                sql.execute(hole.encode())
        assert next(attacker.crossings(STATEMENTS), None)
