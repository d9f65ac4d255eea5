"""Entries that fail by their own fault, and how they get into a stream: past every admission (R14)."""

from __future__ import annotations

import struct
import zlib

import msgspec
import numpy as np

from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import AssetType, TypeAspect
from schemas.changes import Attach, Upsert
from schemas.columns import Column, Columns, Texts
from schemas.ids import SeriesId
from storage.memory_catalog import MemoryCatalogStore
from streams.entries import ENTRY_BYTES_MAX, SeriesEntry, encode_entry
from streams.memory import put_raw
from streams.port import Entry
from streams.shards import shard_of
from tests.storage.series import SERIES
from tests.workers.world import SHARDS, START_MS, World
from workers.screening import Shapes
from workers.sealer import SealRules
from workers.writer import Writer, WriterRules

SHARD = shard_of(SERIES.tenant, SERIES.asset, SHARDS)
ASPECT_TYPE = "acme.mast"


def doubles(*times: int, value: float = 1.0) -> Upsert:
    """Make rows of variable 1."""
    return Upsert(Columns(np.array(times, "<i8"), {1: Column(np.full(len(times), value))}))


def texts(*strings: str) -> Upsert:
    """Make rows whose variable 1 holds texts."""
    times = START_MS + np.arange(len(strings))
    return Upsert(Columns(times, {1: Column(Texts.of(strings))}))


def entry(change, series: SeriesId = SERIES) -> bytes:
    """Write an entry as a door does."""
    return encode_entry(SeriesEntry(series, 1, change))


def resealed(body: bytes) -> bytes:
    """Make the checksum of a changed entry hold again: as a defect in a door would."""
    rest = body[8:]
    crc = zlib.crc32(rest, body[0] | body[1] << 8 | body[2] << 16)
    return body[:4] + struct.pack("<I", crc) + rest


def changed(body: bytes, at: int, value: int) -> bytes:
    """Change one byte."""
    return body[:at] + bytes([value]) + body[at + 1 :]


GOOD = entry(doubles(START_MS + 5))
_STRINGS = entry(texts("ab", "cd"))

POISON = {
    "undecodable": (b"who put me here?", "fails its checksum"),
    "empty": (b"", "not decode"),
    "wrong checksum": (changed(GOOD, len(GOOD) - 3, GOOD[-3] ^ 0x40), "fails its checksum"),
    "cut short": (GOOD[:-8], "fails its checksum"),
    "wrong version": (resealed(changed(GOOD, 0, 2)), "version 2"),
    "unknown kind": (resealed(changed(GOOD, 1, 9)), "kind 9"),
    "content cut short": (resealed(GOOD[:-8]), "not decode"),
    "columns of a newer release": (resealed(changed(GOOD, 56, 7)), "version 7"),
    "texts for a number": (entry(texts("north")), "variable 1 holds FLOAT values, the entry has TEXT"),
    "17 MB": (entry(doubles(*range(START_MS, START_MS + 1_100_000))), f"is over the {ENTRY_BYTES_MAX}"),
    "no block list": (entry(Attach(b"\xc1")), "block list"),
    "no UTF-8": (resealed(changed(_STRINGS, _STRINGS.index(b"abcd"), 0xFF)), "not decode"),
}
"""Body and what the reason must say."""


def put_body(world: World, body: bytes, shard: int = SHARD) -> int:
    """Put an entry where no admission would; gives its position."""
    held = world.stream.shard(shard)
    position = max(held.last + 1, world.clock.now_ms() * 1000)
    put_raw(held, Entry(position, 0, body))
    return position


async def catalog_with(*variables: Variable) -> MemoryCatalogStore:
    """Make a catalogue in which the aspect of SERIES has these variables."""
    catalog = MemoryCatalogStore()
    aspect = TypeAspect(name="mast", aspect_type_id=ASPECT_TYPE, aspect_id=SERIES.aspect)
    asset_type = AssetType(
        id="acme.mast_type", tenant="acme", name="t", parent_type_id="core.basicasset", aspects=(aspect,)
    )
    await catalog.create("acme", "assettype", asset_type.id, msgspec.json.encode(asset_type))
    await catalog.create("acme", "aspecttype", ASPECT_TYPE, aspect_type(*variables))
    return catalog


def aspect_type(*variables: Variable) -> bytes:
    """Write the aspect type with these variables."""
    kept = AspectType(id=ASPECT_TYPE, tenant="acme", name="mast", category="dynamic", variables=variables)
    return msgspec.json.encode(kept)


def variable(kind: VariableType) -> Variable:
    """Make variable 1."""
    return Variable(name="x", type=kind, id=1)


def screening_writer(world: World, catalog: MemoryCatalogStore) -> Writer:
    """Make a writer that knows the types."""
    rules = WriterRules("w1", SHARDS, seal=SealRules(2.0, 5.0), trim_delay_s=0.0)
    ids = iter(range(1, 10**6))
    return Writer(
        world.stream,
        world.store,
        world.clock,
        rules,
        lambda: next(ids).to_bytes(16, "big"),
        shapes=Shapes(catalog),
    )
