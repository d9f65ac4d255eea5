"""All writes to the catalogue of types and assets, and the lock of a tenant's model (wire 4.1)."""

from __future__ import annotations

import msgspec

from api.assets.type_writes import TypeWrites
from api.assets.writes import AssetWrites
from api.catalog.kinds import MODEL_LOCK
from schemas.assets import ModelLock
from schemas.errors import PreconditionFailed
from schemas.ids import TenantId

LOCK_ID = "model"
"""A tenant has one."""


class Catalogue(TypeWrites, AssetWrites):
    """Writes to types and assets of one installation."""

    async def lock_model(self, tenant: TenantId, *, enabled: bool) -> ModelLock:
        """Lock or unlock the types and assets of a tenant; PreconditionFailed if another did in between.

        While they are locked, every change of them is refused with Conflict, in other doors a second later.
        """
        await self._index.refresh()
        kept = self._index.of(tenant).model_lock
        if kept.value.enabled == enabled:
            return kept.value
        lock = ModelLock(enabled=enabled)
        body = msgspec.json.encode(lock)
        if kept.version < 0:
            stored = await self._store.create(tenant, MODEL_LOCK, LOCK_ID, body)
        else:
            stored = await self._store.replace(tenant, MODEL_LOCK, LOCK_ID, body, kept.version)
        if stored is None:
            raise PreconditionFailed("Another request has just changed the lock.")
        self._index.wrote(stored)
        return lock
