"""Which embedding model a name means."""

from __future__ import annotations

from ragpg.errors import SettingsError
from ragpg.models.embedding import Embedder
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
