"""Entries: what one request puts into a shard for one series, as bytes with a version and a checksum.

    version u8 · kind u8 · tenant bytes u8 · zero u8 · crc32 u32 (of all other bytes)
    aspect version u32 · undo u32 · asset 16 bytes · aspect 16 bytes · tenant, padded to 8 · content

Undo: of a CLEAR or an ATTACH, for how many seconds after its position it can be undone; 0: never, and in
other kinds.
Content: UPSERT raw columns (`schemas.column_codec`); CLEAR two int64, the range [from, to) in ms; ATTACH a
MessagePack list of staged blocks; ERASE the asset's 16 bytes once more, or nothing where a whole tenant is
meant (design 4.16), and the aspect is 0, the asset then too; UNDO three int64, the position of a CLEAR or an
ATTACH of the series and its range. An entry has at most ENTRY_RAW_BYTES_MAX of raw columns; the door splits
larger requests. Golden files pin the format; older versions stay readable.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from functools import lru_cache

import msgspec

from schemas.changes import Attach, Change, Clear, Row, Undo, Upsert
from schemas.column_codec import decode_columns, encode_columns
from schemas.errors import Corrupt
from schemas.ids import AspectId, AssetId, Erased, SeriesId, TenantId, is_tenant_id

VERSION = 1

ENTRY_RAW_BYTES_MAX = 1024 * 1024
"""One entry's raw columns: large enough for a full PUT, small enough to fold and store in one piece."""

ENTRY_BYTES_MAX = 12 * 1024 * 1024
"""No entry of a door is larger, however unevenly rows of long texts divide; its delta fits a mutation."""

SERIES_BYTES = 32
"""Asset and aspect id, 16 bytes each; they stand at bytes 16 to 48 of every entry."""

SERIES_REMEMBERED = 200_000
"""Decoded keys a process keeps, about 60 MB at the most: a writer meets the same series again and again."""

NO_ID = "0" * 32
"""In an ERASE, where others have an aspect, or an asset."""

_PREFIX = struct.Struct("<BBBxI")
_KEY = struct.Struct("<II")
_RANGE = struct.Struct("<qq")
_UNDO = struct.Struct("<qqq")


class EntryKind(IntEnum):
    """What an entry does to its series."""

    UPSERT = 1
    CLEAR = 2
    ATTACH = 3
    ERASE = 4
    """It ends a tenant or an asset for good; no entry of a series."""
    UNDO = 5


class SeriesEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry in parts."""

    series: SeriesId
    aspect_version: int
    content: Change | Row | Undo
    """`Row` only on the way in: it is an Upsert when it is read."""


def encode_entry(entry: SeriesEntry) -> bytes:
    """Write an entry."""
    kind, content, undo_s = _encode_content(entry.content)
    return _encoded(kind, entry.series, entry.aspect_version, content, undo_s)


def encode_erasure(erased: Erased) -> bytes:
    """Write the entry that orders this to be erased; its series is `erasure_series`."""
    return _encoded(EntryKind.ERASE, erasure_series(erased), 0, bytes.fromhex(erased.asset))


def erasure_series(erased: Erased) -> SeriesId:
    """Give what stands for a series in an ERASE."""
    return SeriesId(erased.tenant, AssetId(erased.asset or NO_ID), AspectId(NO_ID))


def erased_by(opened: OpenedEntry) -> Erased:
    """Give what an ERASE orders to be erased."""
    return Erased(opened.series.tenant, opened.content.hex())


def _encoded(
    kind: EntryKind, series: SeriesId, aspect_version: int, content: bytes, undo_s: int = 0
) -> bytes:
    rest = _KEY.pack(aspect_version, undo_s) + _named(series) + content
    tenant_bytes = len(series.tenant)  # which is ASCII
    return _PREFIX.pack(VERSION, kind, tenant_bytes, _checksum(VERSION, kind, tenant_bytes, rest)) + rest


@lru_cache(maxsize=SERIES_REMEMBERED)
def _named(series: SeriesId) -> bytes:
    tenant = series.tenant.encode("ascii")
    return bytes.fromhex(series.asset) + bytes.fromhex(series.aspect) + tenant + b"\0" * (-len(tenant) % 8)


def _checksum(version: int, kind: int, tenant_bytes: int, rest: bytes | memoryview) -> int:
    return zlib.crc32(rest, version | kind << 8 | tenant_bytes << 16)


def _encode_content(content: Change | Row | Undo) -> tuple[EntryKind, bytes, int]:
    """Give kind and content, and for how many seconds it can be undone."""
    if isinstance(content, Row):
        return EntryKind.UPSERT, content.content, 0
    if isinstance(content, Upsert):
        return EntryKind.UPSERT, encode_columns(content.columns), 0
    if isinstance(content, Clear):
        return EntryKind.CLEAR, _RANGE.pack(content.start_ms, content.end_ms), content.undo_s
    if isinstance(content, Undo):
        return EntryKind.UNDO, _UNDO.pack(content.position, content.start_ms, content.end_ms), 0
    return EntryKind.ATTACH, content.blocks, content.undo_s


class OpenedEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry whose checksum held and whose content is still bytes."""

    series: SeriesId
    aspect_version: int
    kind: int
    content: memoryview
    undo_s: int = 0


