"""What inspection finds, in files and in what is stored: the same, and against brute force."""

from __future__ import annotations

import json
import random
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from typer.testing import CliRunner

import ragpg
from ragpg.cli import entry
from ragpg.inspection import inspecting
from ragpg.inspection.rules import RULES
from ragpg.reading import MEDIA_TYPES

from ..conftest import SHARED_DATA

LONG = "The office opens at nine and closes at five on every day of the week. "
TEXTS = {
    "plain": LONG,
    "empty": " \n\u00a0\n",
    "tiny": "# See also",
    "mojibake": "Das Caf\u00e9 \u00f6ffnet f\u00fcr G\u00e4ste.".encode().decode("cp1252") + LONG,
    "quotes": "\u2019tis \u201cquoted\u201d, it\u2019s".encode().decode("cp1252", "ignore") + LONG,
    "russian mojibake": "\u041c\u043e\u0441\u043a\u0432\u0430".encode().decode("latin-1") + LONG,
    "greek mojibake": "5 \u03bcg of \u03b1-synuclein".encode().decode("cp1252") + LONG,
    "chinese mojibake": "".join(
        bytes([one]).decode("cp1252", "ignore") or chr(one) for one in "\u4e2d\u6587".encode()
    )
    + LONG,
    "trade marks": "NESTL\u00c9\u00ae CAF\u00c9\u2122, P\u00c5\u201d, \u00c0\u00bb, 5\u00b0, caf\u00e9\u00bb\u00a0: "
    + LONG,
    "capitals": "CAF\u00c9\u00bb \u00abD\u00c9J\u00c0\u00bb MEN\u00dc\u201c S\u00c3O N\u00c3O \u00c0\u00a0la "
    + LONG,
    "portuguese": "A situa\u00e7\u00e3o \u00e9 esta: S\u00c3O PAULO, N\u00c3O, CORA\u00c7\u00c3O. "
    + LONG,
    "lost": "Caf\ufffd und G\ufffd\ufffdste. " + LONG,
    "controls": "Page\x02one and\x0btwo\x9b. " + LONG,
    "form feed and tab": "Page\f one\ttwo. " + LONG,
    "soft hyphens": "in\u00adfor\u00adma\u00adtion re\u00adtriev\u00adal sys\u200btem " + LONG,
    "emoji and joiners": "\U0001f469\u200d\U0001f4bb \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 "
    + LONG,
    "base64": "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA" * 12 + "\n" + LONG,
    "a rule of hyphens": "-" * 400 + "\n" + LONG,
    "long line": "one two three, " * 400 + "\nshort\n" + LONG,
    "numbers": "| 12,5 | 7.1 | 99 |\n" * 40,
    "chinese": "\u8fd9\u662f\u4e00\u4e2a\u5173\u4e8e\u6570\u636e\u5e93\u7684\u6587\u6863\u3002"
    * 20,
}
WRONG = {
    "empty": {"empty document"},
    "tiny": {"tiny document"},
    "mojibake": {"mojibake"},
    "quotes": {"mojibake"},
    "greek mojibake": {"mojibake"},
    "chinese mojibake": {"mojibake"},
    "russian mojibake": {"mojibake", "control characters"},
    "lost": {"replacement characters"},
    "controls": {"control characters"},
    "soft hyphens": {"invisible characters"},
    "base64": {"encoded data"},
    "long line": {"over-long line"},
    "numbers": {"few letters"},
}  # fmt: skip


def test_rules_are_the_same_in_sql_and_python(sql: psycopg.Connection) -> None:
    rows = sql.execute("select * from ragpg.inspection.rules()").fetchall()
    assert rows == [
        (one.problem, one.unit, one.pattern, one.minimum, one.what_to_do) for one in RULES
    ]


@pytest.mark.parametrize("name", TEXTS)
def test_one_text(sql: psycopg.Connection, name: str) -> None:
    found = inspecting.text_problems(TEXTS[name])
    assert {one.kind for one in found} == WRONG.get(name, set())
    rows = sql.execute("select * from ragpg.text_problems(%s)", (TEXTS[name],)).fetchall()
    assert sorted(rows) == sorted((one.kind, one.count, one.example) for one in found)


