"""`ragpg advise`, `feedback` and `finetune`: behaviour in the weights, facts in retrieval."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ragpg.cli.console import (
    CollectionName,
    Json,
    count_progress,
    err,
    open_client,
    out,
    print_json,
)
from ragpg.cli.help import Commands

if TYPE_CHECKING:
    from ragpg.client import Client
    from ragpg.finetuning.jobs import Job
    from ragpg.finetuning.providers import Provider

finetune = typer.Typer(
    cls=Commands,
    help="Fine-tuning: write a dataset from what people vouched for, check it, submit it.",
    no_args_is_help=True,
)
_SHOWN = 20
BEDROCK = "bedrock/"
WaitOption = Annotated[bool, typer.Option("--wait", help="Until the job has ended.")]


def advise(collection: CollectionName = "default", as_json: Json = False) -> None:
    """Retrieval or fine-tuning? Walks the decision with what the database knows; asks no model."""
    with open_client() as client:
        rows = client.collection(collection).finetuning.advise()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        style = "bold green" if row["step"] == "verdict" else "bold"
        out.print(Text(f"{row['step']} ", style) + Text(row["points_to"], "cyan"))
        out.print(Text(f"  {row['finding']}"))
        out.print(Text(f"  {row['next_command']}", "dim"))


def feedback(
    answer_id: Annotated[int, typer.Argument(help="Id of the answer, as ask --json tells it.")],
    rating: Annotated[str, typer.Argument(help="good or bad.")],
    corrected: Annotated[
        str | None, typer.Option(help="What it should have said; @FILE reads a file.")
    ] = None,
    comment: Annotated[str, typer.Option(help="A remark.")] = "",
) -> None:
    """Say whether an answer was good, and what it should have said."""
    if corrected and corrected.startswith("@"):
        corrected = Path(corrected[1:]).read_text(encoding="utf-8")
    with open_client() as client:
        client.feedback(answer_id, rating, corrected_text=corrected, comment=comment)
    out.print(f"stored: answer {answer_id} is {rating}" + (", corrected" if corrected else ""))


@finetune.command("export")
def finetune_export(
    path: Annotated[Path, typer.Argument(help="File to write, such as train.jsonl.")],
    collection: CollectionName = "default",
    name: Annotated[
        str | None, typer.Option("--set", "-s", help="Only this evaluation set.")
    ] = None,
    statement: Annotated[
        str | None, typer.Option("--sql", help="Any query with question and answer (and split_by).")
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts", help="Leave the hits out: the facts are learned by heart.")
    ] = False,
    k: Annotated[int, typer.Option("-k", help="Hits before each question.")] = 8,
    validation_share: Annotated[float, typer.Option(min=0, max=1)] = 0.1,
    drop_flagged: Annotated[
        bool, typer.Option("--drop-flagged", help="Leave out what looks secret or personal.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite")] = False,
    as_json: Json = False,
) -> None:
    """Write chat JSONL from answers people accepted or corrected, and from evaluation sets.

    The hits of each question stand before it, so that the form is learned and the facts stay in
    retrieval. Examples about one document are all in the training or all in the validation file.
    """
    with open_client() as client, count_progress("writing") as progress:
        done = client.collection(collection).finetuning.export(
            path,
            evaluation_set=name,
            statement=statement,
            k=None if facts else k,
            validation_share=validation_share,
            drop_flagged=drop_flagged,
            overwrite=overwrite,
            progress=lambda written: progress(written, None),
        )
    if as_json:
        print_json(asdict(done))
        return
    for file, line, kinds in done.flagged[:_SHOWN]:
        out.print(Text(f"{file}, line {line}: {', '.join(kinds)}", "yellow"))
    if len(done.flagged) > _SHOWN:
        out.print(f"and {len(done.flagged) - _SHOWN} more; --drop-flagged leaves them out")
    out.print(
        f"{done.training} examples for training, {done.validation} for validation, "
        f"{done.duplicates} duplicates, {done.dropped} dropped"
    )
    out.print(f"next: ragpg finetune validate {path}")


@finetune.command("validate")
def finetune_validate(
    path: Annotated[Path, typer.Argument(help="The training file.")],
    validation: Annotated[
        Path | None, typer.Option("--validation", help="The validation file, to find leaks.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a chat dataset, also one made elsewhere; exits with 1 when something is wrong."""
    from ragpg.finetuning.datasets import validate

    found = validate(path, validation)
    if as_json:
        print_json(asdict(found))
    else:
        for one in found.problems[:_SHOWN]:
            where = one.file + (f", line {one.line}" if one.line else "")
            kind = Text("error: ", "red") if one.is_error else Text("warning: ", "yellow")
            out.print(kind + Text(f"{where}: {one.message}"))
        for name, count in found.counts.items():
            out.print(f"{count:>8,}  {name}")
        out.print(
            f"{found.examples:,} examples, about {found.tokens_median:,} tokens each (median), "
            f"{found.tokens_most:,} at most; {found.errors:,} errors"
        )
    if found.errors:
        raise typer.Exit(1)


