"""No byte of another tenant, whatever statement a reader of one writes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import ragpg
from ragpg.database import migrate

from ..conftest import WordEmbedder, role

# Stands in everything that is B's: texts, words, names, questions, answers, logs, errors.
MARKER = "zebrafinch"
NO_CONTENT = {
    "alembic_version",
    "encoder_embeddings",
    "encoder_layers",
    "encoder_positions",
    "encoder_vocabulary",
    "encoder_weights",
    "encoders",
    "search_indexes",
    "tenant_roles",  # row-level security always, without a policy
}


@pytest.fixture
def shared(
    client: ragpg.Client, sql: psycopg.Connection, words: WordEmbedder
) -> psycopg.Connection:
    """A collection of two tenants, A and one whose every text holds the marker; tenants are on."""
    sql.execute("update ragpg.collections set search_log_share = 1")
    texts = {"a": "Refund of money within days.", MARKER: f"{MARKER} refund money rate limit."}
    for tenant, text in texts.items():
        for number in range(4):
            sql.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
            sql.execute(
                "select ragpg.put_document('shared', %s, %s, %s, 'text/plain', %s)",
                (
                    "same" if number == 0 else f"{tenant}-{number}",
                    f"{text} Number {number}.",
                    f"{text} title",
                    f'{{"tag": "{tenant} {text}", "year": 2026}}',
                ),
            )
    sql.execute("reset ragpg.tenant")
    client.worker("shared").drain()
    sql.execute("update ragpg.collections set search_log_share = 1")
    sql.execute("select ragpg.enable_tenants()")
    for tenant, text in texts.items():
        _fill(sql, tenant, text, words)
    sql.execute("reset ragpg.tenant")
    sql.execute("analyze")
    return sql


def _fill(sql: psycopg.Connection, tenant: str, text: str, words: WordEmbedder) -> None:
    """Writes something of the tenant's into every other table that holds content."""
    sql.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
    sql.execute(
        "select ragpg.put_document('shared', 'same', %s, %s)", (f"{text} Number 0.", f"{text} new")
    )
    document = sql.execute(
        "select id, version, content from ragpg.documents where source = 'same' and tenant = %s",
        (tenant,),
    ).fetchone()
    assert document is not None
    answer = sql.execute(
        "select ragpg.save_answer('shared', %s, %s, 'm', false, true, 'end', 1, 1, 0, 0, 1,"
        " jsonb_build_array(jsonb_build_object('document_id', %s::bigint, 'document_version',"
        " %s::integer, 'start_char', 0, 'end_char', 6, 'quote', left(%s, 6), 'answer_start', 0,"
        " 'answer_end', 1)))",
        (f"{text}?", f"{text}!", *document),
    ).fetchone()
    assert answer is not None
    sql.execute("select ragpg.feedback(%s, 'bad', %s, %s)", (answer[0], text, text))
    sql.execute(
        "select ragpg.put_evaluation_question('shared', 'default', %s,"
        " jsonb_build_array(jsonb_build_object('source', 'same', 'quote', left(%s, 6))), %s)",
        (f"{text}?", document[2], text),
    )
    sql.execute(
        "select ragpg.put_evaluation_draft('shared', 'default', %s, %s, %s, left(%s, 6), 0, 'm')",
        (f"{text} draft?", text, document[0], document[2]),
    )
    sql.execute(
        "select ragpg.evaluate('shared', 'default', mode => 'keyword', note => %s)", (text,)
    )
    sql.execute(
        "select count(*) from ragpg.search(%s, collection => 'shared', query_embedding => %s)",
        (text, str(words.embed_query(text).tolist())),
    )
    sql.execute(
        "select ragpg_internal.start_finetuning(%s, %s, sha256(%s))", (text, text, text.encode())
    )
    sql.execute("update ragpg.index_documents set error = %s where tenant = %s", (text, tenant))


@pytest.fixture
def reader(shared: psycopg.Connection, server: str) -> Iterator[psycopg.Connection]:
    """A connection of a reader that is bound to tenant A."""
    yield from _login(shared, server, "tenant_reader_a", "a")


def _login(
    sql: psycopg.Connection, server: str, name: str, tenant: str | None, grant: str = "reader"
) -> Iterator[psycopg.Connection]:
    role(server, name)
    sql.execute(f"select ragpg.grant_{grant}('{name}')".encode())
    if tenant:
        sql.execute("select ragpg.bind_role(%s, %s)", (name, tenant))
    url = sql.info.dsn
    with psycopg.connect(url, user=name, autocommit=True) as connection:
        yield connection
    sql.execute(f"drop owned by {name}".encode())