def test_random_texts_are_judged_alike(sql: psycopg.Connection) -> None:
    drawn = random.Random(5)
    letters = "abc \n.|-\u00c3\u00c2\u00a0\u00a9\u00e2\u20ac\u2122\ufffd\x02\u00ad\u200b\u4e2d9\u00df\u00f0\u0178"
    for _ in range(300):
        text = "".join(drawn.choices(letters, k=drawn.randrange(1, 400)))
        found = inspecting.text_problems(text)
        rows = sql.execute("select * from ragpg.text_problems(%s)", (text,)).fetchall()
        assert sorted(rows) == sorted((one.kind, one.count, one.example) for one in found), text


def test_parts_of_a_text(sql: psycopg.Connection) -> None:
    text = "```python\nx = 1\n```\n| a | b |\n|---|---|\n| 1 | 2 |\n\nText `with` code.\n\n   ```\nx\n   ```\nend"
    assert inspecting.text_parts(text, "text/markdown") == (27, 20 + 16)
    for media_type in {*MEDIA_TYPES.values(), "text/markdown"}:
        row = sql.execute("select * from ragpg.text_parts(%s, %s)", (text, media_type)).fetchone()
        assert row == inspecting.text_parts(text, media_type), media_type


# Languages -------------------------------------------------------------------------------------

