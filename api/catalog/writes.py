"""How a thing of the catalogue is stored: by compare-and-set, judged on what is there (wire 0.5).

What needs other things (does the parent exist, is the type in use) looks at the index, brought up to date
first. The thing itself is read from the store, so that a precondition is judged on what is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import ASPECT_TYPE, ASSET, ASSET_TYPE, MODEL_FILE
from api.catalog.tenant_index import Kept, TenantIndex
from api.http.hal import Preconditions
from runtime.ports import Clock
from schemas import codes
from schemas.aspects import AspectType
from schemas.assets import Asset, AssetType, FileAssignment
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem
from schemas.ids import CORE, TenantId
from schemas.model_files import ModelFile
from storage.port import CatalogStore, Document

T = TypeVar("T", AspectType, AssetType, Asset, ModelFile)

IN_USE: Final = "aspectstore.types.inUse"

UNKNOWN: Final = {
    ASPECT_TYPE: "There is no such aspect type.",
    ASSET_TYPE: "There is no such asset type.",
    ASSET: "There is no such asset.",
    MODEL_FILE: "There is no such file.",
}
"""The words for an unknown thing, and for another tenant's (MS-31)."""

_STALE = "The etag is not that of the present version; read it again."
_TAKEN = "There is one with this id already."


class CatalogWrites:
    """What all writes to types and assets of an installation share."""

    def __init__(self, store: CatalogStore, index: CatalogIndex, clock: Clock) -> None:
        """Take the store, the index that is told of every write, and the clock that stamps deletions."""
        self._store = store
        self._index = index
        self._clock = clock

    async def _open(self, tenant: TenantId) -> TenantIndex:
        """Give the tenant's part of the index, with what other doors have written; Conflict while locked."""
        await self._index.refresh()
        index = self._index.of(tenant)
        demand_unlocked(index)
        return index

    async def _old(
        self, tenant: TenantId, kind: str, thing_id: str, wanted: Preconditions, form: type[T]
    ) -> tuple[Document | None, T | None]:
        """Read what may be there and hold the preconditions against it; nothing is there to be created."""
        document = await self._store.get(tenant, kind, thing_id)
        if document is not None:
            return _judged(document, wanted, form)
        if wanted.version is not None:
            raise NotFound("There is nothing yet that If-Match could mean.")
        return None, None

    async def _present(
        self, tenant: TenantId, kind: str, thing_id: str, wanted: Preconditions, form: type[T]
    ) -> tuple[Document, T]:
        """Read what must be there, in the version that If-Match names; a missing If-Match is refused."""
        wanted.required()
        document = await self._store.get(tenant, kind, thing_id)
        if document is None:
            raise NotFound(UNKNOWN[kind])
        return _judged(document, wanted, form)

    async def _store_it(self, new: T, kind: str, over: Document | None) -> tuple[Kept[T], bool]:
        """Store a thing; tells whether it is a new one. PreconditionFailed if another was faster."""
        body = msgspec.json.encode(new)
        if over is None:
            stored = await self._store.create(new.tenant, kind, new.id, body)
        else:
            stored = await self._store.replace(new.tenant, kind, new.id, body, over.version)
        if stored is None:
            raise PreconditionFailed(_TAKEN if over is None else _STALE)
        self._index.wrote(stored)
        return Kept(new, stored.version), over is None

    async def _remove(self, kept: Kept[Any], kind: str, wanted: Preconditions, users: list[str]) -> None:
        thing = kept.value
        version = wanted.required()
        if thing.tenant == CORE:
            raise Invalid([Problem("", IN_USE, "Built-in types cannot be removed.")])
        if version != kept.version:
            raise PreconditionFailed(_STALE)
        if users:
            raise Invalid([Problem("", IN_USE, f"It is used by {', '.join(sorted(users)[:5])}.")])
        if not await self._store.remove(thing.tenant, kind, thing.id, version):
            raise PreconditionFailed(_STALE)
        self._index.removed(thing.tenant, kind, thing.id)


def _judged(document: Document, wanted: Preconditions, form: type[T]) -> tuple[Document, T]:
    if wanted.absent:
        raise PreconditionFailed(_TAKEN)
    if wanted.required() != document.version:
        raise PreconditionFailed(_STALE)
    return document, msgspec.json.decode(document.body, type=form)


def demand_unlocked(index: TenantIndex) -> None:
    """Raise Conflict while the tenant's model is locked."""
    if index.model_lock.value.enabled:
        raise Conflict("The model is locked; unlock it with PUT /model/lock?enabled=false.")


def check_files(
    new: Iterable[FileAssignment], old: Iterable[FileAssignment], index: TenantIndex
) -> list[Problem]:
    """Check that the files exist that an asset or a type comes to refer to; those it referred to stay."""
    known = {file.file_id for file in old} | index.model_files.keys()
    return [
        Problem(f"/fileAssignments/{place}/fileId", codes.INVALID_BODY, UNKNOWN[MODEL_FILE])
        for place, file in enumerate(new)
        if file.file_id not in known
    ]


def refuse(problems: list[Problem]) -> None:
    """Raise Invalid if there is at least one problem."""
    if problems:
        raise Invalid(problems)