def test_every_table_is_protected_or_known_to_hold_no_content(shared: psycopg.Connection) -> None:
    rows = shared.execute(
        """
        select kept.relname, kept.relrowsecurity
        from pg_class as kept
        where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind in ('r', 'p')
        """
    ).fetchall()
    assert {name for name, protected in rows if not protected} | {"tenant_roles"} == NO_CONTENT


def test_a_tenant_sees_its_own_and_nothing_else(reader: psycopg.Connection) -> None:
    tenants = reader.execute("select tenant, count(*) from ragpg.documents group by 1").fetchall()
    assert tenants == [("a", 4)]
    found = reader.execute(
        "select source, content from ragpg.search('refund money', collection => 'shared')"
    ).fetchall()
    assert len(found) == 4 and MARKER not in str(found)
    assert (
        reader.execute(
            "select 1 from ragpg.search(%s, collection => 'shared', mode => 'keyword')", (MARKER,)
        ).fetchall()
        == []
    )


def test_each_tenant_finds_all_of_its_own(shared: psycopg.Connection, words: WordEmbedder) -> None:
    for tenant in ("a", MARKER):
        shared.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
        for mode in ("hybrid", "vector", "keyword"):
            rows = shared.execute(
                "select count(*), bool_and(tenant = %s) from ragpg.search('refund', collection =>"
                " 'shared', query_embedding => %s, mode => %s, filter => '$.year == 2026' ) as hit"
                " join ragpg.documents on id = document_id",
                (tenant, str(words.embed_query("refund").tolist()), mode),
            ).fetchone()
            assert rows is not None and rows[1] and rows[0] >= 3, (tenant, mode, rows)


def test_without_a_tenant_there_is_nothing(shared: psycopg.Connection, server: str) -> None:
    for reader in _login(shared, server, "tenant_reader_none", None):
        for name in ("documents", "chunks", "document_status", "answers", "searches", "chunks_1"):
            assert reader.execute(f"select 1 from ragpg.{name}".encode()).fetchall() == [], name
        for call in (
            "ragpg.search('refund', collection => 'shared')",
            "ragpg_internal.keyword_candidates(1, 'refund', 10)",
            "ragpg_internal.matching_documents(1, '$.year == 2026')",
            "ragpg_internal.query_words(1, 'refund')",
        ):
            with pytest.raises(psycopg.Error) as raised:
                reader.execute(f"select * from {call}".encode())
            assert raised.value.sqlstate == "RG013"
        reader.execute("set ragpg.tenant = 'a'")  # the setting of a role that is not bound counts
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (4,)


