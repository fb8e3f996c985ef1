"""Which embedding model a name means."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ragpg.errors import ModelMismatch, SettingsError
from ragpg.models.embedding import PROBE_TEXT, Embedder
from ragpg.models.hosted import HOSTED
from ragpg.models.local import SentenceTransformerEmbedder


def open_embedder(name: str) -> Embedder:
    """Returns the embedder of that name; nothing is loaded or asked before its first use.

    `openai/MODEL`, `voyage/MODEL` and `cohere/MODEL`, each also with `@DIMENSIONS`, are hosted;
    everything else is a sentence-transformers model by name or folder (one whose name begins like
    a hosted one's is `sentence-transformers/openai/...`). Raises SettingsError for dimensions that
    are no number.
    """
    provider, _, model = name.partition("/")
    if provider not in HOSTED or not model:
        return SentenceTransformerEmbedder(name)
    model, separator, dimensions = model.partition("@")
    if separator and not (dimensions.isdecimal() and int(dimensions) > 0):
        raise SettingsError(
            f'the embedding model "{name}" has dimensions that are no number: '
            f"{provider}/{model}@512, or {provider}/{model} for all it has"
        )
    return HOSTED[provider](model, int(dimensions) if separator else None)


def check_same_model(provider: str, name: str, probe: NDArray[Any], embedder: Embedder) -> None:
    """Raises ModelMismatch unless the embedder is the model an index was built with.

    Names are compared, and then what the model makes of the probe text, whose embedding then is
    `probe` (d): another model behind the same name would not fail, it would return noise.
    """
    if (provider, name) != (embedder.provider, embedder.name):
        raise ModelMismatch(
            f'the collection was embedded with "{name}", the query would be with '
            f'"{embedder.name}": set RAGPG_EMBEDDING_MODEL={name}'
        )
    found = embedder.embed_documents([PROBE_TEXT])[0]  # as it was registered
    cosine = float(found @ probe.astype("float32")) if len(found) == len(probe) else 0.0
    if cosine < 0.99:
        raise ModelMismatch(
            f'the model "{embedder.name}" gives another embedding here than when the collection '
            f"was built (cosine {cosine:.4f} of the probe text)"
        )
