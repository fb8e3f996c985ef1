"""Every error ragpg raises: one base, the docstring is the default message."""

from __future__ import annotations

from typing import ClassVar


class RagpgError(Exception):
    """something went wrong in ragpg"""

    sqlstate: ClassVar[str | None] = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__class__.__doc__ or "").strip())


# Set-up --------------------------------------------------------------------------------------


class SettingsError(RagpgError):
    """a setting has a value ragpg cannot use"""


class ConnectionFailed(RagpgError):
    """the database cannot be reached"""


class NeedsSession(ConnectionFailed):
    """this needs a session: name the server itself as the database, not a pooler before it"""


class EmbeddedServerError(RagpgError):
    """the embedded Postgres could not be started"""


class SchemaError(RagpgError):
    """the database does not hold the schema this ragpg was made for"""


class PermissionDenied(RagpgError):
    """the database role lacks a privilege"""

    sqlstate = "42501"


class DatabaseError(RagpgError):
    """the database refused what it was asked"""


class ReadOnly(DatabaseError):
    """nothing can be written: the connection is read only, or the server a standby"""

    sqlstate = "25006"


# Raised by the SQL functions: class RG, one code per error -------------------------------------


class UnknownCollection(RagpgError):
    """there is no such collection"""

    sqlstate = "RG001"


class CollectionNotNamed(RagpgError):
    """more than one collection exists and none was named"""

    sqlstate = "RG002"


class WrongDimensions(RagpgError):
    """an embedding does not have the dimensions of the search index"""

    sqlstate = "RG003"


class BadFilter(RagpgError):
    """a filter is not a jsonpath predicate"""

    sqlstate = "RG004"


class BadArgument(RagpgError):
    """an argument has a value the function does not know"""

    sqlstate = "RG005"


class QuoteMismatch(RagpgError):
    """a quote is not what the document version holds at that place"""

    sqlstate = "RG006"


class DocumentChanged(RagpgError):
    """the document was changed by somebody else meanwhile"""

    sqlstate = "RG007"


class ModelMismatch(RagpgError):
    """the embedding model is not the one the search index was built with"""

    sqlstate = "RG008"


class EncoderUnavailable(RagpgError):
    """the database cannot embed a query itself"""

    sqlstate = "RG009"


class SearchIndexError(RagpgError):
    """the search index cannot be used that way"""

    sqlstate = "RG010"


class UnknownEvaluationSet(RagpgError):
    """there is no such evaluation set"""

    sqlstate = "RG011"


class TooManyVanished(RagpgError):
    """more documents vanished than are deleted without being told so"""

    sqlstate = "RG012"


class NoTenant(RagpgError):
    """the role acts for no tenant, or not for this one"""

    sqlstate = "RG013"


class SharedByTenants(RagpgError):
    """what all tenants use is changed by the owner alone"""

    sqlstate = "RG014"


# Raised by the Python layer --------------------------------------------------------------------


class LoadError(RagpgError):
    """a file cannot be read as text"""


class EmbeddingError(RagpgError):
    """the embedding model failed"""


class AnswerError(RagpgError):
    """the language model gave no usable answer"""


class CapReached(RagpgError):
    """more would be spent on a language model than is allowed"""


def _subclasses(base: type[RagpgError]) -> list[type[RagpgError]]:
    return [base, *(found for child in base.__subclasses__() for found in _subclasses(child))]


def by_sqlstate() -> dict[str, type[RagpgError]]:
    """Returns the error class for each SQLSTATE that has one."""
    return {cls.sqlstate: cls for cls in _subclasses(RagpgError) if cls.sqlstate}
