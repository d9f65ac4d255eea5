"""What an import has staged and attached, written down before it is done (R21).

A page names blocks before any of them is stored, so whoever sweeps the store, or goes on after a kill, knows
whose they are. A unit of the source (a file) counts once its end is noted: what an attempt left of a unit
that has none is dropped and staged anew. All of it stands in the catalogue, in kinds of the job's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec

from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from schemas.receipts import Place
from storage import job_records, sealing
from storage.heads import BlockRef, decode_refs, encode_refs
from storage.port import CatalogStore, Document, SeriesStore, SliceId

_PAGES: Final = "staging:"
_UNITS: Final = "staged:"
_ATTACHED: Final = "attached:"

CORRECTION: Final = 99_999
"""The unit of what a later version of a file takes away of the earlier one: it counts over all others."""


class Page(msgspec.Struct, frozen=True):
    """Blocks of one series, in the order in which they count."""

    asset: AssetId
    aspect: AspectId
    refs: bytes


class Unit(msgspec.Struct, frozen=True):
    """The end of one unit of the source."""

    attempt: int
    """Whose pages count."""
    rows: int
    """As they came …"""
    duplicates: int
    """… of which so many gave way to a later one of the same run of rows."""
    octets: int
    lines: int = 0
    """Rows of the source, refused ones included …"""
    refused: int = 0
    """… and these alone."""
    report: str = ""
    """The path of the file that tells of them."""
    cells: int = 0
    """Values that were staged."""
    removed: int = 0
    """Of the correction: records of the earlier version that go."""


class Attached(msgspec.Struct, frozen=True):
    """One series of an import on its way into the order."""

    asset: AssetId
    aspect: AspectId
    asked_ms: int
    """When it was first asked for."""
    start_ms: int
    end_ms: int
    """start_ms ≤ t < end_ms for all of its rows."""
    rows: int
    shard: int = 0
    incarnation: int = 0
    position: int = 0
    """Of its entry; 0: nobody knows yet whether it was admitted."""
    undo_position: int = 0
    """Of the entry that asks for it to be undone; 0: none."""
    undo_incarnation: int = 0
    corrections: tuple[bytes, ...] = ()
    """The ids of its blocks that hold no rows of the source, but undo what an earlier version did."""

    def series(self, tenant: TenantId) -> SeriesId:
        """Name the series."""
        return SeriesId(tenant, self.asset, self.aspect)


_page = msgspec.json.Decoder(Page)
_unit = msgspec.json.Decoder(Unit)
_attached = msgspec.json.Decoder(Attached)


class Journal:
    """The journal of one job."""

    def __init__(self, catalog: CatalogStore, tenant: TenantId, job_id: str) -> None:
        """Name the job."""
        self._catalog = catalog
        self.tenant = tenant
        self.job_id = job_id

    async def note_page(
        self, unit: int, attempt: int, number: int, series: SeriesId, refs: Sequence[BlockRef]
    ) -> None:
        """Name blocks that are about to be stored."""
        body = msgspec.json.encode(Page(series.asset, series.aspect, encode_refs(tuple(refs))))
        name = f"{unit:05d}-{attempt:05d}-{number:07d}"
        await self._catalog.create(self.tenant, _PAGES + self.job_id, name, body)

    async def note_unit(self, unit: int, done: Unit) -> bool:
        """Note the end of a unit; False where another attempt has."""
        body = msgspec.json.encode(done)
        stored = await self._catalog.create(self.tenant, _UNITS + self.job_id, f"{unit:05d}", body)
        return stored is not None

    async def units(self) -> dict[int, Unit]:
        """Give the units that are staged."""
        documents = await self._catalog.list(self.tenant, _UNITS + self.job_id)
        return {int(document.id): _unit.decode(document.body) for document in documents}

    async def staged(self, below: int = CORRECTION + 1) -> dict[SeriesId, list[BlockRef]]:
        """Give the blocks that count, by series, a later one over an earlier one; of units below a number."""
        units = {number: unit for number, unit in (await self.units()).items() if number < below}
        found: dict[SeriesId, list[BlockRef]] = {}
        for document in await self._pages():
            unit, attempt, _ = map(int, document.id.split("-"))
            if unit in units and units[unit].attempt == attempt:
                page = _page.decode(document.body)
                found.setdefault(SeriesId(self.tenant, page.asset, page.aspect), []).extend(
                    decode_refs(page.refs)
                )
        return found

    async def corrections(self) -> set[bytes]:
        """Give the ids of the blocks that count of the correction."""
        if CORRECTION not in await self.units():
            return set()
        every, source = await self.staged(), await self.staged(CORRECTION)
        return _ids_of(every) - _ids_of(source)

    async def named(self) -> set[bytes]:
        """Give the id of every block that the job names, whether or not it counts."""
        pages = [_page.decode(document.body) for document in await self._pages()]
        return {ref.block_id for page in pages for ref in decode_refs(page.refs)}

    async def drop(self, store: SeriesStore, *, counted: bool) -> None:
        """Drop staged blocks and the pages that name them; those that count only if they are to go, too."""
        units = {} if counted else await self.units()
        for document in await self._pages():
            unit, attempt, _ = map(int, document.id.split("-"))
            if unit in units and units[unit].attempt == attempt:
                continue
            await self._drop_page(store, document)

    async def _drop_page(self, store: SeriesStore, document: Document) -> None:
        page = _page.decode(document.body)
        series = SeriesId(self.tenant, page.asset, page.aspect)
        refs = sorted(decode_refs(page.refs), key=lambda ref: ref.slice_start_ms)
        for start, inside in groupby(refs, key=lambda ref: ref.slice_start_ms):
            keys = [(ref.part, ref.block_id) for ref in inside]
            await sealing.drop(store, SliceId(series, start), keys)
        await self._catalog.remove(self.tenant, document.kind, document.id, document.version)

    async def forget_pages(self) -> None:
        """Name no block any more: all of them are the store's, or nobody's."""
        await self._remove_all(_PAGES)
        await self._remove_all(_UNITS)

    async def forget(self) -> None:
        """Remove everything, the places of what was attached, too."""
        await self.forget_pages()
        await self._remove_all(_ATTACHED)

    async def _remove_all(self, kind: str) -> None:
        for document in await self._catalog.list(self.tenant, kind + self.job_id):
            await self._catalog.remove(self.tenant, document.kind, document.id, document.version)

    async def _pages(self) -> list[Document]:
        return await self._catalog.list(self.tenant, _PAGES + self.job_id)

    # -- what is attached ----------------------------------------------------------------------

    async def attached(self) -> list[Attached]:
        """Give the series that are attached, or about to be."""
        documents = await self._catalog.list(self.tenant, _ATTACHED + self.job_id)
        return [_attached.decode(document.body) for document in documents]

    async def note_undo(self, told: Attached, place: Place) -> None:
        """Note where the undo of a series was asked for."""
        kind, name = _ATTACHED + self.job_id, f"{told.asset}-{told.aspect}"
        asked = msgspec.structs.replace(
            told, undo_position=place.position, undo_incarnation=place.incarnation
        )
        document = await self._catalog.get(self.tenant, kind, name)
        if document is not None:
            body = msgspec.json.encode(asked)
            await self._catalog.replace(self.tenant, kind, name, body, document.version)

    async def note_attached(self, told: Attached) -> Attached:
        """Note a series that is about to be attached, or where it was; gives what stands there first."""
        kind, name = _ATTACHED + self.job_id, f"{told.asset}-{told.aspect}"
        body = msgspec.json.encode(told)
        if await self._catalog.create(self.tenant, kind, name, body) is not None:
            return told
        document = await self._catalog.get(self.tenant, kind, name)
        assert document is not None, "nobody removes it while the job is there"
        known = _attached.decode(document.body)
        if known.position == told.position or not told.position:
            return known
        await self._catalog.replace(self.tenant, kind, name, body, document.version)
        return told


def _ids_of(staged: Mapping[SeriesId, Sequence[BlockRef]]) -> set[bytes]:
    return {ref.block_id for refs in staged.values() for ref in refs}


async def named_by_jobs(catalog: CatalogStore, tenant: TenantId) -> set[bytes]:
    """Give the ids of blocks that a tenant's unfinished jobs name: no sweep may take them (design 4.7)."""
    found: set[bytes] = set()
    for record in await job_records.all_of(catalog, tenant):
        if record.kind == job_records.IMPORT and not (record.phase.is_end and record.tidied):
            found |= await Journal(catalog, tenant, record.id).named()
    return found
