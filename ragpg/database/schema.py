"""Which version of the schema a database has, and which this ragpg knows."""

from __future__ import annotations

from pathlib import Path

from psycopg.errors import InsufficientPrivilege

from ragpg.database.connection import Connection, connect
from ragpg.errors import PermissionDenied, SchemaError


def migrations_folder() -> Path:
    """Returns the folder of the steps: inside an installed package, beside it in a checkout."""
    inside = Path(__file__).parents[1] / "migrations"
    return inside if inside.exists() else Path(__file__).parents[2] / "migrations"


def known_versions() -> list[str]:
    """Returns the numbers of the steps this ragpg brings, oldest first."""
    steps = (migrations_folder() / "versions").glob("[0-9][0-9][0-9][0-9]_*.py")
    return sorted(path.name[:4] for path in steps)


def schema_version(connection: Connection) -> str | None:
    """Returns the version of the schema in the database, None when there is none."""
    try:
        if connection.execute("select to_regclass('ragpg.alembic_version')").fetchone() == (None,):
            return None
    except InsufficientPrivilege as error:
        said = f"role {connection.info.user} has no rights in ragpg: its owner calls"
        raise PermissionDenied(f"{said} ragpg.grant_reader or grant_writer for it") from error
    found = connection.execute("select version_num from ragpg.alembic_version").fetchone()
    return found[0] if found else None


def refuse_unknown(version: str | None) -> None:
    """Raises SchemaError for a version that is none of this ragpg's."""
    known = known_versions()
    if version is not None and version not in known:
        raise SchemaError(
            f"the database's schema is version {version}, newer than this ragpg knows "
            f"({known[-1]}): upgrade ragpg (pip install -U ragpg); if it was made before the first "
            "release, add the documents to a new database"
        )


def check_schema(url: str) -> None:
    """Raises SchemaError, saying what to run, unless the database's schema is this ragpg's."""
    with connect(url) as connection:
        found = schema_version(connection)
    if found is None:
        raise SchemaError("the database has no ragpg schema yet: run ragpg init")
    refuse_unknown(found)
    if found != (needed := known_versions()[-1]):
        said = f"the database's schema is version {found}, this ragpg needs {needed}"
        raise SchemaError(f"{said}: run ragpg migrate")