SENTENCES = {
    "english": "The refund is paid within five days after we have received the goods, and you do not have to give a reason for it.",
    "german": "Die Erstattung wird innerhalb von f\u00fcnf Tagen bezahlt, nachdem wir die Ware erhalten haben, und Sie m\u00fcssen daf\u00fcr keinen Grund nennen.",
    "french": "Le remboursement est effectu\u00e9 dans les cinq jours apr\u00e8s que nous avons re\u00e7u la marchandise, et vous ne devez pas donner de raison.",
    "spanish": "El reembolso se paga dentro de los cinco d\u00edas despu\u00e9s de que hayamos recibido la mercanc\u00eda, y no tiene que dar una raz\u00f3n para ello.",
    "italian": "Il rimborso viene pagato entro cinque giorni dopo che abbiamo ricevuto la merce, e non dovete dare una ragione per questo.",
    "portuguese": "O reembolso \u00e9 pago no prazo de cinco dias depois de termos recebido a mercadoria, e n\u00e3o \u00e9 preciso dar uma raz\u00e3o para isso.",
    "dutch": "De terugbetaling wordt binnen vijf dagen betaald nadat wij de goederen hebben ontvangen, en u hoeft er geen reden voor te geven.",
    "swedish": "\u00c5terbetalningen betalas inom fem dagar efter att vi har f\u00e5tt varorna, och du beh\u00f6ver inte ge n\u00e5got sk\u00e4l till det som du har gjort.",
    "russian": "\u0412\u043e\u0437\u0432\u0440\u0430\u0442 \u0434\u0435\u043d\u0435\u0433 \u043f\u0440\u043e\u0438\u0437\u0432\u043e\u0434\u0438\u0442\u0441\u044f \u0432 \u0442\u0435\u0447\u0435\u043d\u0438\u0435 \u043f\u044f\u0442\u0438 \u0434\u043d\u0435\u0439 \u043f\u043e\u0441\u043b\u0435 \u0442\u043e\u0433\u043e, \u043a\u0430\u043a \u043c\u044b \u043f\u043e\u043b\u0443\u0447\u0438\u043b\u0438 \u0442\u043e\u0432\u0430\u0440, \u0438 \u0432\u044b \u043d\u0435 \u0434\u043e\u043b\u0436\u043d\u044b \u043d\u0430\u0437\u044b\u0432\u0430\u0442\u044c \u043f\u0440\u0438\u0447\u0438\u043d\u0443.",
    "romanian": "Rambursarea se pl\u0103te\u0219te \u00een cinci zile dup\u0103 ce am primit marfa, iar dumneavoastr\u0103 nu trebuie s\u0103 da\u021bi un motiv pentru aceasta.",
    "turkish": "\u0130ade, mallar\u0131 ald\u0131ktan sonra be\u015f g\u00fcn i\u00e7inde \u00f6denir ve bunun i\u00e7in bir neden g\u00f6stermek zorunda de\u011filsiniz, \u00e7\u00fcnk\u00fc bu sizin hakk\u0131n\u0131zd\u0131r.",
    "vietnamese": "Ti\u1ec1n ho\u00e0n l\u1ea1i \u0111\u01b0\u1ee3c tr\u1ea3 trong v\u00f2ng n\u0103m ng\u00e0y sau khi ch\u00fang t\u00f4i nh\u1eadn \u0111\u01b0\u1ee3c h\u00e0ng, v\u00e0 b\u1ea1n kh\u00f4ng c\u1ea7n n\u00eau l\u00fd do.",
    "greek": "\u0397 \u03b5\u03c0\u03b9\u03c3\u03c4\u03c1\u03bf\u03c6\u03ae \u03c7\u03c1\u03b7\u03bc\u03ac\u03c4\u03c9\u03bd \u03b3\u03af\u03bd\u03b5\u03c4\u03b1\u03b9 \u03bc\u03ad\u03c3\u03b1 \u03c3\u03b5 \u03c0\u03ad\u03bd\u03c4\u03b5 \u03b7\u03bc\u03ad\u03c1\u03b5\u03c2 \u03b1\u03c6\u03bf\u03cd \u03c0\u03b1\u03c1\u03b1\u03bb\u03ac\u03b2\u03bf\u03c5\u03bc\u03b5 \u03c4\u03b1 \u03c0\u03c1\u03bf\u03ca\u03cc\u03bd\u03c4\u03b1.",
    "arabic": "\u064a\u062a\u0645 \u062f\u0641\u0639 \u0627\u0644\u0645\u0628\u0644\u063a \u062e\u0644\u0627\u0644 \u062e\u0645\u0633\u0629 \u0623\u064a\u0627\u0645 \u0628\u0639\u062f \u0627\u0633\u062a\u0644\u0627\u0645 \u0627\u0644\u0628\u0636\u0627\u0639\u0629\u060c \u0648\u0644\u0627 \u064a\u062c\u0628 \u0639\u0644\u064a\u0643 \u0630\u0643\u0631 \u0627\u0644\u0633\u0628\u0628.",
    "hindi": "\u092e\u093e\u0932 \u092e\u093f\u0932\u0928\u0947 \u0915\u0947 \u092a\u093e\u0901\u091a \u0926\u093f\u0928\u094b\u0902 \u0915\u0947 \u092d\u0940\u0924\u0930 \u092a\u0948\u0938\u0947 \u0935\u093e\u092a\u0938 \u0915\u093f\u090f \u091c\u093e\u0924\u0947 \u0939\u0948\u0902 \u0914\u0930 \u0906\u092a\u0915\u094b \u0915\u094b\u0908 \u0915\u093e\u0930\u0923 \u092c\u0924\u093e\u0928\u0947 \u0915\u0940 \u0906\u0935\u0936\u094d\u092f\u0915\u0924\u093e \u0928\u0939\u0940\u0902 \u0939\u0948\u0964",
    "thai": "\u0e40\u0e23\u0e32\u0e04\u0e37\u0e19\u0e40\u0e07\u0e34\u0e19\u0e20\u0e32\u0e22\u0e43\u0e19\u0e2b\u0e49\u0e32\u0e27\u0e31\u0e19\u0e2b\u0e25\u0e31\u0e07\u0e08\u0e32\u0e01\u0e44\u0e14\u0e49\u0e23\u0e31\u0e1a\u0e2a\u0e34\u0e19\u0e04\u0e49\u0e32 \u0e41\u0e25\u0e30\u0e04\u0e38\u0e13\u0e44\u0e21\u0e48\u0e15\u0e49\u0e2d\u0e07\u0e1a\u0e2d\u0e01\u0e40\u0e2b\u0e15\u0e38\u0e1c\u0e25",
    "japanese": "\u5546\u54c1\u3092\u53d7\u3051\u53d6\u3063\u3066\u304b\u3089\u4e94\u65e5\u4ee5\u5185\u306b\u8fd4\u91d1\u3044\u305f\u3057\u307e\u3059\u3002\u7406\u7531\u3092\u8ff0\u3079\u308b\u5fc5\u8981\u306f\u3042\u308a\u307e\u305b\u3093\u3002",
    "korean": "\uc0c1\ud488\uc744 \ubc1b\uc740 \ud6c4 \ub2e4\uc12f \uc77c \uc774\ub0b4\uc5d0 \ud658\ubd88\ub418\uba70 \uc774\uc720\ub97c \ub9d0\uc500\ud558\uc2e4 \ud544\uc694\ub294 \uc5c6\uc2b5\ub2c8\ub2e4.",
    "chinese": "\u6211\u4eec\u6536\u5230\u8d27\u7269\u540e\u4e94\u5929\u5185\u9000\u6b3e\uff0c\u60a8\u4e0d\u5fc5\u8bf4\u660e\u7406\u7531\u3002\u8fd9\u662f\u60a8\u7684\u6743\u5229\u3002",
}  # fmt: skip


