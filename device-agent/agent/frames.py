"""Frames of the journal, byte by byte: numbers as long as they need, and what is a frame at all.

A frame is its length, kind | quality << 4, the number of its sample mod 256, a body, and a CRC-32 that begins
with the sector, so that a frame of an earlier round is none. Pure.
"""

import struct
from binascii import crc32

SYNCED, HELD, UNSYNCED = 0, 1, 2
"""How good a time is: set by the network, set long ago, counted from a guess."""

FRAME_BYTES_MAX = 254
FRAME_BYTES_MIN = 7
ERASED = 0xFF

SOURCES_MAX = 8
"""Kinds below it are samples of that source."""

SENT, BOOT, FIX = 8, 9, 10
"""Notes: what was sent and what was lost, a start, a start and by how much its times were wrong."""


def find(page, at, end, seed):
    """Give the place of the first whole frame from here on; -1 if there is none."""
    while at + FRAME_BYTES_MIN <= end:
        length = page[at]
        if FRAME_BYTES_MIN <= length <= FRAME_BYTES_MAX and at + length <= end:
            check = at + length - 4
            if struct.unpack_from("<I", page, check)[0] == crc32(page[at:check], seed):
                return at
        at += 1
    return -1


def seed_of(journal_id, sector):
    return crc32(struct.pack("<II", journal_id, sector))


def zigzag(value):
    return value * 2 if value >= 0 else -value * 2 - 1


def unzigzag(value):
    return -(value + 1) // 2 if value & 1 else value // 2


def put_varint(buffer, at, value):
    while value > 0x7F:
        buffer[at] = value & 0x7F | 0x80
        value >>= 7
        at += 1
    buffer[at] = value
    return at + 1


def varint_at(buffer, at):
    value = shift = 0
    while buffer[at] > 0x7F:
        value |= (buffer[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | buffer[at] << shift, at + 1
