"""What the database says, as ragpg's errors: the one place that knows both.

Imported at the first error.
"""

from __future__ import annotations

import psycopg

from ragpg.errors import BadArgument, ConnectionFailed, DatabaseError, RagpgError, by_sqlstate

_COLLECTION_NAME = "a collection's name is 1 to 48 bytes of UTF-8, no space at its ends"
_CONSTRAINTS = {
    "collections_name_is_short_and_trimmed": _COLLECTION_NAME,
    "documents_source_is_not_blank": "a document's source is not blank",
    "search_indexes_language_is_installed": (
        "the language is no text-search configuration of this server: \\dF in psql lists them"
    ),
}
_TOO_WIDE = (
    "an embedding has 1 to 16,000 dimensions, which pgvector's halfvec takes: "
    "choose a model with fewer, or name fewer, such as openai/text-embedding-3-large@3072"
)
# What Postgres's codes mean to a person, and what to do; the first two characters are a class.
_MEANINGS = {
    "25006": "nothing can be written here: the connection is read only, or the server a standby",
    "42501": "the role may not do this: ragpg.grant_reader or grant_writer, by ragpg's owner, lets",
    "53100": "the database's disk is full: make room there, then run the same again",
    "53200": "the database's server has no memory left",
    "53300": "the database's server takes no more connections",
    "53": "the database's server has not enough of something left",
    "57014": "the database was told to stop this statement, or its statement_timeout was over",
    "55P03": "somebody else holds what this needs: try again",
    "40": "somebody else wrote the same at that moment: run the same again",
    "42883": "a value is of a type that ragpg's function does not take",
    "22": "a value cannot be read, stored or compared by the database",
    "54": "a value is larger than the database takes",
    "XX": "the database's server failed by itself, its log tells more",
}

# Of these an argument is the cause.
_ABSENT = {
    "42704": "there is nothing of that name in the database",
    "42602": "there is nothing of that name in the database",
    "P0002": "there is no row of that id",
}


def translate(error: psycopg.Error) -> RagpgError:
    """Returns the ragpg error that says what the database said."""
    diagnostic = error.diag
    message = diagnostic.message_primary or str(error).strip() or error.__class__.__name__
    if diagnostic.message_hint:
        message = f"{message} ({diagnostic.message_hint})"
    state = error.sqlstate or ""
    if state.startswith("RG"):
        return by_sqlstate().get(state, RagpgError)(message)
    if diagnostic.constraint_name:
        return BadArgument(_broken(diagnostic.constraint_name, diagnostic.table_name or ""))
    lost = not state or state.startswith(("08", "57P"))
    if isinstance(error, psycopg.OperationalError) and lost:
        return ConnectionFailed(f"the database cannot be reached: {message}")
    if state in _ABSENT:
        return BadArgument(f"{_ABSENT[state]} ({message})")
    if state == "54000" and "dimensions" in message:
        return BadArgument(f"{_TOO_WIDE} ({message})")
    state = state or "22"  # refused by the driver
    meaning = _MEANINGS.get(state) or _MEANINGS.get(state[:2]) or "the database refused"
    return by_sqlstate().get(state, DatabaseError)(f"{meaning} ({message})")


def _broken(constraint: str, table: str) -> str:
    """Returns which rule a row breaks: constraints are named table_what_must_hold."""
    rule = constraint.removeprefix(f"{table}_").replace("_", " ")
    if rule.endswith(" key"):
        rule = f"the same {rule.removesuffix(' key')} is there already"
    elif rule.endswith(" fkey"):
        rule = f"there is no {rule.removesuffix(' id fkey')} of that id"
    return _CONSTRAINTS.get(constraint, f"a row of ragpg.{table} cannot be so: {rule}")