@pytest.mark.parametrize("language", SENTENCES)
def test_languages(sql: psycopg.Connection, language: str) -> None:
    text = (
        f"# Refund\n\n{SENTENCES[language]}\n\n```sh\nif the file is not there then make it\n```\n"
    )
    assert sql.execute("select ragpg.text_language(%s)", (text,)).fetchone() == (language,)
    assert inspecting.text_language(text) == language


def test_no_language(sql: psycopg.Connection) -> None:
    for text in ("", "12 34", "| no | a |\n|---|---|\n| 1 | i |\n"):
        assert sql.execute("select ragpg.text_language(%s)", (text,)).fetchone() == (None,)
        assert inspecting.text_language(text) is None


@pytest.mark.skipif(not (SHARED_DATA / "xquad").is_dir(), reason="the data folder is not there")
@pytest.mark.parametrize("code", ["en", "de", "zh"])
def test_languages_of_real_paragraphs(sql: psycopg.Connection, code: str) -> None:
    language = {"en": "english", "de": "german", "zh": "chinese"}[code]
    lines = (SHARED_DATA / "xquad" / code / "corpus.jsonl").read_text().split("\n")
    texts = [json.loads(line)["text"] for line in lines if line]
    found = sql.execute(
        "select count(*) from unnest(%s::text[]) as text where ragpg.text_language(text) = %s",
        (texts, language),
    ).fetchone()
    assert found is not None and found[0] >= 0.98 * len(texts)
    assert sum(inspecting.text_language(text) == language for text in texts) >= 0.94 * len(texts)


# Documents that are nearly the same ------------------------------------------------------------


def random_documents(seed: int) -> list[str]:
    """Returns texts of lines and sentences; some are copies with a few of them changed."""
    drawn = random.Random(seed)
    sentence = [f"Sentence number {n} says {'word ' * (n % 7)}{n * 7919}." for n in range(400)]
    texts = []
    for _ in range(40):
        texts.append([drawn.choice(sentence) for _ in range(drawn.randrange(3, 25))])
    for _ in range(40):
        near = list(drawn.choice(texts))
        for _ in range(drawn.randrange(0, 4)):
            near[drawn.randrange(len(near))] = drawn.choice(sentence)
        texts.append(near)
    ends = ["\n", " ", "\n\n"]
    return [
        "Common header line of all\n" + "".join(s + drawn.choice(ends) for s in t) for t in texts
    ]


def brute_force(texts: list[str]) -> dict[tuple[int, int], float]:
    held = [inspecting.units(text) for text in texts]
    pairs = {}
    for a, b in combinations(range(len(texts)), 2):
        both = sum(held[a][unit] for unit in held[a].keys() & held[b].keys())
        similarity = both / (sum(held[a].values()) + sum(held[b].values()) - both)
        if similarity >= 0.8:
            pairs[a, b] = similarity
    return pairs


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicate_documents_are_those_of_brute_force(
    sql: psycopg.Connection, seed: int
) -> None:
    texts = list(dict.fromkeys(random_documents(seed)))
    expected = brute_force(texts)
    assert len(expected) > 10
    in_python = inspecting.near_duplicates(
        {number: inspecting.units(text) for number, text in enumerate(texts)}
    )
    assert {(a, b): s for a, b, s in in_python} == pytest.approx(expected)
    for number, text in enumerate(texts):
        sql.execute("select ragpg.put_document('c', %s, %s)", (f"{number}", text))
    rows = sql.execute(
        "select first_source, second_source, similarity from ragpg.near_duplicate_documents('c')"
        " where not is_copy"
    ).fetchall()
    assert {(int(a), int(b)): s for a, b, s in rows} == pytest.approx(expected)


