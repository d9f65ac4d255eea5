"""What a head says: how far a slice is sealed, and which blocks it consists of (design 4.3).

A body begins with its version: `version u8 · crc32 u32 (of what follows) · msgpack`. The first release
wrote the msgpack alone, whose first byte is the mark of a short array; both are read.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from schemas import changes
from schemas.errors import Corrupt

VERSION = 2
_PREFIX = struct.Struct("<BI")
_SHORT_ARRAY = 0x90
"""The first byte of a body of version 1, with the number of its fields in the lower half."""

NO_TIME_MS = changes.NO_TIME_MS
END_MS = changes.END_MS


class BlockRef(msgspec.Struct, frozen=True, array_like=True):
    """One block as a head, or an attach delta, names it. New fields are appended, with a default."""

    block_id: bytes
    part: int
    stored_bytes: int
    from_ms: int
    """Time of the first row."""
    to_ms: int
    """Time of the last row (inclusive)."""
    rows: int
    position_max: int
    """The highest position whose rows it holds."""
    variables: tuple[int, ...] = ()
    """Variable ids that have a row in the store, time and summary left out."""
    slice_start_ms: int = 0
    """In an attach only: the slice under which the block is staged."""
    raw_bytes: int = 0
    """Size of its raw columns (`Columns.raw_bytes`); 0 where a head of version 1 did not say."""
    summary: bytes = b""
    """Summary of the whole block (`storage.summaries`); empty: read its summary row, or its columns."""
    cells: bool = False
    """True: it has a summary row (variable −1) of 15-minute cells."""
    summary_only: bool = False
    """True: retention took its rows and left the summaries (design 4.13)."""
    merges: bool = False
    """In an attach only, True: its rows are merged into what lies below, cell by cell (design 3.2)."""


class HeadContent(msgspec.Struct, frozen=True, array_like=True):
    """The body of a head: blocks disjoint in time and sorted."""

    sealed_through: int = 0
    """W: deltas with last ≤ W are ignored, whoever wrote them and whenever (design 4.4)."""
    blocks: tuple[BlockRef, ...] = ()
    rows_from_ms: int = NO_TIME_MS
    """Rows before it live no more, wherever they come from; summaries may (design 4.13)."""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    """The first word of a head; the decoder passes over the others."""

    sealed_through: int = 0


_encoder = msgspec.msgpack.Encoder()
_sealed_decoder = msgspec.msgpack.Decoder(_Sealed)
_head_decoder = msgspec.msgpack.Decoder(HeadContent)
_refs_decoder = msgspec.msgpack.Decoder(tuple[BlockRef, ...])

NOTHING = HeadContent()
"""The head of a slice that was never sealed."""


def encode_head(content: HeadContent) -> bytes:
    """Write a head's body."""
    packed = _encoder.encode(content)
    return _PREFIX.pack(VERSION, zlib.crc32(packed)) + packed


def decode_head(body: bytes) -> HeadContent:
    """Read a head's body; empty is the head of a slice never sealed; Corrupt if it does not decode."""
    if not body:
        return NOTHING
    try:
        return _head_decoder.decode(_packed(body))
    except (msgspec.MsgspecError, struct.error) as broken:
        message = f"a head of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


def sealed_through(body: bytes) -> int:
    """Read W alone, without the checksum: what it saves to read is read with all of it (`decode_head`)."""
    if not body:
        return 0
    packed = body if body[0] & 0xF0 == _SHORT_ARRAY else memoryview(body)[_PREFIX.size :]
    try:
        return _sealed_decoder.decode(packed).sealed_through
    except msgspec.MsgspecError:
        return 0


def _packed(body: bytes) -> bytes | memoryview:
    """Give the msgpack of a body of any version."""
    if body[0] & 0xF0 == _SHORT_ARRAY:
        return body
    version, checksum = _PREFIX.unpack_from(body)
    packed = memoryview(body)[_PREFIX.size :]
    if version != VERSION:
        message = f"a head of version {version} is from a newer release, or damaged"
        raise Corrupt(message)
    if zlib.crc32(packed) != checksum:
        message = f"a head of {len(body)} bytes fails its checksum"
        raise Corrupt(message)
    return packed


def encode_refs(refs: tuple[BlockRef, ...]) -> bytes:
    """Write the block list of an attach."""
    return _encoder.encode(refs)


def decode_refs(body: bytes) -> tuple[BlockRef, ...]:
    """Read the block list of an attach; Corrupt if it does not decode."""
    try:
        return _refs_decoder.decode(body)
    except msgspec.MsgspecError as broken:
        message = f"a block list of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken
