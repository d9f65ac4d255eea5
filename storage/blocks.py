"""Blocks: immutable runs of sealed rows, one stored row a variable, reached only through a head (design 4.2).

Variable 0 is the time, −1 the summary of the block's cells where there is one. Each stored row repeats the
block id and carries a checksum, so that a row in the wrong place, or a damaged one, is found before it is
believed:

    version u8 · zero u8 x 3 · crc32 u32 (of what follows) · built on u32 · block id 16 bytes · packed array

"Built on" is the version of the head that the sealing writer had read: a sweep drops a block that
no head names only if the head is above it (design 4.6).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from schemas.columns import Column, Columns
from schemas.errors import Corrupt
from storage import numeric, packing, summaries
from storage.heads import BlockRef
from storage.port import BlockRow, SliceId

VERSION = 1
TIME = 0
"""The variable id under which a block keeps its times."""
SUMMARY = -1
"""The variable id under which a block keeps its summary."""

BLOCK_ROWS_MAX = 10_000
"""Rows at which a block is cut: 0.57 bytes a value of workload A at 1,000, 0.49 here, 0.48 at 40,000."""

BLOCK_RAW_BYTES_MAX = 4 * 1024 * 1024
"""Raw columns at which a block is cut, so that one is read and rewritten in one piece."""

BLOCK_STORED_BYTES_MAX = 1024 * 1024
"""Stored bytes at which a block is cut, by the estimate that is there before it is packed."""

FULL = 0.5
"""A block this full stays until something touches it: its neighbours leave it alone, and it has a summary."""

PART_BYTES_MAX = 8 * 1024 * 1024
"""Stored bytes after which a slice opens its next part: partitions stay far below 100 MB."""

_PREFIX = struct.Struct("<BxxxI")
_NAME = struct.Struct("<I16s")

STAGED = 2**32 - 1
"""Built on no head: a block that an import staged; a sweep asks the jobs before it takes it."""


def fill_of(rows: int, raw_bytes: int) -> float:
    """Say how far so many rows fill a block; 1.0 is as large as a block becomes."""
    return max(rows / BLOCK_ROWS_MAX, raw_bytes / BLOCK_RAW_BYTES_MAX)


def cut(columns: Columns, stored_bytes: int = 0) -> Iterator[Columns]:
    """Divide ascending rows into pieces of the size of a block; `stored_bytes`: about what all will take."""
    if not columns.rows:
        return
    by_raw = BLOCK_RAW_BYTES_MAX * columns.rows // max(columns.raw_bytes, 1)
    by_stored = BLOCK_STORED_BYTES_MAX * columns.rows // max(stored_bytes, 1)
    size = max(1, min(BLOCK_ROWS_MAX, by_raw, by_stored))
    for start in range(0, columns.rows, size):
        yield columns.part(start, min(start + size, columns.rows))


@dataclass(slots=True, frozen=True)
class Place:
    """Where a new block goes, and on which version of the head it is built."""

    slice: SliceId
    part: int
    built_on: int = STAGED


def encode_block(
    place: Place, block_id: bytes, columns: Columns, position_max: int
) -> tuple[BlockRef, list[BlockRow]]:
    """Write ascending rows as a block; every row of the store carries id and checksum.

    Rows are whole, or all of them are merged into others: then the block says nothing of its values.
    """
    merges = columns.merges is not None
    packed = {TIME: numeric.pack_times(columns.time_ms)}
    packed |= {variable: packing.pack_column(cell) for variable, cell in columns.cells.items()}
    full = fill_of(columns.rows, columns.raw_bytes) >= FULL
    summary = summaries.of_block(columns) if full and not merges else None
    if summary is not None:
        packed[SUMMARY] = summaries.encode_summary(summary.cells, compress=True)
    name = _NAME.pack(place.built_on, block_id)
    rows = [
        BlockRow(place.slice, place.part, variable, block_id, _guarded(name + content))
        for variable, content in sorted(packed.items())
    ]
    ref = BlockRef(
        block_id=block_id,
        part=place.part,
        stored_bytes=sum(len(row.body) for row in rows),
        from_ms=int(columns.time_ms[0]),
        to_ms=int(columns.time_ms[-1]),
        rows=columns.rows,
        position_max=position_max,
        variables=tuple(sorted(columns.cells)),
        raw_bytes=columns.raw_bytes,
        summary=b"" if summary is None else summaries.encode_summary(summary.whole, compress=True),
        cells=summary is not None,
        merges=merges,
    )
    return ref, rows


def _guarded(named_content: bytes) -> bytes:
    return _PREFIX.pack(VERSION, zlib.crc32(named_content)) + named_content


def _opened(block_id: bytes, variable: int, body: bytes) -> tuple[int, memoryview]:
    """Check one stored row of a block; give the version it was built on and its content."""
    if len(body) >= _PREFIX.size + _NAME.size:
        version, checksum = _PREFIX.unpack_from(body)
        guarded = memoryview(body)[_PREFIX.size :]
        built_on, named = _NAME.unpack_from(guarded)
        if version == VERSION and named == block_id and zlib.crc32(guarded) == checksum:
            return built_on, guarded[_NAME.size :]
    message = f"block {block_id.hex()}, variable {variable}: a row of {len(body)} bytes fails its checksum"
    raise Corrupt(message)


def encode_summary_block(
    place: Place, block_id: bytes, ref: BlockRef, cells: bytes | memoryview, whole: bytes
) -> tuple[BlockRef, BlockRow]:
    """Write a block that has only the summary of another one: what retention leaves (design 4.13)."""
    body = _guarded(_NAME.pack(place.built_on, block_id) + cells)
    left = msgspec.structs.replace(
        ref,
        block_id=block_id,
        part=place.part,
        stored_bytes=len(body),
        variables=(),
        raw_bytes=0,
        summary=whole,
        cells=True,
        summary_only=True,
    )
    return left, BlockRow(place.slice, place.part, SUMMARY, block_id, body)


def built_on(block_id: bytes, time_body: bytes) -> int:
    """Tell on which version of the head a block was built, from its time or its summary."""
    return _opened(block_id, TIME, time_body)[0]


def open_summary(ref: BlockRef, bodies: Mapping[tuple[bytes, int], bytes]) -> memoryview:
    """Give the summary of a block's cells, as `storage.summaries` reads it; KeyError if it was not read."""
    return _opened(ref.block_id, SUMMARY, bodies[ref.block_id, SUMMARY])[1]


def decode_block(
    ref: BlockRef, bodies: Mapping[tuple[bytes, int], bytes], variables: Iterable[int]
) -> Columns:
    """Read a block's time and the wanted variables that it has; KeyError for a row not read.

    Corrupt, naming block and variable, for a row that is not what was written.
    """
    time_ms = numeric.unpack_ints(_opened(ref.block_id, TIME, bodies[ref.block_id, TIME])[1])
    if len(time_ms) != ref.rows:
        message = f"block {ref.block_id.hex()}: {len(time_ms)} times where its head names {ref.rows}"
        raise Corrupt(message)
    merges = np.ones(len(time_ms), np.bool_) if ref.merges else None
    return Columns(time_ms, {variable: _cell(ref, bodies, variable) for variable in variables}, merges)


def _cell(ref: BlockRef, bodies: Mapping[tuple[bytes, int], bytes], variable: int) -> Column:
    cell = packing.unpack_column(_opened(ref.block_id, variable, bodies[ref.block_id, variable])[1])
    if len(cell.values) != ref.rows:
        found = f"{len(cell.values)} values where its head names {ref.rows}"
        message = f"block {ref.block_id.hex()}, variable {variable}: {found}"
        raise Corrupt(message)
    return cell