def test_many_alike_documents_are_each_paired_with_the_first(sql: psycopg.Connection) -> None:
    for number in range(30):
        text = "\n".join(f"Clause {n} of the contract." for n in range(20)) + f"\nFor {number}."
        sql.execute("select ragpg.put_document('c', %s, %s)", (f"{number:02}", text))
    rows = sql.execute(
        "select first_source, second_source from ragpg.near_duplicate_documents('c')"
    ).fetchall()
    assert sorted(rows) == [("00", f"{number:02}") for number in range(1, 30)]


# What is stored --------------------------------------------------------------------------------

FOOTER = "Copyright 2026 Example Ltd, page "


def fill(client: ragpg.Client) -> None:
    """A collection with one of each problem."""
    held = client.collection("c")
    for name, text in TEXTS.items():
        if name != "empty":
            held.add(text=f"{text}\n\nThis is {name}.", source=name, media_type="text/plain")
    for number in range(20):
        body = f"Rule {number} is about {('refund', 'money', 'login')[number % 3]} {number}."
        held.add(text=f"{body * 3}\n\n{FOOTER}{number}\n", source=f"page {number}")
    long = " ".join(f"rate{n}" for n in range(150)) + "."
    held.add(text=long, source="long sentence")
    held.add(text=SENTENCES["german"] * 3, source="german")
    held.add(text=LONG * 3, source="original")
    held.add(text=LONG * 3, source="copy")


def problems(sql: psycopg.Connection) -> dict[str, list[str | None]]:
    found: dict[str, list[str | None]] = {}
    for problem, source in sql.execute(
        "select problem, source from ragpg.corpus_problems where collection = 'c' order by source"
    ):
        found.setdefault(problem, []).append(source)
    return found


def test_problems_of_a_collection(client: ragpg.Client, sql: psycopg.Connection) -> None:
    fill(client)
    sql.execute("select ragpg.put_document('c', 'empty', E' \\n ')")
    sql.execute("select ragpg.put_document('c', 'waiting', %s)", ("Nobody indexed me yet. " * 3,))
    found = problems(sql)
    assert found["mojibake"] == sorted(name for name in WRONG if "mojibake" in WRONG[name])
    assert found["empty document"] == ["empty"]
    assert found["other language"] == ["chinese", "german"]
    assert found["duplicate document"] == ["copy"]
    assert found["repeated line"] == [None]
    assert "long sentence" in found["cut chunk"] and "page 1" not in found["cut chunk"]
    assert found["not indexed"] == ["empty", "waiting"]
    assert set(found) >= {kind for kinds in WRONG.values() for kind in kinds} - {"tiny document"}
    row = sql.execute(
        "select detail, what_to_do from ragpg.corpus_problems where problem = 'repeated line'"
    ).fetchone()
    assert row is not None and row[0] == f"20 documents: {FOOTER}0" and "take it out" in row[1]


def test_a_reader_may_inspect(client: ragpg.Client, sql: psycopg.Connection) -> None:
    fill(client)
    sql.execute("create role inspector")
    try:
        sql.execute("select ragpg.grant_reader('inspector')")
        sql.execute("set role inspector")
        assert "mojibake" in problems(sql)
        assert sql.execute("select documents from ragpg.corpus_overview").fetchone() == (
            len(TEXTS) + 23,
        )
        assert sql.execute("select count(*) from ragpg.search_distinct('rate', 3, 'c')").fetchone()
    finally:
        sql.execute("reset role")
        sql.execute("drop owned by inspector")
        sql.execute("drop role inspector")


def test_overview(client: ragpg.Client, sql: psycopg.Connection) -> None:
    held = client.collection("c")
    held.add(text="| a | b |\n|---|---|\n| 1 | 2 |\n", source="table")
    held.add(text=SENTENCES["german"], source="german")
    held.add(text=SENTENCES["english"], source="english")
    held.add(text=SENTENCES["english"], source="copy")
    row = held.inspect().overview
    assert (row["documents"], row["chunks"], row["duplicate_chunks"]) == (4, 4, 1)
    assert row["languages"] == {"german": 1, "english": 2, "unknown": 1}
    assert row["characters"] == 30 + len(SENTENCES["german"]) + 2 * len(SENTENCES["english"])
    assert row["table_share"] == pytest.approx(27 / row["characters"])
    assert row["near_duplicate_share"] == pytest.approx(1 / 3)
    sql.execute("select ragpg.ensure_collection('nothing yet')")
    assert client.collection("nothing yet").inspect().overview["documents"] == 0
    with pytest.raises(ragpg.RagpgError, match="there is no collection"):
        client.collection("none").inspect()


