"""Outlook messages written for the tests: a compound file ([MS-CFB]) of numbered properties."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

Tree = Mapping[str, Any]

_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096


def message(
    *, head: int = 32, texts: Mapping[int, str] | None = None, numbers: Mapping[int, int] | None = None,
    binaries: Mapping[int, bytes] | None = None, narrow: Mapping[int, bytes] | None = None,
    inside: Tree | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Returns the streams of a storage with these properties; `inside` are those that it holds."""
    tree: dict[str, Any] = dict(inside or {})
    entries = b"\0" * head
    for number, value in (numbers or {}).items():
        entries += struct.pack("<HHIQ", 0x0040 if value > 2**32 else 0x0003, number, 6, value)
    for number, text in (texts or {}).items():
        tree[f"__substg1.0_{number:04X}001F"] = text.encode("utf-16-le")
    for number, data in (narrow or {}).items():
        tree[f"__substg1.0_{number:04X}001E"] = data
    for number, data in (binaries or {}).items():
        tree[f"__substg1.0_{number:04X}0102"] = data
    return {"__properties_version1.0": entries, **tree}


def compound_file(tree: Tree) -> bytes:
    """Returns the file; a storage's entries hang on each other to the right, unbalanced."""
    entries: list[list[Any]] = [["Root Entry", 5, _FREE, _FREE, b""]]

    def add(storage: Tree, parent: int) -> None:
        before = parent
        for name in sorted(storage, key=lambda one: (len(one), one.upper())):
            value, number = storage[name], len(entries)
            entries[before][3 if before == parent else 2] = number
            is_stream = isinstance(value, bytes)
            entries.append([name, 2 if is_stream else 1, _FREE, _FREE, value if is_stream else b""])
            if not isinstance(value, bytes):
                add(value, number)
            before = number

    add(tree, 0)
    return _packed(entries)


def _packed(entries: list[list[Any]]) -> bytes:
    sectors: list[bytes] = []
    table: list[int] = []
    mini, mini_table = b"", list[int]()

    def put(data: bytes) -> int:
        if not data:
            return _END
        first = len(table)
        count = -(-len(data) // _SECTOR)
        sectors.extend(
            data[n * _SECTOR : (n + 1) * _SECTOR].ljust(_SECTOR, b"\0") for n in range(count)
        )
        table.extend([*range(first + 1, first + count), _END])
        return first

    starts = []
    for _, kind, _, _, data in entries:
        if kind == 2 and 0 < len(data) < _CUTOFF:
            first, count = len(mini_table), -(-len(data) // _MINI)
            mini += data.ljust(count * _MINI, b"\0")
            mini_table.extend([*range(first + 1, first + count), _END])
            starts.append(first)
        else:
            starts.append(put(data) if kind == 2 else 0)
    starts[0], sizes = put(mini), [len(mini), *(len(one[4]) for one in entries[1:])]
    directory = b"".join(
        _entry(name, kind, right, child, start, size)
        for (name, kind, right, child, _), start, size in zip(entries, starts, sizes, strict=True)
    )
    directory_at = put(directory)
    mini_bytes = struct.pack(f"<{len(mini_table)}I", *mini_table)
    mini_at = put(mini_bytes + b"\xff" * (-len(mini_bytes) % _SECTOR))
    count = -(-(len(table) + 8) // 128)
    fat_at = len(table)
    table += [_FAT] * count
    fat = struct.pack(f"<{len(table)}I", *table).ljust(count * _SECTOR, b"\xff")
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"",
        0, count, directory_at, 0, _CUTOFF, mini_at, -(-len(mini_bytes) // _SECTOR), _END, 0,
        fat_at,
    )  # fmt: skip
    more = struct.pack(f"<{count - 1}I", *range(fat_at + 1, fat_at + count))
    return (header + more).ljust(_SECTOR, b"\xff") + b"".join(sectors) + fat


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    wide = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16sIQQIQ",
        wide,
        len(wide),
        kind,
        1,
        _FREE,
        right,
        child,
        b"",
        0,
        0,
        0,
        start,
        size,
    )
