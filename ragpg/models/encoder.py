"""A BERT model's files as the rows with which SQL alone embeds a question."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ragpg.errors import EmbeddingError
from ragpg.models.vectors import HalfVector, Vector

MAX_QUERY_TOKENS = 64
Array = NDArray[np.float64]
Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True)
class EncoderSettings:
    """A row of ragpg.encoders: how a model's tokens and layers are to be computed."""

    layers: int
    heads: int
    width: int
    pooling: str
    lower_case: bool
    strip_accents: bool
    unknown_token_id: int
    first_token_id: int
    last_token_id: int
    special_tokens: list[str]
    longest_token: int
    query_prefix: str
    max_query_tokens: int
    layer_norm_epsilon: float


@dataclass(frozen=True)
class EncoderFiles:
    """What a model's folder holds; rows come without the model's key."""

    settings: EncoderSettings
    vocabulary: dict[str, int]
    _tensors: dict[str, Array]

    def embeddings(self) -> Rows:
        """Yields (token id, embedding)."""
        for number, row in enumerate(self._tensors["embeddings.word_embeddings.weight"]):
            yield number, HalfVector(row)

    def positions(self) -> Rows:
        """Yields (place from 1, embedding), as many as a query has tokens."""
        positions = self._tensors["embeddings.position_embeddings.weight"]
        positions = positions + self._tensors["embeddings.token_type_embeddings.weight"][0]
        for place, row in enumerate(positions[: self.settings.max_query_tokens], start=1):
            yield place, Vector(row)

    def norms(self) -> Rows:
        """Yields (layer from 0, gain and shift after attention, gain and shift at its end)."""
        for layer in range(self.settings.layers + 1):
            yield (layer, *_norms(self._tensors, layer, self.settings.width))

    def weights(self) -> Rows:
        """Yields (layer, matrix, row of the matrix, its weights), all from 1."""
        head_width = self.settings.width // self.settings.heads
        for layer in range(1, self.settings.layers + 1):
            for matrix, rows in enumerate(_matrices(self._tensors, layer, head_width), start=1):
                for place, row in enumerate(rows, start=1):
                    yield layer, matrix, place, Vector(row)


def read_encoder(folder: Path) -> EncoderFiles:
    """Returns the model of a folder, as sentence-transformers saves it.

    Raises EmbeddingError when it is none that SQL can compute.
    """
    from safetensors.numpy import load_file

    config = _json(folder, "config.json")
    _check_architecture(config)
    pooling = _read_pooling(folder)
    tokens = _read_tokens(folder)
    prefix, longest = _read_query_settings(folder)
    weights = folder / "model.safetensors"
    if not weights.exists():
        raise EmbeddingError(f"{folder} has no model.safetensors: save the model in that format")
    tensors = {
        name.removeprefix("bert."): tensor.astype(np.float64)
        for name, tensor in load_file(weights).items()
    }
    settings = EncoderSettings(
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        width=int(config["hidden_size"]),
        pooling=pooling,
        lower_case=tokens.lower_case,
        strip_accents=tokens.strip_accents,
        unknown_token_id=tokens.vocabulary[tokens.unknown],
        first_token_id=tokens.vocabulary[tokens.first],
        last_token_id=tokens.vocabulary[tokens.last],
        special_tokens=tokens.special,
        longest_token=max(len(token.removeprefix("##")) for token in tokens.vocabulary),
        query_prefix=prefix,
        max_query_tokens=min(MAX_QUERY_TOKENS, longest, int(config["max_position_embeddings"])),
        layer_norm_epsilon=float(config.get("layer_norm_eps", 1e-12)),
    )
    return EncoderFiles(settings, tokens.vocabulary, tensors)


# What the folder holds -------------------------------------------------------------------------


def _json(folder: Path, name: str, missing: Any = None) -> Any:
    path = folder / name
    if not path.exists():
        if missing is None:
            raise EmbeddingError(f"{folder} has no {name}: it is no sentence-transformers model")
        return missing
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Tokens:
    """A WordPiece tokenizer's vocabulary and settings."""

    vocabulary: dict[str, int]
    special: list[str]
    lower_case: bool
    strip_accents: bool
    unknown: str
    first: str
    last: str


def _unsupported(what: str) -> EmbeddingError:
    return EmbeddingError(f"the model cannot be computed in the database: {what}")


def _check_architecture(config: dict[str, Any]) -> None:
    if config.get("model_type") != "bert":
        raise _unsupported(f"its architecture is {config.get('model_type')}, not bert")
    if config.get("hidden_act") != "gelu":
        raise _unsupported(f"its activation is {config.get('hidden_act')}, not gelu")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise _unsupported(f"its positions are {config['position_embedding_type']}, not absolute")
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise _unsupported("it is a decoder")


def _read_pooling(folder: Path) -> str:
    modules = _json(folder, "modules.json")
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise _unsupported(f"its modules are {', '.join(kinds)}")
    if modules[0]["path"]:
        raise _unsupported("its transformer is in a folder of its own")
    pooling = _json(folder / modules[1]["path"], "config.json")
    mode = pooling.get("pooling_mode")  # since sentence-transformers 6
    modes = (
        [
            name.removeprefix("pooling_mode_")
            for name, value in pooling.items()
            if name.startswith("pooling_mode_") and value is True
        ]
        if mode is None
        else [mode]
        if isinstance(mode, str)
        else list(mode)
    )
    if modes in (["mean_tokens"], ["mean"]):
        found = "mean"
    elif modes in (["cls_token"], ["cls"]):
        found = "cls"
    else:
        raise _unsupported(f"its pooling is {', '.join(modes)}, not the mean or the first token")
    if not pooling.get("include_prompt", True):
        raise _unsupported("its pooling leaves out the prompt")
    return found