@finetune.command("submit")
def finetune_submit(
    path: Annotated[Path, typer.Argument(help="The training file.")],
    base_model: Annotated[
        str, typer.Option("--model", help="The model to fine-tune; bedrock/ID is one of Bedrock's.")
    ],
    validation: Annotated[Path | None, typer.Option(help="The validation file.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="A hyperparameter of the provider, NAME=VALUE; may be repeated."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Although it was submitted.")] = False,
    wait: WaitOption = False,
    as_json: Json = False,
) -> None:
    """Hand a dataset to OpenAI's fine-tuning API, a server that speaks it, or Amazon Bedrock.

    OPENAI_API_KEY and OPENAI_BASE_URL say where; Bedrock takes the account and region as boto3
    finds them, RAGPG_BEDROCK_BUCKET (s3://NAME/PREFIX) and RAGPG_BEDROCK_ROLE (ARN). The dataset
    is checked before. Interrupted, the same command goes on; the same data is not submitted twice
    unless told to.
    """
    from ragpg.finetuning import jobs

    parameters = dict(_named(one) for one in parameter or [])
    with open_client() as client:
        provider = _provider(client, BEDROCK if base_model.startswith(BEDROCK) else "")
        job = jobs.submit(
            client.database,
            provider,
            path,
            base_model=base_model.removeprefix(BEDROCK).removeprefix("openai/"),
            validation=validation,
            parameters=parameters,
            again=again,
        )
        _tell(client, provider, job, wait, as_json)


@finetune.command("status")
def finetune_status(
    job_id: Annotated[int | None, typer.Argument(help="Id of a job; all without it.")] = None,
    wait: WaitOption = False,
    as_json: Json = False,
) -> None:
    """Tell what became of fine-tuning jobs; with an id the provider is asked."""
    from ragpg.finetuning import jobs

    with open_client() as client:
        if job_id is not None:
            job = jobs.read(client.database, job_id)
            provider = _provider(client, job.provider)
            job = jobs.refresh(client.database, provider, job_id)
            _tell(client, provider, job, wait, as_json)
            return
        found = jobs.jobs(client.database)
    if as_json:
        print_json([asdict(job) for job in found])
        return
    for job in found:
        out.print(_line(job))
    if not found:
        out.print("no job yet: ragpg finetune submit FILE --model MODEL")


@finetune.command("cancel")
def finetune_cancel(
    job_id: Annotated[int, typer.Argument(help="Id of the job.")], as_json: Json = False
) -> None:
    """Cancel a fine-tuning job."""
    from ragpg.finetuning import jobs

    with open_client() as client:
        provider = _provider(client, jobs.read(client.database, job_id).provider)
        job = jobs.cancel(client.database, provider, job_id)
        _tell(client, provider, job, False, as_json)


def _named(text: str) -> tuple[str, float | str]:
    """Returns the name and value of NAME=VALUE, a number if it is one."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    try:
        return name, int(value) if value.isdigit() else float(value)
    except ValueError:
        return name, value


def _provider(client: Client, name: str) -> Provider:
    from ragpg.finetuning import providers as providers

    if name.rstrip("/") == providers.BedrockJobs.name:
        config = client.session.settings
        return providers.BedrockJobs(config.bedrock_bucket, config.bedrock_role)
    return providers.OpenAIJobs()


def _tell(client: Client, provider: Provider, job: Job, wait: bool, as_json: bool) -> None:
    from ragpg.finetuning import jobs

    if wait:
        with err.status(f"job {job.id}: {job.state}") as shown:
            job = jobs.wait(
                client.database,
                provider,
                job.id,
                on_state=lambda now: shown.update(f"job {now.id}: {now.state}"),
            )
    if as_json:
        print_json(asdict(job))
    else:
        out.print(_line(job))
    if job.state == "failed":
        raise typer.Exit(1)


def _line(job: Job) -> Text:
    known = f"{job.job_id} of {job.provider}" if job.job_id else "not sent yet"
    model = f", gave {job.finished_model}" if job.finished_model else ""
    error = f": {job.error}" if job.error else ""
    line = Text(f"job {job.id} ({known}), {job.base_model}{model}: ")
    return line.append(f"{job.state}{error}", "red" if job.state == "failed" else "bold")
