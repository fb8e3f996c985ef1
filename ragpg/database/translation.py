"""What the database says, as ragpg's errors: the one place that knows both."""

from __future__ import annotations

import psycopg

from ragpg.errors import BadArgument, ConnectionFailed, RagpgError, by_sqlstate


def translate(error: psycopg.Error) -> RagpgError:
    """Returns the ragpg error that says what the database said."""
    diagnostic = error.diag
    message = diagnostic.message_primary or str(error).strip() or error.__class__.__name__
    if diagnostic.message_hint:
        message = f"{message} ({diagnostic.message_hint})"
    if diagnostic.constraint_name == "collections_name_is_short_and_trimmed":
        return BadArgument("a collection's name is 1 to 48 bytes of UTF-8, no space at its ends")
    lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    if isinstance(error, psycopg.OperationalError) and lost:
        return ConnectionFailed(f"the database cannot be reached: {message}")
    return by_sqlstate().get(error.sqlstate or "", RagpgError)(message)
