"""Entries: what one request puts into a shard for one series, as bytes with a version and a checksum.

    version u8 · kind u8 · tenant bytes u8 · zero u8 · crc32 u32 (of all other bytes)
    aspect version u32 · zero u32 · asset 16 bytes · aspect 16 bytes · tenant, padded to 8 · content

Content: UPSERT raw columns (`schemas.column_codec`); CLEAR two int64, the range [from, to) in ms;
ATTACH a MessagePack list of staged blocks. An entry has at most ENTRY_RAW_BYTES_MAX of raw columns;
the door splits larger requests. Golden files pin the format; older versions stay readable.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from schemas.changes import Attach, Change, Clear, Upsert
from schemas.column_codec import decode_columns, encode_columns
from schemas.errors import Corrupt
from schemas.ids import AspectId, AssetId, SeriesId, TenantId

VERSION = 1

ENTRY_RAW_BYTES_MAX = 1024 * 1024
"""One entry's raw columns: large enough for a full PUT, small enough to fold and store in one piece."""

_PREFIX = struct.Struct("<BBBxI")
_KEY = struct.Struct("<II16s16s")
_RANGE = struct.Struct("<qq")


class EntryKind(IntEnum):
    """What an entry does to its series."""

    UPSERT = 1
    CLEAR = 2
    ATTACH = 3


@dataclass(slots=True, frozen=True)
class SeriesEntry:
    """A decoded entry."""

    series: SeriesId
    aspect_version: int
    content: Change


def encode_entry(entry: SeriesEntry) -> bytes:
    """Write an entry."""
    kind, content = _encode_content(entry.content)
    series = entry.series
    tenant = series.tenant.encode()
    rest = (
        _KEY.pack(entry.aspect_version, 0, bytes.fromhex(series.asset), bytes.fromhex(series.aspect))
        + tenant
        + b"\0" * (-len(tenant) % 8)
        + content
    )
    return _PREFIX.pack(VERSION, kind, len(tenant), _checksum(VERSION, kind, len(tenant), rest)) + rest


def _checksum(version: int, kind: int, tenant_bytes: int, rest: bytes | memoryview) -> int:
    return zlib.crc32(rest, version | kind << 8 | tenant_bytes << 16)


def _encode_content(content: Change) -> tuple[EntryKind, bytes]:
    if isinstance(content, Upsert):
        return EntryKind.UPSERT, encode_columns(content.columns)
    if isinstance(content, Clear):
        return EntryKind.CLEAR, _RANGE.pack(content.start_ms, content.end_ms)
    return EntryKind.ATTACH, content.blocks


def decode_entry(body: bytes) -> SeriesEntry:
    """Read an entry; Corrupt if the checksum, the version or the content does not hold."""
    try:
        version, kind, tenant_bytes, checksum = _PREFIX.unpack_from(body)
        rest = memoryview(body)[_PREFIX.size :]
        if version != VERSION or body[3] or _checksum(version, kind, tenant_bytes, rest) != checksum:
            message = f"an entry of {len(body)} bytes fails its checksum or version {version}"
            raise Corrupt(message)
        aspect_version, _, asset, aspect = _KEY.unpack_from(rest)
        tenant = bytes(rest[_KEY.size : _KEY.size + tenant_bytes]).decode("ascii")
        content = rest[_KEY.size + tenant_bytes + -tenant_bytes % 8 :]
        series = SeriesId(TenantId(tenant), AssetId(asset.hex()), AspectId(aspect.hex()))
        return SeriesEntry(series, aspect_version, _decode_content(kind, content))
    except (struct.error, ValueError) as broken:
        message = f"an entry of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


def _decode_content(kind: int, content: memoryview) -> Change:
    if kind == EntryKind.UPSERT:
        return Upsert(decode_columns(content))
    if kind == EntryKind.CLEAR:
        return Clear(*_RANGE.unpack(content))
    if kind == EntryKind.ATTACH:
        return Attach(bytes(content))
    message = f"an entry of kind {kind} is from a newer release"
    raise Corrupt(message)
