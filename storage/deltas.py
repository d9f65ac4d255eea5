"""The one cell of a delta: its kind, and its content in the codec that fits its size (design 4.1, 4.10).

Byte 0 names kind and codec together: RAW (columns as they were, one zstd body) below PACKED_ROWS_MIN
rows, PACKED (each array by its own codec) from there on, CLEAR, ATTACH, ATTACH_PART (a range, then as
ATTACH), RESTORE (as ATTACH_PART, and nothing else stays in the range). A delta is folded before it is
written, so its rows ascend and no time occurs twice.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from schemas.changes import Attach, Change, Clear, Upsert
from schemas.column_codec import decode_columns, encode_columns, unpacked_bits
from schemas.columns import Columns
from schemas.errors import Corrupt
from storage import numeric, packing
from storage.heads import BlockRef, decode_refs

_RAW, _PACKED, _CLEAR, _ATTACH, _ATTACH_PART, _RESTORE = 1, 2, 3, 4, 5, 6

PACKED_ROWS_MIN = 60
"""Below it pcodec's page costs more than it saves (design 4.10)."""

DELTA_RAW_BYTES_MAX = 1024 * 1024
"""Where a fold is cut (between entries): small enough to store and read back in one piece."""

_PREFIX = struct.Struct("<BI")
_RANGE = struct.Struct("<qq")
_PACKED_HEAD = struct.Struct("<BH")
_SIZED = struct.Struct("<II")


def encode_delta(change: Change) -> bytes:
    """Write the body of a delta."""
    if isinstance(change, Upsert):
        small = change.columns.rows < PACKED_ROWS_MIN
        kind = _RAW if small else _PACKED
        content = packing.compress(encode_columns(change.columns)) if small else _pack(change.columns)
    elif isinstance(change, Clear):
        kind, content = _CLEAR, _RANGE.pack(change.start_ms, change.end_ms)
    elif change.is_whole:
        kind, content = _ATTACH, change.blocks
    else:
        kind = _RESTORE if change.clears else _ATTACH_PART
        content = _RANGE.pack(change.start_ms, change.end_ms) + change.blocks
    return _PREFIX.pack(kind, zlib.crc32(content, kind)) + content


class RowsPart(NamedTuple):
    """What is wanted of rows: start_ms ≤ time < end_ms, some variables (None: all)."""

    start_ms: int
    end_ms: int
    variables: frozenset[int] | None = None


def decode_delta(body: bytes, part: RowsPart | None = None) -> Change:
    """Read the body of a delta; Corrupt if checksum, kind or content does not hold.

    With a `part`, packed rows come with its variables only, and with none where all lie outside of it.
    """
    try:
        kind, checksum = _PREFIX.unpack_from(body)
        content = memoryview(body)[_PREFIX.size :]
        if zlib.crc32(content, kind) != checksum:
            message = f"a delta of {len(body)} bytes fails its checksum"
            raise Corrupt(message)
        if kind == _RAW:
            return Upsert(decode_columns(packing.decompress(content)))
        if kind == _PACKED:
            return Upsert(_unpack(content, part))
        if kind == _CLEAR:
            return Clear(*_RANGE.unpack(content))
        if kind == _ATTACH:
            return Attach(bytes(content))
        if kind in (_ATTACH_PART, _RESTORE):
            start_ms, end_ms = _RANGE.unpack_from(content)
            return Attach(bytes(content[_RANGE.size :]), start_ms, end_ms, kind == _RESTORE)
    except (struct.error, ValueError) as broken:
        message = f"a delta of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken
    message = f"a delta of kind {kind} is from a newer release"
    raise Corrupt(message)


def is_attach(body: bytes) -> bool:
    """Tell whether the body of a delta says to be of attached blocks, without looking further."""
    return body[:1] in (bytes([_ATTACH]), bytes([_ATTACH_PART]), bytes([_RESTORE]))


def laid(change: Change) -> tuple[Change, ...]:
    """Give a change as what it does one after the other: an attach that clears is a clear and an attach."""
    if not isinstance(change, Attach) or not change.clears:
        return (change,)
    return Clear(change.start_ms, change.end_ms), Attach(change.blocks, change.start_ms, change.end_ms)


def attached_to(slice_start_ms: int, changes: Iterable[Change]) -> list[BlockRef]:
    """Give the blocks that changes attach to a slice, in their order."""
    attaches = [change for change in changes if isinstance(change, Attach)]
    refs = [ref for attach in attaches for ref in decode_refs(attach.blocks)]
    return [ref for ref in refs if ref.slice_start_ms == slice_start_ms]


def _pack(columns: Columns) -> bytes:
    flags = 0 if columns.merges is None else 1
    parts = [_PACKED_HEAD.pack(flags, len(columns.cells)), _sized(0, numeric.pack_times(columns.time_ms))]
    if columns.merges is not None:
        parts.append(_sized(0, np.packbits(columns.merges, bitorder="little").tobytes()))
    parts += [_sized(variable, packing.pack_column(cell)) for variable, cell in sorted(columns.cells.items())]
    return b"".join(parts)


def _sized(variable: int, packed: bytes) -> bytes:
    return _SIZED.pack(variable, len(packed)) + packed


def _unpack(content: memoryview, part: RowsPart | None) -> Columns:
    flags, count = _PACKED_HEAD.unpack_from(content)
    at = _PACKED_HEAD.size
    sections: list[tuple[int, memoryview]] = []
    for _ in range(1 + flags + count):
        variable, size = _SIZED.unpack_from(content, at)
        at += _SIZED.size
        sections.append((variable, content[at : at + size]))
        at += size
    time_ms = numeric.unpack_ints(sections[0][1])
    if part is not None and not ((time_ms >= part.start_ms) & (time_ms < part.end_ms)).any():
        return Columns(time_ms[:0])
    merges = None
    if flags:
        bits = np.frombuffer(sections[1][1], np.uint8)
        merges = unpacked_bits(bits, len(time_ms))
    cells = {
        variable: packing.unpack_column(packed)
        for variable, packed in sections[1 + flags :]
        if part is None or part.variables is None or variable in part.variables
    }
    return Columns(time_ms, cells, merges)