# Chunks that are nearly the same ---------------------------------------------------------------


def add_vectors(client: ragpg.Client, texts: list[str], vectors: Any) -> None:
    client.collection("v").add(
        records=[
            {"text": text, "source": f"{number}", "embedding": vector}
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True))
        ]
    )


def clustered(seed: int, count: int = 60) -> tuple[list[str], Any]:
    """Returns texts with vectors (count, 8) that lie in small clusters."""
    drawn = np.random.default_rng(seed)
    centres = drawn.normal(size=(count // 4, 8))
    which = drawn.integers(len(centres), size=count)
    vectors = centres[which] + 0.12 * drawn.normal(size=(count, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    texts = [f"rate {' '.join(f'w{one}x{n}' for n in range(9))} {i}" for i, one in enumerate(which)]
    return texts, vectors.astype(np.float32)


def overlap(a: str, b: str) -> float:
    first, second = set(a.split()), set(b.split())
    return len(first & second) / len(first | second)


def test_near_duplicates_are_those_of_brute_force(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    texts, vectors = clustered(1)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    expected = {
        (a, b)
        for a, b in combinations(range(len(texts)), 2)
        if cosines[a, b] >= 0.95 and overlap(texts[a], texts[b]) >= 0.8
    }
    assert len(expected) > 20
    rows = sql.execute(
        "select first_source, second_source, similarity, overlap"
        " from ragpg.near_duplicates('v', neighbours => 59)"
    ).fetchall()
    assert {tuple(sorted((int(a), int(b)))) for a, b, _, _ in rows} == expected
    assert len(rows) == len(expected)
    for a, b, similarity, shared in rows:
        assert similarity == pytest.approx(cosines[int(a), int(b)], abs=1e-3)
        assert shared == pytest.approx(overlap(texts[int(a)], texts[int(b)]))


def test_near_duplicates_use_the_vector_index(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    texts, vectors = clustered(2, 2000)
    add_vectors(client, texts, vectors)
    sql.execute("select pg_stat_reset()")
    sql.execute("select count(*) from ragpg.near_duplicates('v', chunks => 25)")
    sql.execute("select pg_stat_force_next_flush()")
    rows = sql.execute(
        "select idx_scan from pg_stat_user_indexes where indexrelname like '%hnsw%'"
    ).fetchall()
    assert rows == [(25,)]


def test_copies_are_paired_and_other_words_are_not(
    client: ragpg.Client, sql: psycopg.Connection
) -> None:
    same = [1.0, *[0.0] * 7]
    texts = ["one two three four five", "one two three four five", "list of other things here"]
    add_vectors(client, texts, np.array([same] * 3, np.float32))
    rows = sql.execute("select first_source, second_source from ragpg.near_duplicates('v')")
    assert rows.fetchall() == [("0", "1")]
    rows = sql.execute("select count(*) from ragpg.near_duplicates('v', min_overlap => 0)")
    assert rows.fetchall() == [(3,)]


# Search without near-duplicates ----------------------------------------------------------------


def search(sql: psycopg.Connection, query: Any, k: int, options: str = "") -> list[tuple[Any, ...]]:
    return sql.execute(
        "select place, source, content, similarity from ragpg.search_distinct('', %s, 'v',"
        f" query_embedding => %s::real[]::halfvec, mode => 'vector'{options}) order by place",
        (k, query.tolist()),
    ).fetchall()


@pytest.mark.parametrize("k", [1, 5, 12, 60])
def test_search_distinct_is_what_brute_force_keeps(
    client: ragpg.Client, sql: psycopg.Connection, k: int
) -> None:
    texts, vectors = clustered(3)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    query = units[7] + 0.3 * units[20]
    kept: list[int] = []
    for one in np.argsort(-(units @ query), kind="stable"):
        if not any(
            units[one] @ units[other] >= 0.95 and overlap(texts[one], texts[other]) >= 0.8
            for other in kept
        ):
            kept.append(int(one))
    assert 12 < len(kept) < 60
    found = search(sql, query, k)
    assert [int(row[1]) for row in found] == kept[:k]
    assert [row[0] for row in found] == list(range(1, len(found) + 1))


def test_maximal_marginal_relevance(client: ragpg.Client, sql: psycopg.Connection) -> None:
    texts, vectors = clustered(4, 24)
    add_vectors(client, texts, vectors)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    query = units[0]
    similarity = units @ query
    scores = (similarity - similarity.min()) / (similarity.max() - similarity.min())
    nearest = np.zeros(24)
    picks: list[int] = []
    for _ in range(6):
        value = 0.6 * scores - 0.4 * nearest
        value[picks] = -np.inf
        picks.append(int(np.argmax(value)))
        nearest = np.maximum(nearest, units @ units[picks[-1]])
    found = search(sql, query, 6, ", relevance => 0.6, max_similarity => 2")
    assert [int(row[1]) for row in found] == picks


def test_distinct_hits_from_python(client: ragpg.Client, sql: psycopg.Connection) -> None:
    held = client.collection("c")
    text = "The refund is paid in five days, whatever the reason for it was"
    for number in range(12):
        held.add(text=f"{text} {number}.", source=f"copy {number}")
    held.add(text="A refund needs the receipt.", source="receipt")
    assert [hit.source for hit in held.search("refund", 3, distinct=True)] != [
        hit.source for hit in held.search("refund", 3)
    ]
    hits = held.search("refund", 5, distinct=True)
    assert sorted(hit.source.split()[0] for hit in hits) == ["copy", "receipt"]
    with pytest.raises(psycopg.Error, match="relevance is 2") as caught:
        sql.execute("select * from ragpg.search_distinct('refund', 3, 'c', relevance => 2)")
    assert caught.value.sqlstate == "RG005"


# Files -----------------------------------------------------------------------------------------


def test_files_and_what_is_stored_agree(client: ragpg.Client, tmp_path: Path) -> None:
    for name, text in TEXTS.items():
        if name != "empty":
            (tmp_path / f"{name}.txt").write_text(f"{text}\n\nThis is {name}.\n", newline="")
    for number in range(20):
        page = f"# Page {number}\n\nText {number * 7919} of it.\n\n{FOOTER}{number}\n"
        (tmp_path / f"{number}.md").write_text(page)
    (tmp_path / "copy.txt").write_text((tmp_path / "plain.txt").read_text())
    near = "\n".join(f"Clause {n} of this contract." for n in range(20))
    (tmp_path / "near one.md").write_text(near + "\nFirst version.\n")
    (tmp_path / "near two.md").write_text(near + "\nSecond version.\n")
    (tmp_path / "german.md").write_text(SENTENCES["german"] * 3)
    (tmp_path / "broken.pdf").write_text("no PDF at all")
    files = inspecting.inspect_files([tmp_path])
    assert len(files.failures) == 1 and "broken.pdf" in files.failures[0]
    held = client.collection("c")
    held.add(tmp_path)
    stored = held.inspect()
    only_stored = {"cut chunk", "not indexed"}
    assert sorted((one.problem, one.source or "", one.detail) for one in files.problems) == sorted(
        (one.problem, one.source or "", one.detail)
        for one in stored.problems
        if one.problem not in only_stored
    )
    assert {one.problem for one in files.problems} >= {
        "near-duplicate document", "duplicate document", "repeated line", "other language"
    }  # fmt: skip
    for name in ("documents", "characters", "median_characters", "table_share", "code_share"):
        assert files.overview[name] == stored.overview[name], name


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.md").write_text(TEXTS["mojibake"])
    (tmp_path / "good.md").write_text(LONG * 5)
    monkeypatch.setenv("RAGPG_DATABASE_URL", "postgresql://localhost:1/nothing")  # not needed
    runner = CliRunner()
    done = runner.invoke(entry.app, ["inspect", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "2 documents" in done.output and "languages: english 2" in done.output
    assert "mojibake: 1  UTF-8 was read" in done.output
    assert f"{tmp_path}/bad.md: 4 times: Das Caf" in done.output
    done = runner.invoke(entry.app, ["inspect", str(tmp_path), "--json"])
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["problem"] == "mojibake"
    (tmp_path / "bad.md").write_text("\x1b[31mred\x1b[0m alarm. " + LONG)
    done = runner.invoke(entry.app, ["inspect", str(tmp_path)])
    assert "2 times: <U+001B>[31mred<U+001B>[0m alarm" in done.output
    done = runner.invoke(entry.app, ["inspect"])
    assert isinstance(done.exception, ragpg.RagpgError)
