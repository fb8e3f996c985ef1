"""Fine-tuning jobs as rows of ragpg.finetune_jobs.

A submission may be killed at any point: the row is there before the upload, a file goes under its
hash and the job under its row's name, so that the next call finds what exists and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from ragpg.database import Database
from ragpg.errors import BadArgument
from ragpg.finetuning import queries
from ragpg.finetuning.datasets import validate
from ragpg.finetuning.providers import Provider, Sent, hash_file

ENDED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Job:
    """A row of ragpg.finetune_jobs; `state` is a word of OpenAI's API, `uploading` before it."""

    id: int
    provider: str
    base_model: str
    training_file_id: str | None
    validation_file_id: str | None
    job_id: str | None
    state: str
    finished_model: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


def submit(
    database: Database,
    provider: Provider,
    path: Path,
    *,
    base_model: str,
    validation: Path | None = None,
    parameters: dict[str, Any] | None = None,
    again: bool = False,
) -> Job:
    """Uploads a dataset and starts a job, or goes on with one that was interrupted.

    `parameters` are the provider's hyperparameters. Raises BadArgument when `finetuning.validate`
    finds an error, or the data was submitted before (and not `again`).
    """
    checked = validate(path, validation)
    if checked.errors:
        raise BadArgument(
            f"{path} has {checked.errors} errors, such as: "
            f"{next(one.message for one in checked.problems if one.is_error)} "
            f"(ragpg finetune validate {path})"
        )
    row = {
        "provider": provider.name,
        "base_model": base_model,
        "training_hash": hash_file(path),
        "validation_hash": validation and hash_file(validation),
        "parameters": Jsonb(parameters or {}),
        "again": again,
    }
    job = read(database, database.value(queries.START_FINETUNING, **row))
    training = job.training_file_id or provider.upload(path)
    checking = job.validation_file_id or (validation and provider.upload(validation))
    _note(database, job.id, training_file_id=training, validation_file_id=checking)
    name = f"ragpg-{job.id}-{job.created_at:%y%m%d%H%M%S}"
    sent = provider.find(name, training) or provider.start(
        name, base_model, training, checking or None, parameters or {}
    )
    return _note_sent(database, job.id, sent)


def refresh(database: Database, provider: Provider, job_id: int) -> Job:
    """Returns the job as the provider tells it now."""
    job = read(database, job_id)
    if job.job_id is None or job.has_ended:
        return job
    return _note_sent(database, job.id, provider.retrieve(job.job_id))


def wait(
    database: Database,
    provider: Provider,
    job_id: int,
    *,
    seconds: float = 15,
    on_state: Callable[[Job], None] = lambda job: None,
) -> Job:
    """Asks every so many seconds until the job has ended; interrupted, nothing is lost."""
    while True:
        job = refresh(database, provider, job_id)
        on_state(job)
        if job.has_ended or job.job_id is None:
            return job
        time.sleep(seconds)


def cancel(database: Database, provider: Provider, job_id: int) -> Job:
    """Cancels a job that the provider has; one that has ended stays as it is."""
    job = read(database, job_id)
    if job.has_ended:
        return job
    if job.job_id is None:
        return _note(database, job.id, state="cancelled")
    return _note_sent(database, job.id, provider.cancel(job.job_id))


def read(database: Database, job_id: int) -> Job:
    """Returns a job; raises BadArgument when there is none."""
    found = [job for job in jobs(database) if job.id == job_id]
    if not found:
        raise BadArgument(f"there is no fine-tuning job {job_id}: ragpg finetune status")
    return found[0]


def jobs(database: Database) -> list[Job]:
    """Returns all jobs, newest first."""
    return database.records(Job, queries.FINETUNE_JOBS)


def _note(database: Database, row_id: int, **values: Any) -> Job:
    names = ("training_file_id", "validation_file_id", "job_id", "state", "finished_model", "error")
    parameters = {**dict.fromkeys(names), **values, "id": row_id}
    database.execute(queries.NOTE_FINETUNE_JOB, **parameters)
    return read(database, row_id)


def _note_sent(database: Database, row_id: int, sent: Sent) -> Job:
    return _note(database, row_id, **asdict(sent))
