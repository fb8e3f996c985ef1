"""What the tests of tenants and random_statements share."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

import ragpg

from ..conftest import WordEmbedder, role

# Stands in everything that is B's: texts, words, names, questions, answers, logs, errors.
MARKER = "zebrafinch"


def put_texts(
    sql: psycopg.Connection, client: ragpg.Client, tenant: str, text: str, count: int = 4
) -> None:
    """Writes the tenant's documents, and has them indexed."""
    for number in range(count):
        sql.execute("select ragpg.set_tenant(%s, for_session => true)", (tenant,))
        sql.execute(
            "select ragpg.put_document('shared', %s, %s, %s, 'text/plain', %s)",
            (
                "same" if number == 0 else f"{tenant}-{number}",
                f"{text} Number {number}.",
                f"{text} title",
                f'{{"tag": "{tenant} {text}", "year": 2026, "at": "2026-01-01T00:00:00+00",'
                f' "{text.split()[0]}": 1}}',
            ),
        )
    sql.execute("reset ragpg.tenant")
    client.worker("shared").drain()


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
        "select ragpg_internal.note_step(ragpg_internal.start_answer('shared', %s, 'm',"
        " ragpg.start_conversation('shared')), 1, 'standalone', %s, null, 1, null, null,"
        " jsonb_build_array(jsonb_build_object('document_id', %s::bigint, 'source', %s::text)),"
        " 1, 1, 0, 0, 1, %s)",
        (f"{text} turn?", f"{text} alone?", document[0], text, text),
    )
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


def _login(
    sql: psycopg.Connection, server: str, name: str, tenant: str | None, grant: str = "reader"
) -> Iterator[psycopg.Connection]:
    """Yields a connection of a role bound to the tenant; with None, of one that may name any."""
    role(server, name)
    sql.execute(f"select ragpg.grant_{grant}('{name}')".encode())
    if tenant:
        sql.execute("select ragpg.bind_role(%s, %s)", (name, tenant))
    else:
        sql.execute("select ragpg.trust_role(%s)", (name,))
    url = sql.info.dsn
    with psycopg.connect(url, user=name, autocommit=True) as connection:
        yield connection
    sql.execute(f'drop owned by "{name}"'.encode())
