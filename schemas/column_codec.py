"""Columns ⇄ raw little-endian bytes: the body of an entry, and of a small delta (design 3.2).

Layout, every section padded to 8 bytes so that arrays are read in place:

    version u8 · flags u8 · columns u16 · rows u32
    time int64[rows] · merges bits[rows] if flagged
    then for each column, ascending by variable id:
        variable u32 · class u8 · flags u8 · zero u16
        values: float64 / int64 [rows], bits[rows], or offsets u32[rows + 1] and the octets
        present bits · removed bits · quality int64[rows], each if flagged

Golden files pin it; a reader of version n reads all versions up to n.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.columns import (
    Bools,
    Column,
    ColumnClass,
    Columns,
    Floats,
    Ints,
    Texts,
    Values,
    type_float,
    type_int,
)
from schemas.errors import Corrupt

VERSION = 1

_HEADER = struct.Struct("<BBHI")
_COLUMN = struct.Struct("<IBBH")
_ROW_HEAD = struct.Struct("<BBHIq")
_TEXT_OFFSETS = struct.Struct("<II")
_MERGES = 1
_PRESENT, _REMOVED, _QUALITY = 1, 2, 4
_PAD = (b"", b"\0", b"\0" * 2, b"\0" * 3, b"\0" * 4, b"\0" * 5, b"\0" * 6, b"\0" * 7)


def encode_columns(columns: Columns) -> bytes:
    """Write columns as raw bytes; the arrays are copied once."""
    flags = 0 if columns.merges is None else _MERGES
    parts = [
        _HEADER.pack(VERSION, flags, len(columns.cells), columns.rows),
        columns.time_ms.tobytes(),
    ]
    if columns.merges is not None:
        parts.append(_bits(columns.merges))
    for variable in sorted(columns.cells):
        _encode_column(variable, columns.cells[variable], parts)
    return b"".join(parts)


def row_head(columns: int, time_ms: int) -> bytes:
    """Begin the raw bytes of a single row that replaces: so many cells follow, ascending by variable."""
    return _ROW_HEAD.pack(VERSION, 0, columns, 1, time_ms)


def cell_head(variable: int, column_class: ColumnClass, *, quality: bool = False) -> bytes:
    """Begin a cell of a single row: 8 bytes, then the value and, if said so, the quality as int64."""
    return _COLUMN.pack(variable, column_class, _QUALITY if quality else 0, 0)


def encode_text(octets: bytes) -> bytes:
    """Write the value of a single row that is a string."""
    return _TEXT_OFFSETS.pack(0, len(octets)) + octets + _PAD[-len(octets) % 8]


def _encode_column(variable: int, column: Column, parts: list[bytes]) -> None:
    flags = (
        (_PRESENT if column.present is not None else 0)
        | (_REMOVED if column.removed is not None else 0)
        | (_QUALITY if column.quality is not None else 0)
    )
    parts.append(_COLUMN.pack(variable, column.column_class, flags, 0))
    _encode_values(column.values, parts)
    if column.present is not None:
        parts.append(_bits(column.present))
    if column.removed is not None:
        parts.append(_bits(column.removed))
    if column.quality is not None:
        parts.append(column.quality.tobytes())


def _encode_values(values: Values, parts: list[bytes]) -> None:
    if isinstance(values, Texts):
        offsets = values.offsets.astype("<u4").tobytes()
        octets = values.octets[: values.offsets[-1]].tobytes()
        parts += (offsets, _PAD[-len(offsets) % 8], octets, _PAD[-len(octets) % 8])
    elif values.dtype.kind == "b":
        parts.append(_bits(values))  # type: ignore[arg-type]
    else:
        parts.append(values.tobytes())


def _bits(flags: Bools) -> bytes:
    packed = np.packbits(flags, bitorder="little").tobytes()
    return packed + _PAD[-len(packed) % 8]


def unpacked_bits(octets: NDArray[np.uint8], count: int) -> Bools:
    """Read `count` flags from bits, the lowest first."""
    flags: Bools = np.unpackbits(octets, count=count, bitorder="little").view(np.bool_)
    return flags


class _Cursor:
    """A place in the bytes that moves on by whole padded sections."""

    __slots__ = ("at", "buffer")

    def __init__(self, buffer: bytes | memoryview) -> None:
        self.buffer = buffer
        self.at = 0

    def header(self, shape: struct.Struct) -> tuple[int, ...]:
        found = shape.unpack_from(self.buffer, self.at)
        self.at += shape.size
        return found

    def ints(self, count: int) -> Ints:
        found: Ints = np.frombuffer(self.buffer, type_int, count, self.at)
        self.at += 8 * count
        return found

    def floats(self, count: int) -> Floats:
        found: Floats = np.frombuffer(self.buffer, type_float, count, self.at)
        self.at += 8 * count
        return found

    def octets(self, count: int) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = np.frombuffer(self.buffer, np.uint8, count, self.at)
        self.at += count + -count % 8
        return found

    def bits(self, count: int) -> Bools:
        return unpacked_bits(self.octets((count + 7) // 8), count)


def decode_columns(body: bytes | memoryview) -> Columns:
    """Read what `encode_columns` wrote, in place where possible; Corrupt for anything else."""
    try:
        return _decode(_Cursor(body))
    except (struct.error, ValueError) as broken:
        message = f"columns of {len(body)} bytes do not decode: {broken}"
        raise Corrupt(message) from broken


def _decode(cursor: _Cursor) -> Columns:
    version, flags, count, rows = cursor.header(_HEADER)
    if version != VERSION:
        message = f"columns of version {version} are from a newer release"
        raise Corrupt(message)
    time_ms = cursor.ints(rows)
    merges = cursor.bits(rows) if flags & _MERGES else None
    cells: dict[int, Column] = {}
    for _ in range(count):
        variable, column_class, marks, _zero = cursor.header(_COLUMN)
        cells[variable] = _decode_column(cursor, column_class, marks, rows)
    return Columns(time_ms, cells, merges)


def _decode_column(cursor: _Cursor, column_class: int, marks: int, rows: int) -> Column:
    values = _decode_values(cursor, column_class, rows)
    if not marks:
        return Column(values)
    present = cursor.bits(rows) if marks & _PRESENT else None
    removed = cursor.bits(rows) if marks & _REMOVED else None
    quality = cursor.ints(rows) if marks & _QUALITY else None
    return Column(values, present, removed, quality)


def _decode_values(cursor: _Cursor, column_class: int, rows: int) -> Values:
    if column_class == ColumnClass.FLOAT:
        return cursor.floats(rows)
    if column_class == ColumnClass.INTEGER:
        return cursor.ints(rows)
    if column_class == ColumnClass.BOOLEAN:
        return cursor.bits(rows)
    if column_class == ColumnClass.TEXT:
        sizes = cursor.octets(4 * (rows + 1))
        offsets = sizes.view("<u4").astype(type_int)
        return _checked(Texts(offsets, cursor.octets(int(offsets[-1]))))
    message = f"class {column_class} of a column is from a newer release"
    raise Corrupt(message)


def _checked(texts: Texts) -> Texts:
    """Refuse (ValueError) strings that overlap or are no UTF-8: nobody else looks before they are read."""
    offsets, octets = texts.offsets, texts.octets
    if offsets[0] or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("strings overlap")
    if not octets.tobytes().isascii():
        str(octets.data, "utf-8")
        starts = offsets[:-1][offsets[:-1] < len(octets)]
        if ((octets[starts] & 0xC0) == 0x80).any():  # within a character
            raise ValueError("a string begins within a character")
    return texts


def stack_rows(bodies: Sequence[bytes | memoryview]) -> Columns | None:
    """Read many bodies of one row each that have the same columns, as one `Columns`, in their order.

    What takes a decode each costs a few array operations for all: half of a writer's time with single
    records. None where the bodies differ in more than values, or hold texts: decode them one by one.
    """
    first = _Cursor(bodies[0])
    try:
        version, flags, count, rows = first.header(_HEADER)
        if version != VERSION or rows != 1 or any(len(body) != len(bodies[0]) for body in bodies):
            return None
        octets = np.frombuffer(b"".join(bodies), np.uint8).reshape(len(bodies), -1)
        return _stacked(first, octets, flags, count)
    except (struct.error, ValueError, IndexError):
        return None


def _stacked(first: _Cursor, octets: NDArray[np.uint8], flags: int, count: int) -> Columns | None:
    heads = [(0, _HEADER.size)]
    time_ms = _ints(octets, first)
    merges = _flags(octets, first) if flags & _MERGES else None
    cells: dict[int, Column] = {}
    for _ in range(count):
        heads.append((first.at, first.at + _COLUMN.size))
        variable, column_class, marks, _zero = first.header(_COLUMN)
        if column_class == ColumnClass.TEXT:
            return None
        values: Values
        if column_class == ColumnClass.BOOLEAN:
            values = _flags(octets, first)
        elif column_class == ColumnClass.FLOAT:
            values = _ints(octets, first).view(type_float)
        else:
            values = _ints(octets, first)
        present = _flags(octets, first) if marks & _PRESENT else None
        removed = _flags(octets, first) if marks & _REMOVED else None
        quality = _ints(octets, first) if marks & _QUALITY else None
        cells[variable] = Column(values, present, removed, quality)
    same = all((octets[:, start:end] == octets[0, start:end]).all() for start, end in heads)
    return Columns(time_ms, cells, merges) if same and first.at == octets.shape[1] else None


def _ints(octets: NDArray[np.uint8], place: _Cursor) -> Ints:
    found = np.ascontiguousarray(octets[:, place.at : place.at + 8]).view(type_int).ravel()
    place.at += 8
    return found


def _flags(octets: NDArray[np.uint8], place: _Cursor) -> Bools:
    found: Bools = (octets[:, place.at] & 1).astype(np.bool_)
    place.at += 8
    return found
