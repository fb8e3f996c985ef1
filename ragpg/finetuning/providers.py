"""Whose machines fine-tune: OpenAI's API (and servers that speak it), Amazon Bedrock.

A call that was killed is made again, so each of them finds what exists before it makes anything:
a file by the hash of its content, a job by the name that its row gave it.

https://platform.openai.com/docs/api-reference/fine-tuning,
https://docs.aws.amazon.com/bedrock/latest/userguide/custom-models.html (both read 2026-11).
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ragpg.errors import BadArgument, RagpgError, SettingsError

# Bedrock's words for the states of OpenAI's API, which are ours.
_STATES = {
    "InProgress": "running",
    "Completed": "succeeded",
    "Failed": "failed",
    "Stopping": "cancelling",
    "Stopped": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What a provider tells of a job; `state` in the words of OpenAI's API."""

    job_id: str
    state: str
    finished_model: str | None
    error: str | None


class Provider(Protocol):
    """What `ragpg.finetuning.jobs` asks of a provider."""

    name: str

    def upload(self, path: Path) -> str:
        """Returns the provider's name of the file; one that is there already is not sent again."""

    def find(self, name: str, training_file: str) -> Sent | None:
        """Returns the job of this name, if there is one."""

    def start(
        self,
        name: str,
        base_model: str,
        training_file: str,
        validation_file: str | None,
        parameters: dict[str, Any],
    ) -> Sent:
        """Starts a job."""

    def retrieve(self, job_id: str) -> Sent:
        """Returns the job as it stands."""

    def cancel(self, job_id: str) -> Sent:
        """Stops the job and returns it."""


class OpenAIJobs:
    """Jobs of OpenAI's API; key and address are OPENAI_API_KEY and OPENAI_BASE_URL."""

    name = "openai"

    def __init__(self) -> None:
        try:
            import openai
        except ImportError as error:
            raise SettingsError(
                "jobs of OpenAI's API need its package: pip install 'ragpg[openai]'"
            ) from error
        try:
            self.api = openai.OpenAI()
        except openai.OpenAIError as error:
            raise SettingsError("fine-tuning needs a key: set OPENAI_API_KEY") from error
        self.failures = openai.OpenAIError

    def upload(self, path: Path) -> str:
        name = f"ragpg-{hash_file(path).hex()[:32]}.jsonl"
        size = path.stat().st_size
        with _told_plainly(self.failures):
            for one in self.api.files.list(purpose="fine-tune"):
                if one.filename == name and one.bytes == size:
                    return one.id
            with path.open("rb") as file:
                return self.api.files.create(file=(name, file), purpose="fine-tune").id

    def find(self, name: str, training_file: str) -> Sent | None:
        with _told_plainly(self.failures):
            for job in self.api.fine_tuning.jobs.list(limit=100):
                named = getattr(job, "user_provided_suffix", None) == name
                if named and job.training_file == training_file:
                    return self._told(job)
        return None

    def start(
        self,
        name: str,
        base_model: str,
        training_file: str,
        validation_file: str | None,
        parameters: dict[str, Any],
    ) -> Sent:
        given: dict[str, Any] = {"validation_file": validation_file} if validation_file else {}
        if parameters:
            given["method"] = {"type": "supervised", "supervised": {"hyperparameters": parameters}}
        # Without the SDK's retries: an answer that was lost must not become a second job.
        api = self.api.with_options(max_retries=0)
        with _told_plainly(self.failures):
            return self._told(
                api.fine_tuning.jobs.create(
                    model=base_model, training_file=training_file, suffix=name, **given
                )
            )

    def retrieve(self, job_id: str) -> Sent:
        with _told_plainly(self.failures):
            return self._told(self.api.fine_tuning.jobs.retrieve(job_id))

    def cancel(self, job_id: str) -> Sent:
        with _told_plainly(self.failures):
            return self._told(self.api.fine_tuning.jobs.cancel(job_id))

    @staticmethod
    def _told(job: Any) -> Sent:
        error = getattr(job.error, "message", None) if job.error else None
        return Sent(job.id, job.status, job.fine_tuned_model, error)