def _read_tokens(folder: Path) -> _Tokens:
    saved = _json(folder, "tokenizer.json")
    model, normalizer = saved["model"], saved.get("normalizer") or {}
    splitter = saved.get("pre_tokenizer") or {}
    if model.get("type") != "WordPiece" or model.get("continuing_subword_prefix") != "##":
        raise _unsupported(f"its tokenizer is {model.get('type')}, not WordPiece")
    if normalizer.get("type") != "BertNormalizer" or splitter.get("type") != "BertPreTokenizer":
        raise _unsupported("its tokenizer does not split words as BERT does")
    if not (normalizer.get("clean_text") and normalizer.get("handle_chinese_chars")):
        raise _unsupported("its tokenizer keeps control characters or joins Chinese ones")
    if model.get("max_input_chars_per_word") != 100:
        raise _unsupported("its tokenizer's longest word is not 100 characters")
    added = saved.get("added_tokens", [])
    for token in added:
        flags = ("single_word", "lstrip", "rstrip", "normalized")
        plain = token["content"].startswith("[") and not any(token[flag] for flag in flags)
        if not plain or model["vocab"].get(token["content"]) != token["id"]:
            raise _unsupported(f"its tokenizer adds the token {token['content']}")
    first, last = _read_ends(saved.get("post_processor") or {})
    strip = normalizer.get("strip_accents")
    lower_case = bool(normalizer["lowercase"])
    told = _json(folder, "tokenizer_config.json", {})
    if told.get("do_lower_case", lower_case) != lower_case:
        raise _unsupported("its two tokenizer files disagree on lower case")
    if told.get("strip_accents", strip) != strip:
        raise _unsupported("its two tokenizer files disagree on accents")
    return _Tokens(
        model["vocab"],
        [token["content"] for token in added],
        lower_case,
        lower_case if strip is None else bool(strip),
        model["unk_token"],
        first,
        last,
    )


def _read_ends(processor: dict[str, Any]) -> tuple[str, str]:
    """Returns the tokens before and after every text."""
    if processor.get("type") == "BertProcessing":
        return processor["cls"][0], processor["sep"][0]
    single = processor.get("single", [])
    ids = [part["SpecialToken"]["id"] for part in single if "SpecialToken" in part]
    if processor.get("type") != "TemplateProcessing" or len(single) != 3 or len(ids) != 2:
        raise _unsupported("its tokenizer does not put one token before and one after a text")
    return ids[0], ids[1]


def _read_query_settings(folder: Path) -> tuple[str, int]:
    """Returns the prefix of queries and the longest text in tokens."""
    prompts = _json(folder, "config_sentence_transformers.json", {})
    known = prompts.get("prompts") or {}
    name = "query" if known.get("query") is not None else prompts.get("default_prompt_name")
    limits = _json(folder, "sentence_bert_config.json", {})
    if limits.get("do_lower_case") and not _read_tokens(folder).lower_case:
        raise _unsupported("it lower-cases before its tokenizer")
    longest = limits.get("max_seq_length")
    if longest is None:
        longest = _json(folder, "tokenizer_config.json", {}).get("model_max_length")
    return str(known.get(name) or ""), int(min(longest or MAX_QUERY_TOKENS, 1_000_000))


# The numbers, as the SQL functions want them ----------------------------------------------------


def _norms(tensors: dict[str, Array], layer: int, width: int) -> list[Vector | None]:
    """Returns gain and shift after attention (none in layer 0) and at the end of a layer."""

    def norm(name: str) -> list[Vector | None]:
        gain = tensors[f"{name}.LayerNorm.weight"] * math.sqrt(width)
        return [Vector(np.append(gain, 0)), Vector(np.append(tensors[f"{name}.LayerNorm.bias"], 1))]

    if layer == 0:
        return [None, None, *norm("embeddings")]
    base = f"encoder.layer.{layer - 1}"
    return norm(f"{base}.attention.output") + norm(f"{base}.output")


def _matrices(tensors: dict[str, Array], layer: int, head_width: int) -> list[Array]:
    """Returns the five matrices of a layer, the bias their last column.

    Their sign is turned, because pgvector's <#> turns it; the queries' is not, because the
    product with the keys turns it once more.
    """

    def matrix(name: str) -> Array:
        base = f"encoder.layer.{layer - 1}.{name}"
        return np.column_stack([tensors[f"{base}.weight"], tensors[f"{base}.bias"]])

    queries = matrix("attention.self.query") / math.sqrt(head_width)
    out = -matrix("output.dense")
    out[:, :-1] /= math.sqrt(2)
    return [
        np.concatenate([queries, -matrix("attention.self.key")]),
        -matrix("attention.self.value"),
        -matrix("attention.output.dense"),
        -matrix("intermediate.dense") / math.sqrt(2),
        out,
    ]
