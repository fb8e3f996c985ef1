"""A sentence-transformers model, trained further on questions and the chunks that answer them.

The loss is sentence-transformers' MultipleNegativesRankingLoss (InfoNCE, van den Oord et al. 2018,
with hard negatives as in Karpukhin et al. 2020): a question's answer against all other chunks of
its batch. Written out here because chunks that are known to answer a question must not be its
negatives when they stand in the batch for another one; and the library's loop needs `datasets` and
`accelerate`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ragpg.models.local import SentenceTransformerEmbedder, computes_bfloat16

Progress = Callable[[int, int], None]
_SCALE = 20.0  # of the cosines: temperature 0.05, as these models were trained
_WARM_UP = 0.1  # of the steps, in which the learning rate rises


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the chunk that answers it, chunks that do not, and all that are known to.

    Chunks are ids; `train` is given their texts.
    """

    question: str
    positive: int
    negatives: tuple[int, ...]
    relevant: frozenset[int]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the same recipe, examples and machine give the same model."""

    epochs: int = 1
    batch_size: int = 16
    learning_rate: float = 2e-5
    seed: int = 0


def train(
    base: str,
    examples: Sequence[Example],
    texts: dict[int, str],
    recipe: Recipe,
    folder: Path,
    progress: Progress | None = None,
) -> None:
    """Trains a copy of the model and saves it in `folder`; `progress` hears examples done, all."""
    import torch

    torch.manual_seed(recipe.seed)
    model = SentenceTransformerEmbedder(base, exact=True).load()
    model.to("cpu")
    model.train()
    steps = recipe.epochs * -(-len(examples) // recipe.batch_size)
    optimizer = torch.optim.AdamW(_groups(model), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    done = 0
    for batch in _batches(examples, recipe):
        with torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16()):
            loss = _loss(model, batch, texts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        done += len(batch)
        if progress:
            progress(done, recipe.epochs * len(examples))
    model.eval()
    model.save(str(folder), create_model_card=False)


def _loss(model: Any, batch: Sequence[Example], texts: dict[int, str]) -> Any:
    import torch

    chunks = list(dict.fromkeys(key for one in batch for key in (one.positive, *one.negatives)))
    places = {key: place for place, key in enumerate(chunks)}
    prompts = {name: model.prompts.get(name) or "" for name in ("query", "document")}
    asked = _embed(model, [prompts["query"] + one.question for one in batch])
    read = _embed(model, [prompts["document"] + texts[key] for key in chunks])
    scores = _SCALE * asked @ read.T
    answers = [[key in one.relevant and key != one.positive for key in chunks] for one in batch]
    scores = scores.masked_fill(torch.tensor(answers), float("-inf"))
    wanted = torch.tensor([places[one.positive] for one in batch])
    return torch.nn.functional.cross_entropy(scores.float(), wanted)


def _embed(model: Any, texts: list[str]) -> Any:
    import torch

    vectors = model(model.preprocess(texts))["sentence_embedding"]
    return torch.nn.functional.normalize(vectors, dim=1)


def _batches(examples: Sequence[Example], recipe: Recipe) -> Iterator[list[Example]]:
    drawn = random.Random(recipe.seed)
    for _ in range(recipe.epochs):
        order = list(examples)
        drawn.shuffle(order)
        for first in range(0, len(order), recipe.batch_size):
            yield order[first : first + recipe.batch_size]


def _rate(step: int, steps: int) -> float:
    """Returns the share of the learning rate: up in a tenth of the steps, then down to 0."""
    warm = max(1, round(_WARM_UP * steps))
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


def _groups(model: Any) -> list[dict[str, Any]]:
    """Returns the parameters, those of one dimension (biases, norms) without weight decay."""
    wide = [one for one in model.parameters() if one.dim() > 1]
    narrow = [one for one in model.parameters() if one.dim() <= 1]
    return [{"params": wide, "weight_decay": 0.01}, {"params": narrow, "weight_decay": 0.0}]