def decode_entry(body: bytes) -> SeriesEntry:
    """Read an entry; Corrupt if the checksum, the version or the content does not hold."""
    opened = open_entry(body)
    return SeriesEntry(opened.series, opened.aspect_version, decode_content(opened))


def open_entry(body: bytes) -> OpenedEntry:
    """Check an entry and read its key, but not its content; Corrupt if that does not hold."""
    if len(body) > ENTRY_BYTES_MAX:
        message = f"an entry of {len(body)} bytes is over the {ENTRY_BYTES_MAX} that the store takes"
        raise Corrupt(message)
    try:
        version, kind, tenant_bytes, checksum = _PREFIX.unpack_from(body)
        rest = memoryview(body)[_PREFIX.size :]
        if version != VERSION or body[3] or _checksum(version, kind, tenant_bytes, rest) != checksum:
            message = f"an entry of {len(body)} bytes fails its checksum or version {version}"
            raise Corrupt(message)
        aspect_version, undo_s = _KEY.unpack_from(rest)
        named = _KEY.size + SERIES_BYTES + tenant_bytes
        series = _series(bytes(rest[_KEY.size : named]))
        return OpenedEntry(series, aspect_version, kind, rest[named + -tenant_bytes % 8 :], undo_s)
    except (struct.error, ValueError) as broken:
        message = f"an entry of {len(body)} bytes does not decode: {broken}"
        raise Corrupt(message) from broken


def series_of(body: bytes) -> SeriesId | None:
    """Tell whose entry this says to be, whether or not the rest of it holds; None if nothing can be read.

    The opening of a body is enough (`streams.port.OPENING_BYTES`).
    """
    start = _PREFIX.size + _KEY.size
    end = start + SERIES_BYTES + (body[2] if len(body) > start else 0)
    if len(body) < end:
        return None
    try:
        series = _series(body[start:end])
    except ValueError:
        return None
    return series if is_tenant_id(series.tenant) else None


@lru_cache(maxsize=SERIES_REMEMBERED)
def _series(named: bytes) -> SeriesId:
    tenant = named[SERIES_BYTES:].decode("ascii")
    asset, aspect = named[:16].hex(), named[16:SERIES_BYTES].hex()
    return SeriesId(TenantId(tenant), AssetId(asset), AspectId(aspect))


def decode_content(opened: OpenedEntry) -> Change | Undo:
    """Read the content of an entry; Corrupt if it does not decode."""
    kind, content = opened.kind, opened.content
    if kind == EntryKind.UPSERT:
        return Upsert(decode_columns(content))
    if kind == EntryKind.CLEAR and len(content) == _RANGE.size:
        start_ms, end_ms = _RANGE.unpack(content)
        return Clear(start_ms, end_ms, opened.undo_s)
    if kind == EntryKind.UNDO and len(content) == _UNDO.size:
        return Undo(*_UNDO.unpack(content))
    if kind == EntryKind.ATTACH:
        return Attach(bytes(content), undo_s=opened.undo_s)
    message = f"an entry of kind {kind} with {len(content)} bytes does not decode"
    raise Corrupt(message)
