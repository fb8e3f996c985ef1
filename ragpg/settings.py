"""What the environment says: the only reader of `os.environ`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ragpg.errors import SettingsError

DEFAULT_EMBEDDING_MODEL = "all-MiniLM-L6-v2"
DEFAULT_ANSWER_MODEL = "claude-sonnet-5-5"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")  # names the web page answers to
_LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE", "PGUSER")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the database is, which models are used, for which tenant.

    `database_url` is None when nothing is configured: then the embedded server in `home` is used.
    The empty string leaves everything to libpq's `PG*` variables.
    """

    database_url: str | None
    home: Path
    embedding_model: str = DEFAULT_EMBEDDING_MODEL
    answer_model: str = DEFAULT_ANSWER_MODEL
    anthropic_api_key: str | None = None
    anthropic_base_url: str | None = None
    bedrock_bucket: str | None = None  # s3://NAME/PREFIX of the data for fine-tuning there
    bedrock_role: str | None = None  # ARN of the role that may read it
    tenant: str | None = None
    read_url: str | None = None  # of read replicas, for searches

    @property
    def embedded(self) -> bool:
        """Whether the embedded server is used."""
        return self.database_url is None


def from_environment(database_url: str | None = None) -> Settings:
    """Returns the settings; an explicit database URL comes before the environment's."""
    env = os.environ
    url = database_url or env.get("RAGPG_DATABASE_URL") or env.get("DATABASE_URL") or None
    if url is None and any(env.get(name) for name in _LIBPQ):
        url = ""
    return Settings(
        database_url=None if url is None else libpq_url(url),
        home=Path(env.get("RAGPG_HOME") or platformdirs.user_data_path("ragpg")).expanduser(),
        embedding_model=env.get("RAGPG_EMBEDDING_MODEL") or DEFAULT_EMBEDDING_MODEL,
        answer_model=env.get("RAGPG_ANSWER_MODEL") or DEFAULT_ANSWER_MODEL,
        anthropic_api_key=env.get("ANTHROPIC_API_KEY") or None,
        anthropic_base_url=env.get("ANTHROPIC_BASE_URL") or None,
        bedrock_bucket=env.get("RAGPG_BEDROCK_BUCKET") or None,
        bedrock_role=env.get("RAGPG_BEDROCK_ROLE") or None,
        tenant=env.get("RAGPG_TENANT") or None,
        read_url=env.get("RAGPG_READ_URL") or None,
    )


def variable(*names: str) -> str | None:
    """Returns the first of these variables that is set to something."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def libpq_url(url: str) -> str:
    """Returns a URL libpq reads: SQLAlchemy's `postgresql+driver://` loses its driver."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url  # a conninfo string such as "dbname=app host=db", or nothing
    if scheme.partition("+")[0] not in ("postgresql", "postgres"):
        raise SettingsError(
            f"the database URL begins with {scheme}://, which is not Postgres: "
            "use postgresql://user:password@host:5432/database"
        )
    return f"postgresql://{rest}"
