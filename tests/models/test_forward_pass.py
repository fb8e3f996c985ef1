"""The forward pass in SQL agrees with torch's; what cannot be computed is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ragpg.encoders.encoders import VERIFICATION_TEXTS, load_encoder, verify_encoder
from ragpg.errors import EmbeddingError
from ragpg.models import Progress, Vectors

from .small_models import SMALL, Sql, add_model, build_model, minilm_folder, queries


class Reference:
    """A sentence-transformers model of a folder, in float32."""

    provider = "sentence-transformers"
    name = "reference"
    max_tokens = 60

    def __init__(self, folder: Path) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        self.model: Any = SentenceTransformer(
            str(folder), model_kwargs={"dtype": torch.float32}, local_files_only=True
        )
        self.model.max_seq_length = min(64, int(self.model.max_seq_length or 64))

    def token_starts(self, text: str) -> Sequence[int]:
        raise AssertionError("only questions are embedded here")

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        raise AssertionError("only questions are embedded here")

    def embed_query(self, text: str) -> Vectors:
        vector = np.asarray(self.model.encode_query(text), np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)


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
