"""What `ragpg index build --contextual` and `continue` say, ask and spend."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Annotated, Any

import typer

from ragpg.cli.console import count_progress, err, out, print_json
from ragpg.contexts.situating import ContextEstimate, prices_of
from ragpg.errors import AnswerError, BadArgument, CapReached
from ragpg.models import Budget

MOST_TOKENS = 2_000_000

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what the sentences would take; ask nothing.")
]
MaxTokens = Annotated[
    int, typer.Option(help="Most tokens this run may take for sentences, read and written.")
]
MaxCost = Annotated[float | None, typer.Option(help="Most they may cost, by ragpg.model_prices.")]
Batched = Annotated[
    bool, typer.Option("--batch", help="Message Batches API: half the price, within a day.")
]


def make_budget(
    client: Any, model: str, max_tokens: int, max_cost: float | None, batch: bool
) -> Budget:
    """Returns the cap of a run; raises BadArgument for a cost of a model without prices."""
    prices = prices_of(client.session, model)
    if max_cost is not None and prices is None:
        raise BadArgument(f'--max-cost: ragpg.model_prices has no row for "{model}": insert one')
    cost = None if max_cost is None else Decimal(str(max_cost))
    return Budget(max_tokens, cost, prices, batch)


def write_contexts(client: Any, index_id: int, budget: Budget) -> None:
    """Has the missing sentences written; says what it took, and where it ended how to go on."""
    batch = " --batch" if budget.batch else ""
    try:
        with count_progress("situating") as progress:
            indexes = client.collection().indexes
            indexes.write_contexts(index_id, budget, batch=budget.batch, progress=progress)
    except CapReached as error:
        raise CapReached(
            f"{error}; {_spent(budget)}. What is written is kept; to go on: "
            f"ragpg index continue {index_id}{batch}, with the cap of the next run"
        ) from error
    except AnswerError as error:
        raise AnswerError(
            f"{error}; what is written is kept; to go on: ragpg index continue {index_id}{batch}"
        ) from error
    if budget.spent.tokens:
        err.print(_spent(budget))


def _spent(budget: Budget) -> str:
    took = f"the sentences took {budget.spent.tokens:,} tokens"
    if budget.prices is None:
        return took
    return f"{took}, {budget.spent.cost(budget.prices, batch=budget.batch):.2f} by model_prices"


def print_estimate(found: ContextEstimate, as_json: bool) -> None:
    """Prints what the sentences would take."""
    if as_json:
        print_json(asdict(found))
        return
    usage = found.usage
    cost = (
        "no cost: ragpg.model_prices has no row for it"
        if found.cost is None
        else f"a cost of about {found.cost:.2f}"
    )
    out.print(
        f"{found.documents:,} documents, {found.chunks:,} chunks, {found.known:,} of them written "
        f"or in a batch: {found.calls:,} calls of {found.model}, about {usage.input_tokens:,} "
        f"tokens read, {usage.cache_creation_tokens:,} cached, {usage.cache_read_tokens:,} read "
        f"from the cache, {usage.output_tokens:,} written; {cost}; nothing was asked"
    )
