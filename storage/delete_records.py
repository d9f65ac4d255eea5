"""Deletes as things: a document each in the catalogue, written by the door that admits it (design 4.14, 9.8).

Its id follows from the place of its entry in the order, so that whoever comes upon the entry can write it: a
writer does, before it stores the clear, where the door did not live to. The document says what was asked for;
what became of it say the receipts (`api.reading.receipts`).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.changes import Clear
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from schemas.receipts import Place
from storage import changing
from storage.port import CatalogStore, Document
from storage.undoing import Cleared, cleared_by

KIND = "delete"

CHANGE_TRIES_MAX = 5
"""A record is changed by the door that undoes it and by the writer that lets go of it, once each."""


class UndoRecord(msgspec.Struct, frozen=True):
    """That a delete was undone, or that it was tried."""

    by: str
    at_ms: int
    position: int
    """Of the entry that asks for it, in the shard of the delete."""
    incarnation: int


class DeleteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One delete."""

    asset: AssetId
    aspect: AspectId
    aspect_name: str
    """As the path of the request had it; empty where only a writer knows of the delete."""
    start_ms: int
    end_ms: int
    """start_ms ≤ t < end_ms."""
    shard: int
    position: int
    incarnation: int
    by: str
    """Whose token asked for it; empty as above."""
    at_ms: int
    until_ms: int
    """Until when it can be undone; 0: never."""
    undo: UndoRecord | None = None
    released: bool = False
    """True: what was kept for the undo is let go."""
    is_import: bool = False
    """True: no delete, but the attach of an import, which is undone through its job."""

    @property
    def id(self) -> str:
        """Give the id: ids ascend with the time of their deletes."""
        return id_of(self.shard, self.position)

    def series(self, tenant: TenantId) -> SeriesId:
        """Name the series."""
        return SeriesId(tenant, self.asset, self.aspect)


_decoder = msgspec.json.Decoder(DeleteRecord)


def record_of(series: SeriesId, place: Place, clear: Clear) -> DeleteRecord:
    """Say of a delete what its entry says; the time is that of its position."""
    return DeleteRecord(
        asset=series.asset,
        aspect=series.aspect,
        aspect_name="",
        start_ms=clear.start_ms,
        end_ms=clear.end_ms,
        shard=place.shard,
        position=place.position,
        incarnation=place.incarnation,
        by="",
        at_ms=place.position // 1000,
        until_ms=cleared_by(place.position, clear).until_ms,
    )


def record_of_import(series: SeriesId, place: Place, imported: Cleared) -> DeleteRecord:
    """Say of the attach of an import until when it can be undone: who holds the shard lets go of it then."""
    return DeleteRecord(
        asset=series.asset,
        aspect=series.aspect,
        aspect_name="",
        start_ms=imported.start_ms,
        end_ms=imported.end_ms,
        shard=place.shard,
        position=place.position,
        incarnation=place.incarnation,
        by="",
        at_ms=place.position // 1000,
        until_ms=imported.until_ms,
        is_import=True,
    )


def id_of(shard: int, position: int) -> str:
    """Name a delete by its place: 14 and 4 hexadecimal digits."""
    return f"{position:014x}{shard:04x}"


def record_in(document: Document) -> DeleteRecord:
    """Read a document."""
    return _decoder.decode(document.body)


async def note(catalog: CatalogStore, tenant: str, record: DeleteRecord) -> None:
    """Store a record; one of a door takes the place of a writer's, which knows less."""
    created = await catalog.create(tenant, KIND, record.id, msgspec.json.encode(record))
    if created is None and record.by:
        await change(
            catalog,
            tenant,
            record.id,
            lambda known: msgspec.structs.replace(record, undo=known.undo, released=known.released),
        )


async def change(
    catalog: CatalogStore, tenant: str, record_id: str, changed: Callable[[DeleteRecord], DeleteRecord]
) -> DeleteRecord | None:
    """Change a record, whoever else does so meanwhile; None where there is none (any more)."""

    def read(document: Document | None) -> DeleteRecord | None:
        return None if document is None else record_in(document)

    def following(known: DeleteRecord | None) -> DeleteRecord | None:
        return None if known is None else changed(known)

    failed = f"the record of the delete {record_id} could not be changed: others change it all the time"
    place = (tenant, KIND, record_id)
    return await changing.change(catalog, place, read, following, tries_max=CHANGE_TRIES_MAX, failed=failed)
