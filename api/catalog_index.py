"""Every tenant's catalogue in the door's memory, kept current by the change log (design 4, catalogue)."""

from __future__ import annotations

import msgspec

from schemas.ids import CORE, TenantId
from schemas.tenants import Tenant
from storage.port import CatalogStore


class CatalogIndex:
    """Stub of the index: tenants only."""

    def __init__(self, catalog: CatalogStore) -> None:
        self._catalog = catalog
        self._tenants: dict[str, Tenant] = {}

    async def load(self) -> None:
        for document in await self._catalog.list(CORE, "tenant"):
            self._tenants[document.id] = msgspec.json.decode(document.body, type=Tenant)

    async def refresh(self) -> set[str]:
        await self.load()
        return set()

    def is_active(self, tenant: TenantId) -> bool:
        found = self._tenants.get(tenant)
        return found is not None and not found.suspended
