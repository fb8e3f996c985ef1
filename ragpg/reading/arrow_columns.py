"""Which columns of a table are text, title, source and embedding, and their values by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ragpg.errors import BadArgument, LoadError
from ragpg.reading.decoding import clean_text
from ragpg.reading.metadata import to_plain
from ragpg.reading.records import ID_FIELDS, TEXT_FIELDS, TITLE_FIELDS

FIELDS = ("text", "title", "source", "embedding")
_MOST_VALUES = 100  # of a list in metadata, as of records in JSON
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_NULL = pa.types.is_null  # of a column without a value
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; `others` are metadata, `left_out` cannot be."""

    text: str
    title: str | None
    source: str | None
    embedding: str | None
    others: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    def read(self) -> list[str]:
        """Returns all that are read."""
        known = (self.text, self.title, self.source, self.embedding)
        return list(dict.fromkeys([*(one for one in known if one), *self.others]))


def choose_columns(
    schema: Any, given: Mapping[str, str | None], ids: tuple[str, ...] = ID_FIELDS
) -> Columns:
    """Returns the columns: those given (None is none of them), else by the names of JSON records.

    Raises LoadError, with what there is, where the text is not among them, and BadArgument for
    what is no part of a record.
    """
    for field in given:
        if field not in FIELDS:
            raise BadArgument(f'columns are named for {", ".join(FIELDS)}, not for "{field}"')
    types = {one.name: _value_type(one.type) for one in schema}
    for name in filter(None, given.values()):
        if name not in types:
            raise LoadError(f'there is no column "{name}", but {_listed(schema)}')
    for name in types:
        if schema.names.count(name) > 1:
            raise LoadError(f'there are {schema.names.count(name)} columns "{name}": rename one')
    text = _chosen(given, "text", TEXT_FIELDS, types, _holds_text)
    if text is None:
        raise LoadError(
            f"there is no column of text called {', '.join(TEXT_FIELDS[:-1])} or "
            f"{TEXT_FIELDS[-1]}, but {_listed(schema)}: name it, --column text=NAME"
        )
    title = _chosen(given, "title", TITLE_FIELDS, types, _is_text)
    source = _chosen(given, "source", ids, types, lambda kind: True)
    embedding = _chosen(given, "embedding", ("embedding",), types, _holds_numbers)
    rest = [name for name in types if name not in (text, title, embedding)]
    left_out = tuple((name, str(types[name])) for name in rest if not _fits(types[name]))
    others = tuple(name for name in rest if _fits(types[name]))
    return Columns(text, title, source, embedding, others, left_out)


def _chosen(
    given: Mapping[str, str | None], field: str, names: Any, types: dict[str, Any], fits: Any
) -> str | None:
    if field in given:
        name = given[field]
        if name and not fits(types[name]):
            raise LoadError(f'the column "{name}" is {types[name]}, which is no {field}')
        return name
    return next((name for name in names if name in types and fits(types[name])), None)


def _listed(schema: Any) -> str:
    return ", ".join(f"{one.name} ({one.type})" for one in schema) or "none at all"


def _value_type(kind: Any) -> Any:
    """Returns the type without its dictionary or extension."""
    if pa.types.is_dictionary(kind):
        return _value_type(kind.value_type)
    is_plain = isinstance(kind, pa.UuidType) or not isinstance(kind, pa.BaseExtensionType)
    return kind if is_plain else kind.storage_type


def _is_text(kind: Any) -> bool:
    # Bytes are how old Spark writes text.
    return any(is_one(kind) for is_one in (*_TEXTS, *_BYTES, _NULL))


def _is_list(kind: Any) -> bool:
    return any(is_one(kind) for is_one in _LISTS)


def _holds_text(kind: Any) -> bool:
    return _is_text(kind) or (_is_list(kind) and _is_text(_value_type(kind.value_type)))


def _holds_numbers(kind: Any) -> bool:
    if not _is_list(kind):
        return False
    one = kind.value_type
    return bool(pa.types.is_floating(one) or pa.types.is_integer(one) or pa.types.is_decimal(one))


