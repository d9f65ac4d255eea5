"""Inlets of a tenant: documents with a version each, known to every door (`schemas.lineprotocol.inlets`)."""

from __future__ import annotations

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import Kept, TenantIndex
from api.http.hal import Preconditions
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, TooMany
from schemas.ids import TenantId
from schemas.lineprotocol.inlets import KIND, Inlet, check_inlet, inlet_id
from schemas.lineprotocol.limits import INLETS_MAX
from storage.port import CatalogStore

UNKNOWN = "There is no such inlet."
_STALE = "The inlet has another version; read its etag again and send it as If-Match."
_RETRY_S = 3_600


class Inlets:
    """The inlets of verified callers."""

    def __init__(self, catalog: CatalogStore, index: CatalogIndex) -> None:
        """Take the catalogue, and the index that knows what is in it."""
        self._catalog = catalog
        self._index = index

    def all_of(self, tenant: TenantId) -> list[Kept[Inlet]]:
        """List the tenant's by name."""
        return sorted(self._index.of(tenant).inlets.values(), key=lambda kept: kept.value.name)

    async def find(self, tenant: TenantId, name: str) -> Kept[Inlet]:
        """Give one by name; NotFound if there is none."""
        return await self.find_id(tenant, inlet_id(name))

    async def find_id(self, tenant: TenantId, document_id: str) -> Kept[Inlet]:
        """Give one by id; NotFound if there is none."""

        def known(part: TenantIndex) -> Kept[Inlet]:
            found = part.inlets.get(document_id)
            if found is None:
                raise NotFound(UNKNOWN)
            return found

        return await self._index.look(tenant, known)

    async def create(self, tenant: TenantId, asked: Inlet) -> Kept[Inlet]:
        """Store a new one; Conflict if its name is taken, Invalid with every problem, TooMany."""
        self._demand_sound(asked, tenant)
        if len(self._index.of(tenant).inlets) >= INLETS_MAX:
            raise TooMany(f"A tenant has at most {INLETS_MAX} inlets; delete some.", _RETRY_S)
        stored = await self._catalog.create(tenant, KIND, asked.document_id, msgspec.json.encode(asked))
        if stored is None:
            raise Conflict("There is an inlet of this name; change it under If-Match.")
        self._index.wrote(stored)
        return Kept(asked, stored.version)

    async def put(self, tenant: TenantId, asked: Inlet, wanted: Preconditions) -> Kept[Inlet]:
        """Replace one under If-Match; Invalid, NotFound, PreconditionFailed."""
        await self.find(tenant, asked.name)
        self._demand_sound(asked, tenant)
        body, version = msgspec.json.encode(asked), wanted.required()
        stored = await self._catalog.replace(tenant, KIND, asked.document_id, body, version)
        if stored is None:
            raise PreconditionFailed(_STALE)
        self._index.wrote(stored)
        return Kept(asked, stored.version)

    async def remove(self, tenant: TenantId, kept: Kept[Inlet], version: int) -> None:
        """Delete one; assets, types and records stay."""
        if not await self._catalog.remove(tenant, KIND, kept.value.document_id, version):
            raise PreconditionFailed(_STALE)
        self._index.removed(tenant, KIND, kept.value.document_id)

    @staticmethod
    def _demand_sound(asked: Inlet, tenant: TenantId) -> None:
        problems = check_inlet(asked, tenant)
        if problems:
            raise Invalid(problems)