class BedrockJobs:
    """Model customization jobs of Amazon Bedrock, of Claude models.

    `bucket` is where the files go, s3://NAME/PREFIX, and `role` the ARN of the role that lets
    Bedrock read them; both are needed to submit only. Account, key and region as boto3 finds them.
    """

    name = "bedrock"

    def __init__(self, bucket: str | None = None, role: str | None = None) -> None:
        try:
            import boto3
            from botocore import exceptions
        except ImportError as error:
            raise SettingsError(
                "jobs of Amazon Bedrock need boto3: pip install 'ragpg[bedrock]'"
            ) from error
        self.failures = (exceptions.BotoCoreError, exceptions.ClientError)
        with _told_plainly(self.failures):
            self.api, self.s3 = boto3.client("bedrock"), boto3.client("s3")
        self.role = role
        self.bucket, _, self.prefix = (bucket or "").removeprefix("s3://").partition("/")

    def upload(self, path: Path) -> str:
        if not self.bucket:
            raise SettingsError("Bedrock reads its data from S3: set RAGPG_BEDROCK_BUCKET")
        name = f"ragpg-{hash_file(path).hex()[:32]}.jsonl"
        key = "/".join(part for part in (self.prefix.strip("/"), name) if part)
        with _told_plainly(self.failures):
            found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key)
            if not found.get("KeyCount"):
                with path.open("rb") as lines, tempfile.TemporaryFile() as file:
                    file.writelines(
                        for_claude(line, number)
                        for number, line in enumerate(lines, 1)
                        if line.strip()
                    )
                    file.seek(0)
                    self.s3.upload_fileobj(file, self.bucket, key)
        return f"s3://{self.bucket}/{key}"

    def find(self, name: str, training_file: str) -> Sent | None:
        with _told_plainly(self.failures):
            found = self.api.list_model_customization_jobs(nameContains=name)
            for job in found["modelCustomizationJobSummaries"]:
                if job["jobName"] == name:
                    return self.retrieve(name)
        return None

    def start(
        self,
        name: str,
        base_model: str,
        training_file: str,
        validation_file: str | None,
        parameters: dict[str, Any],
    ) -> Sent:
        if "anthropic." not in base_model:
            raise BadArgument(
                f"{base_model} is no Claude model: each family on Bedrock wants its own format of "
                "data, and ragpg writes the one of Claude"
            )
        if not self.role:
            raise SettingsError(
                "Bedrock reads the data as a role of yours: set RAGPG_BEDROCK_ROLE to its ARN"
            )
        output = training_file.removesuffix(".jsonl") + "/"
        given: dict[str, Any] = {}
        if validation_file:
            given["validationDataConfig"] = {"validators": [{"s3Uri": validation_file}]}
        with _told_plainly(self.failures):
            self.api.create_model_customization_job(
                jobName=name,
                customModelName=name,
                roleArn=self.role,
                clientRequestToken=name,
                baseModelIdentifier=base_model,
                customizationType="FINE_TUNING",
                trainingDataConfig={"s3Uri": training_file},
                outputDataConfig={"s3Uri": output},
                hyperParameters={key: str(value) for key, value in parameters.items()},
                **given,
            )
        return self.retrieve(name)

    def retrieve(self, job_id: str) -> Sent:
        with _told_plainly(self.failures):
            job = self.api.get_model_customization_job(jobIdentifier=job_id)
        state = _STATES.get(job["status"], job["status"])
        model = job.get("outputModelArn") if state == "succeeded" else None
        return Sent(job["jobName"], state, model, job.get("failureMessage"))

    def cancel(self, job_id: str) -> Sent:
        with _told_plainly(self.failures):
            self.api.stop_model_customization_job(jobIdentifier=job_id)
        return self.retrieve(job_id)


def for_claude(line: bytes, number: int) -> bytes:
    """Returns a line of a chat dataset in Claude's format: `system` beside `messages`."""
    messages = json.loads(line)["messages"]
    system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
    others = [one for one in messages if one["role"] != "system"]
    if any(one["role"] not in ("user", "assistant") for one in others):
        raise BadArgument(f"line {number} has a role that Claude's format does not know")
    row = {"system": system, "messages": others} if system else {"messages": others}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def hash_file(path: Path) -> bytes:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def _told_plainly(failures: Any) -> Iterator[None]:
    """The SDKs' errors become ragpg's, with what to do next."""
    try:
        yield
    except failures as error:
        raise RagpgError(
            f"the provider failed: {error}; the same command again goes on from there"
        ) from error
