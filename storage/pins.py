"""What a pin says: which entry it belongs to, and the head as it stood before that (design 4.14). Pure.

version u8 · crc32 u32 (of what follows) · MessagePack of start_ms, end_ms, head, attached
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from schemas.errors import Corrupt
from storage.heads import BlockRef, decode_head, decode_refs
from storage.port import Pin

VERSION = 1
_PREFIX = struct.Struct("<BI")


class Pinned(msgspec.Struct, frozen=True, array_like=True):
    """The body of a pin. New fields are appended, with a default."""

    start_ms: int
    """The entry's range, start_ms ≤ t < end_ms …"""
    end_ms: int
    """… which may reach beyond the slice."""
    head: bytes | None
    """The head's body as it stood; None: it could not be kept, or nobody wanted it, so nothing can be undone.
    The pin then says that there was such an entry: what was there before it must not come back over it."""
    attached: bytes | None = None
    """Of an import: the blocks that it attached to the slice, as `storage.heads` lists them. They are kept
    along, so that what is there later can be held against what the import had brought."""

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether the range of the entry has times in start_ms ≤ t < end_ms."""
        return self.start_ms < end_ms and start_ms < self.end_ms


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pinned)


def encode_pin(pinned: Pinned) -> bytes:
    """Write the body of a pin."""
    # What no import wrote is as releases before imports wrote it.
    packed = _encoder.encode(pinned if pinned.attached is not None else _told(pinned))
    return _PREFIX.pack(VERSION, zlib.crc32(packed)) + packed


def _told(pinned: Pinned) -> tuple[int, int, bytes | None]:
    return pinned.start_ms, pinned.end_ms, pinned.head


def decode_pin(body: bytes) -> Pinned:
    """Read the body of a pin; Corrupt if version, checksum or content does not hold."""
    try:
        version, checksum = _PREFIX.unpack_from(body)
        packed = memoryview(body)[_PREFIX.size :]
        if version == VERSION and zlib.crc32(packed) == checksum:
            return _decoder.decode(packed)
    except (msgspec.MsgspecError, struct.error) as broken:
        message = f"a pin of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken
    message = f"a pin of {len(body)} bytes fails its checksum or version"
    raise Corrupt(message)


def blocks_of(pin: Pin) -> tuple[BlockRef, ...]:
    """Give the blocks that a pin keeps; Corrupt if it does not decode."""
    pinned = decode_pin(pin.body)
    attached = () if pinned.attached is None else decode_refs(pinned.attached)
    return decode_head(pinned.head or b"").blocks + attached