def test_a_bound_role_cannot_name_another_tenant(reader: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        reader.execute("select ragpg.set_tenant(%s)", (MARKER,))
    assert raised.value.sqlstate == "RG013"
    reader.execute(f"set ragpg.tenant = '{MARKER}'".encode())
    assert reader.execute("select count(*) from ragpg.documents").fetchone() == (0,)
    reader.execute("set row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("select count(*) from ragpg.documents")


def test_a_writer_writes_only_its_own(shared: psycopg.Connection, server: str) -> None:
    for writer in _login(shared, server, "tenant_writer_a", "a", "writer"):
        assert writer.execute("update ragpg.documents set title = 'x'").rowcount == 4
        assert writer.execute("delete from ragpg.chunks where tenant <> 'a'").rowcount == 0
        row = writer.execute(
            "select outcome from ragpg.put_document('shared', %s, 'own')", (f"{MARKER}-1",)
        ).fetchone()
        assert row == ("added",)
        others = (
            "insert into ragpg.documents (collection_id, source, content, tenant)"
            f" values (1, 'x', 'x', '{MARKER}')",
            f"update ragpg.documents set tenant = '{MARKER}'",
            "insert into ragpg.index_documents (index_id, document_id, tenant) values (1, 5, 'a')",
            "insert into ragpg.citations (answer_id, ordinal, document_id, document_version,"
            " start_char, end_char, quote, answer_start, answer_end)"
            f" values (2, 9, 5, 1, 0, 6, '{MARKER[:6]}', 0, 1)",
            "select ragpg.drop_collection('shared')",
            "select ragpg.drop_search_index(1)",
            "select ragpg.tune_ef_search('shared')",
            "select ragpg.create_search_index('shared', 1, 50)",
            "select ragpg.activate_search_index(1)",
        )
        for statement in others:
            with pytest.raises(psycopg.Error) as raised:
                writer.execute(statement.encode())
            assert MARKER not in str(raised.value).replace(statement, ""), statement
        assert writer.execute("delete from ragpg.collections").rowcount == 0
    left = shared.execute(
        "select count(*), count(distinct version) from ragpg.documents where tenant = %s", (MARKER,)
    ).fetchone()
    assert left == (4, 2)


def test_words_are_counted_for_each_tenant(shared: psycopg.Connection) -> None:
    counts = shared.execute(
        "select tenant, chunk_count from ragpg.index_statistics order by tenant"
    ).fetchall()
    assert counts == [("", 8), ("a", 4), (MARKER, 4)]
    rows = shared.execute(
        "select tenant from ragpg.lexeme_statistics where lexeme = %s order by 1", (MARKER,)
    ).fetchall()
    assert rows == [("",), (MARKER,)]


def test_estimates_do_not_tell_what_others_say(reader: psycopg.Connection) -> None:
    def estimate(condition: str) -> Any:
        row = reader.execute(
            f"explain (format json) select 1 from ragpg.documents where {condition}".encode()
        ).fetchone()
        assert row is not None
        return row[0][0]["Plan"]["Plan Rows"]

    text = f"{MARKER} refund money rate limit. title"
    assert estimate(f"title = '{text}'") == estimate("title = 'no such title'")
    assert estimate(f"title < '{MARKER[:4]}'") == estimate(f"title < '{MARKER}zz'")
    assert estimate(f"tenant = '{MARKER}'") == estimate("tenant = 'no such tenant'")
    rows = reader.execute(
        "select 1 from pg_stats where schemaname = 'ragpg' and tablename in ('documents', 'chunks')"
    ).fetchall()
    assert rows == []


def test_indexes_over_texts_have_the_tenant_in_them(shared: psycopg.Connection) -> None:
    """Else a comparison, which is leakproof, searches them before the policy is asked."""
    rows = shared.execute(
        """
        select ind.indexrelid::regclass::text
        from pg_index as ind
        join pg_class as tab on tab.oid = ind.indrelid
        join pg_class as kept on kept.oid = ind.indexrelid
        join pg_am as method on method.oid = kept.relam
        join pg_attribute as col on col.attrelid = tab.oid and col.attnum = any(ind.indkey)
        where tab.relnamespace = 'ragpg'::regnamespace and tab.relrowsecurity
            and tab.relname not in ('collections', 'embedding_models', 'model_prices')
            and tab.oid not in (select relation from ragpg_internal.protected_tables() where closed)
            and method.amname in ('btree', 'hash')
        group by ind.indexrelid
        having bool_or(col.atttypid in ('text'::regtype, 'bytea'::regtype))
            and not bool_or(col.attname = 'tenant')
        """
    ).fetchall()
    assert rows == []


def test_closed_tables_are_not_even_scanned(reader: psycopg.Connection) -> None:
    plan = reader.execute(
        "explain select from ragpg.chunk_contexts where collection_id = 1 and asked_hash >= ''"
    ).fetchall()
    assert "Scan" not in str(plan) and "One-Time Filter: false" in str(plan)


def test_plans_do_not_count_what_others_say(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    reader.execute("set enable_seqscan = off")

    def removed(statement: str) -> list[int]:
        row = reader.execute(f"explain (analyze, format json) {statement}".encode()).fetchone()
        assert row is not None
        return [int(n) for n in re.findall(r"Removed by [A-Za-z ]+': (\d+)", str(row[0]))]

    set_id = shared.execute(
        "select id from ragpg.evaluation_sets where tenant = %s", (MARKER,)
    ).fetchone()
    assert set_id is not None
    for guessed in (
        f"ragpg.evaluation_questions where evaluation_set_id = {set_id[0]} and question >= '{{}}'",
        f"ragpg.evaluation_drafts where evaluation_set_id = {set_id[0]} and question >= '{{}}'",
        "ragpg.document_versions where collection_id = 1 and source >= '{}'",
        "ragpg.documents where collection_id = 1 and source >= '{}'",
        f"ragpg.lexeme_statistics where index_id = 1 and tenant = '{MARKER}' and lexeme >= '{{}}'",
    ):
        # Of B's sources, "same" is the one that has versions.
        guess = "same" if "document_versions" in guessed else MARKER[:4]
        right, wrong = (removed(f"select 1 from {guessed.format(one)}") for one in (guess, "zzz"))
        assert right == wrong, guessed
    hashed = shared.execute(
        "select content_hash::text from ragpg.chunks where tenant = %s limit 1", (MARKER,)
    ).fetchone()
    assert hashed is not None
    same = "ragpg.chunks where index_id = 1 and content_hash ="
    assert removed(f"select 1 from {same} '{hashed[0]}'") == removed(
        f"select 1 from {same} '\\x00'"
    )


def test_words_and_metadata_keep_their_indexes(
    shared: psycopg.Connection, reader: psycopg.Connection
) -> None:
    legs = shared.execute(
        "select bool_and(prosecdef) from pg_proc where oid in (select called from ragpg_internal.tenant_legs())"
    ).fetchone()
    assert legs == (True,)
    shared.execute(  # many chunks of the tenant, few with the word
        "insert into ragpg.chunks (index_id, document_id, document_version, ordinal, start_char,"
        " end_char, token_count, lexeme_count, language, content, lexemes, embedding, tenant)"
        " select index_id, document_id, document_version, 10 + number, 0, 6, 1, 1, language,"
        " 'filler', '', embedding, tenant from ragpg.chunks, generate_series(1, 500) as number"
        " where tenant = 'a'"
    )
    shared.execute("vacuum analyze ragpg.chunks_1")
    scans = "select pg_stat_get_numscans('ragpg.chunks_1_lexemes_gin'::regclass)"
    before = shared.execute(scans.encode()).fetchone()
    found = reader.execute(
        "select * from ragpg_internal.keyword_candidates(1, 'refund', 10)"
    ).fetchall()
    assert len(found) == 4
    reader.execute("select pg_stat_force_next_flush()")
    after = shared.execute(scans.encode()).fetchone()
    assert before is not None and after is not None and after[0] > before[0]


def test_off_is_as_before(shared: psycopg.Connection, server: str) -> None:
    shared.execute("select ragpg.disable_tenants()")
    for reader in _login(shared, server, "tenant_reader_off", None):
        assert reader.execute("select count(*) from ragpg.documents").fetchone() == (8,)
        found = reader.execute(
            "select 1 from ragpg.search('refund', collection => 'shared', mode => 'keyword')"
        ).fetchall()
        assert len(found) == 8


def test_a_client_acts_for_its_tenant(
    shared: psycopg.Connection, server: str, words: WordEmbedder, url: str
) -> None:
    with pytest.raises(ragpg.errors.NoTenant, match="would see the rows of all tenants"):
        ragpg.connect(url, embedder=words, tenant="a")
    for writer in _login(shared, server, "tenant_writer_client", None, "writer"):
        theirs = url.replace("postgres:@", f"{writer.info.user}:@")
        with ragpg.connect(theirs, embedder=words, tenant="a") as client:
            client.collection("shared").add(text="Another refund.", source="later")
            hits = client.collection("shared").search("refund", k=20)
            assert len(hits) == 5 and MARKER not in str(hits)
            assert client.collection("shared").delete("later")
            # Nothing is left on the connection for whoever has it next.
            with client.database._pool.connection() as bare:
                assert bare.execute("select count(*) from ragpg.documents").fetchone() == (0,)


def test_an_owner_who_is_no_superuser_switches_it_on(
    owner_url: str, server: str, words: WordEmbedder
) -> None:
    migrate(owner_url)
    role(server, "tenant_reader_owned")
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute("select ragpg.enable_tenants()")
        owner.execute("select ragpg.grant_reader('tenant_reader_owned')")
        owner.execute("select ragpg.bind_role('tenant_reader_owned', 'a')")
        for tenant in ("a", MARKER):
            owner.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
            owner.execute(
                "select ragpg.put_document('shared', 'same', %s)", (f"{tenant} refund money",)
            )
        owner.execute("reset ragpg.tenant")
        with ragpg.connect(owner_url, embedder=words) as client:
            assert client.worker("shared").drain().indexed == 2
        with psycopg.connect(owner_url, user="tenant_reader_owned", autocommit=True) as reader:
            for mode in ("keyword", "hybrid"):
                found = reader.execute(
                    "select content from ragpg.search('refund', collection => 'shared', mode => %s)",
                    (mode,),
                ).fetchall()
                assert found == [("a refund money",)]


# Random statements -----------------------------------------------------------------------------

_RELATIONS = """
select kept.oid::regclass::text, array_agg(quote_ident(col.attname))
from pg_class as kept
join pg_attribute as col on col.attrelid = kept.oid and col.attnum > 0 and not col.attisdropped
where kept.relnamespace = 'ragpg'::regnamespace and kept.relkind in ('r', 'p', 'v')
    and has_table_privilege(kept.oid, 'select')
group by kept.oid
order by 1
"""
_SYSTEM = {
    name: ["*"]
    for name in (
        "pg_stats", "pg_stats_ext", "pg_stat_activity", "pg_stat_user_tables", "pg_locks",
        "pg_prepared_statements", "pg_cursors", "pg_policies", "pg_description", "pg_settings",
        "pg_class", "pg_indexes",
    )
}  # fmt: skip
_FUNCTIONS = """
select
    format('%s.%s', called.pronamespace::regnamespace, called.proname), called.proargtypes::regtype[]::text[], called.provolatile = 'v'
from pg_proc as called
where called.pronamespace::regnamespace::text like 'ragpg%'
    and called.prorettype <> 'trigger'::regtype
    and called.prokind = 'f'
    and has_function_privilege(called.oid, 'execute')
    -- They wait, or take the locks of a worker.
    and called.proname not in ('wait_until_indexed', 'encode', 'claim_documents')
order by called.oid
"""


def _argument(draw: random.Random, kind: str) -> str:
    choices = {
        "text": [
            "'shared'", "'same'", "'refund money'", "'refund'", "'default'", "'hybrid'", "'keyword'",
            "'a'", "null", "'english'",
        ],
        "integer": ["1", "2", "10", "1000", "0", "null"],
        "bigint": [str(number) for number in range(1, 12)] + ["null"],
        "jsonpath": ["'$.year == 2026'", "'$.tag like_regex \"refund\"'", "null", "'$.tag'"],
        "jsonb": ["'{}'", "'[]'", "null"],
        "boolean": ["true", "false"],
        "halfvec": ["'[1,1,1,1,1,1,1,1]'", "null", "'[1]'"],
        "vector": ["'[1,1,1,1,1,1,1,1]'"],
        "text[]": ["'{refund,shared}'", "'{}'"],
        "bigint[]": ["'{1,2,3,4,5,6,7,8,9,10}'"],
        "integer[]": ["'{0}'"],
        "interval": ["'1 day'"],
        "double precision": ["0.5", "0", "1"],
    }.get(kind.removeprefix("public."), ["null"])  # fmt: skip
    return f"({draw.choice(choices)})::{kind}"


def _call(draw: random.Random, functions: list[tuple[str, list[str], bool]]) -> str:
    name, kinds, _ = draw.choice(functions)
    return f"{name}({', '.join(_argument(draw, kind) for kind in kinds)})"


def _source(draw: random.Random, relations: dict[str, list[str]], functions: Any) -> str:
    return _call(draw, functions) if draw.random() < 0.3 else draw.choice(list(relations))


def _statement(draw: random.Random, relations: dict[str, list[str]], functions: Any) -> list[str]:
    """Returns one way of asking, as the statements it takes."""
    name = draw.choice(list(relations))
    other = draw.choice(list(relations))
    column, second = draw.choice(relations[name]), draw.choice(relations[other])
    one = "one" if column == "*" else f"one.{column}"
    two = "two" if second == "*" else f"two.{second}"
    source = _source(draw, relations, functions)
    condition = draw.choice(
        [
            f"{one}::text::integer = 1",  # the error says what it could not read
            f"({one}::text || 'x')::date > now()",
            f"1 / (length({one}::text) - length({one}::text)) = 1",
            f"pg_temp.spy({one}::text)",  # says what it is asked about
            f"{one}::text ~ '[a-z]'",
            f"{one} is not null",
            f"exists (select from {other} as two where {two}::text = {one}::text)",
            "true",
        ]
    )
    select = draw.choice(
        [
            f"select * from {name} as one where {condition} limit 50",
            f"select {one} from {name} as one where {condition} order by 1 desc limit 50",
            f"select min({one}::text), max({one}::text), count(*) from {name} as one"
            f" where {condition}",
            f"select string_agg({one}::text, ',') over () from {name} as one limit 5",
            f"select json_agg(one) from {name} as one",
            f"select {one}, {two} from {name} as one left join {other} as two"
            f" on {one}::text = {two}::text limit 20",
            f"select one, two from {name} as one full join {other} as two on true limit 20",
            f"select * from {name} as one, lateral (select {two} from {other} as two"
            f" where {two}::text >= {one}::text limit 1) as near limit 20",
            f"select * from {source} as one limit 20",
            f"select {_call(draw, functions)}",
            f"select {_call(draw, functions)} from {name} as one where {condition} limit 3",
            f"with one as materialized (select * from {name}) select * from one where {condition}",
            f"select {one} from {name} as one union all select null from {name} as one limit 30",
            f"select {one}::text::integer from {name} as one",
            f"select xmlforest(one) from {name} as one limit 5",
            "select * from ts_stat('select lexemes from ragpg.chunks')",
            f"select * from query_to_xml('select * from {name}', true, false, '') as one",
        ]
    )
    return draw.choice(
        [
            [select],
            [select],
            [select],
            [f"explain (verbose) {select}"],
            [f"explain (analyze, verbose, buffers off) {select}"],
            [f"copy ({select}) to stdout"],
            ["begin", f"declare seen cursor for {select}", "fetch all from seen", "rollback"],
            [f"prepare asked as {select}", "execute asked", "deallocate all"],
            [f"set ragpg.tenant = '{draw.choice(['a', 'b', ''])}'", select, "reset ragpg.tenant"],
            ["set row_security = off", select, "reset row_security"],
            [f"do $$ begin perform {_call(draw, functions)}; end $$"],
        ]
    )


def _told(connection: psycopg.Connection, statements: list[str], notices: list[str]) -> str:
    """Returns everything the server said: rows, names, errors, notices."""
    said: list[str] = []
    for statement in statements:
        try:
            if statement.startswith("copy"):
                with connection.cursor().copy(statement.encode()) as copy:
                    said += [bytes(block).decode() for block in copy]
                continue
            cursor = connection.execute(statement.encode())
            if cursor.description:
                said += [column.name for column in cursor.description]
                said += [str(row) for row in cursor.fetchall()]
        except psycopg.Error as error:
            said.append(str(error))
            said += [
                str(part)
                for part in (error.diag.message_detail, error.diag.context, error.diag.message_hint)
            ]
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.rollback()
    said += notices
    notices.clear()
    return "\n".join(said)


class _Attacker:
    """A reader that asks at random and listens."""

    def __init__(self, connection: psycopg.Connection, seed: int) -> None:
        self.connection, self.draw = connection, random.Random(seed)
        self.notices: list[str] = []
        connection.add_notice_handler(lambda said: self.notices.append(str(said.message_primary)))
        connection.execute("set statement_timeout = '2s'")
        connection.execute("set client_min_messages = notice")
        self.relations = dict(connection.execute(_RELATIONS.encode()).fetchall()) | _SYSTEM
        self.functions = connection.execute(_FUNCTIONS.encode()).fetchall()

    def crossings(self, statements: int) -> list[list[str]]:
        """Returns the statements that told something of the other tenant."""
        found = []
        for _ in range(statements):
            asked = _statement(self.draw, self.relations, self.functions)
            if MARKER in _told(self.connection, asked, self.notices):
                found.append(asked)
        return found


@pytest.fixture
def attacker(shared: psycopg.Connection, reader: psycopg.Connection) -> _Attacker:
    shared.execute(
        "grant temporary on database current to public".replace(
            "current", shared.info.dbname
        ).encode()
    )
    reader.execute(
        """
        create function pg_temp.spy(seen text) returns boolean language plpgsql cost 0.0001 as
        $$ begin raise notice 'seen: %', seen; return true; end $$
        """
    )
    return _Attacker(reader, seed=20)


def test_no_random_statement_returns_a_byte_of_another_tenant(attacker: _Attacker) -> None:
    assert len(attacker.relations) > 50 and len(attacker.functions) > 50
    assert attacker.crossings(4000) == []


@pytest.mark.parametrize("table", ["documents", "chunks", "answers", "lexeme_statistics"])
def test_the_random_statements_notice_a_missing_policy(
    attacker: _Attacker, shared: psycopg.Connection, table: str
) -> None:
    shared.execute(f"alter table ragpg.{table} disable row level security".encode())
    assert attacker.crossings(800) != []
