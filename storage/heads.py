"""What a head says: how far a slice is sealed, and which blocks it consists of (design 4.3)."""

from __future__ import annotations

import msgspec

from schemas.errors import Corrupt


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


class HeadContent(msgspec.Struct, frozen=True, array_like=True):
    """The body of a head: blocks disjoint in time and sorted."""

    sealed_through: int = 0
    """W: deltas with last ≤ W are ignored, whoever wrote them and whenever (design 4.4)."""
    blocks: tuple[BlockRef, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_head_decoder = msgspec.msgpack.Decoder(HeadContent)
_refs_decoder = msgspec.msgpack.Decoder(tuple[BlockRef, ...])

NOTHING = HeadContent()
"""The head of a slice that was never sealed."""


def encode_head(content: HeadContent) -> bytes:
    """Write a head's body."""
    return _encoder.encode(content)


def decode_head(body: bytes) -> HeadContent:
    """Read a head's body; empty is the head of a slice never sealed; Corrupt if it does not decode."""
    if not body:
        return NOTHING
    try:
        return _head_decoder.decode(body)
    except msgspec.MsgspecError as broken:
        message = f"a head of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


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