def _fits(kind: Any) -> bool:
    """Returns whether metadata can hold such values: no bytes, durations or long vectors."""
    if any(is_one(kind) for is_one in _BYTES) or pa.types.is_fixed_size_binary(kind):
        return False
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return False
    return not (pa.types.is_fixed_size_list(kind) and kind.list_size > _MOST_VALUES)


# Values by row; what cannot be read is the exception that says why ----------------------------


def texts(array: Any) -> list[Any]:
    """Returns each row's text, None without one; paragraphs of a list are set apart."""
    return [_text(one) for one in values(array)]


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            return error
    if isinstance(value, list):
        return "\n\n".join(str(one) for one in value if one is not None)
    return value


def values(array: Any) -> list[Any]:
    """Returns each row's value in Python's types, times to the microsecond."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    wanted = _microseconds(array.type)
    try:
        if wanted != array.type:
            array = array.cast(wanted, safe=False)
        return list(array.to_pylist(maps_as_pydicts="lossy"))
    except (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError):
        return [_value(one) for one in array]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except (pa.ArrowException, ValueError, OverflowError, TypeError, KeyError) as error:
        return error


def _microseconds(kind: Any) -> Any:
    """Returns the type with times that Python has: it has no nanoseconds."""
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_struct(kind):
        return pa.struct([kind.field(n).with_type(_microseconds(kind.field(n).type))
                          for n in range(kind.num_fields)])  # fmt: skip
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_microseconds(kind.value_type)))
    return kind


def metadata(names: tuple[str, ...], columns: list[list[Any]], row: int) -> dict[str, Any]:
    """Returns a row's metadata: without nulls, for a table has a place for each column in each row.

    Those of a struct called metadata are the row's own. What JSON cannot hold is left out, and
    lists of more than 100 values, as of records in JSON.
    """
    found: dict[str, Any] = {}
    for name, column in zip(names, columns, strict=True):
        value = column[row]
        if name == "metadata" and isinstance(value, dict):
            found = {**{key: one for key, one in value.items() if one is not None}, **found}
        elif value is not None:
            found[name] = value
    return {name: one for name, value in found.items() if (one := _plain(value)) is not None}


def _plain(value: Any) -> Any:
    """Returns the value as JSON holds it, None where it cannot."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Exception) or not _is_short(value):
        return None
    try:
        return to_plain(value, "metadata")
    except BadArgument:
        return None


def _is_short(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_short, value.values()))
    return not isinstance(value, list) or (
        len(value) <= _MOST_VALUES and all(map(_is_short, value))
    )


def vectors(array: Any) -> list[Any]:
    """Returns each row's vector, float32, a view where the table allows it; None without one.

    Of one with a null, NaN or infinite number in it a text that says so.
    """
    if not len(array):
        return []
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(array.type, pa.BaseExtensionType):  # fixed_shape_tensor
        array = array.storage
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        flat = _numbers(array.values.slice(array.offset * size, len(array) * size))
        rows: list[Any] = list(flat.reshape(len(array), size))
        whole = np.isfinite(flat).reshape(len(array), size).all(axis=1)
    else:
        offsets = array.offsets.to_numpy(zero_copy_only=False)
        flat = _numbers(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
        rows = [flat[a:b] for a, b in zip(offsets[:-1] - offsets[0], offsets[1:] - offsets[0],
                                          strict=True)]  # fmt: skip
        whole = np.array([np.isfinite(one).all() for one in rows], bool)
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(~whole & ~nulls):
        rows[row] = "its embedding holds a number that is null or not finite (NaN, infinite)"
    for row in np.flatnonzero(nulls):
        rows[row] = None
    return rows


def _numbers(flat: Any) -> np.ndarray[Any, Any]:
    """Returns numbers as float32; a null, and what is too large for it, are not finite."""
    if pa.types.is_decimal(flat.type):
        flat = flat.cast(pa.float64())
    with np.errstate(over="ignore"):
        return np.asarray(flat.to_numpy(zero_copy_only=False)).astype(np.float32, copy=False)
