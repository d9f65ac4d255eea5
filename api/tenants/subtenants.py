"""Subtenants of a tenant: made, changed and removed in the catalogue, each under its ETag (wire 10)."""

from __future__ import annotations

import secrets
import uuid
from typing import Final

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import SUBTENANT
from api.catalog.tenant_index import Kept
from api.catalog.versions import STALE, present
from api.http.hal import Preconditions
from api.identity.tokens import Identity
from runtime.ports import Clock
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed
from schemas.ids import TenantId
from schemas.limits import SUBTENANTS_MAX
from schemas.subtenants import Subtenant, check_subtenant
from storage.port import CatalogStore

UNKNOWN_SUBTENANT: Final = "There is no such subtenant."


class Subtenants:
    """The subtenants of one installation."""

    def __init__(self, store: CatalogStore, index: CatalogIndex, clock: Clock) -> None:
        """Take the catalogue, the index that follows it, and the clock that stamps what is made."""
        self._store = store
        self._index = index
        self._clock = clock

    def listed(self, caller: Identity) -> list[Kept[Subtenant]]:
        """Give the subtenants that the caller may see, by id: all, or the one to which it is bound."""
        kept = self._index.of(caller.tenant).subtenants
        return [kept[name] for name in sorted(kept) if caller.subtenant in {None, name}]

    async def get(self, caller: Identity, subtenant_id: str) -> Kept[Subtenant]:
        """Give a subtenant; else NotFound."""
        if caller.subtenant not in {None, subtenant_id}:
            raise NotFound(UNKNOWN_SUBTENANT)
        return await self._index.look(caller.tenant, lambda part: _found(part.subtenants.get(subtenant_id)))

    async def create(
        self, tenant: TenantId, subtenant_id: str, name: str, description: str
    ) -> Kept[Subtenant]:
        """Make a subtenant; Conflict if its id is taken."""
        new = Subtenant(
            id=subtenant_id,
            tenant=tenant,
            entity_id=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            display_name=name,
            description=description,
            created_ms=self._clock.now_ms(),
        )
        _refuse(new)
        await self._index.refresh()
        if len(self._index.of(tenant).subtenants) >= SUBTENANTS_MAX:
            raise Conflict(f"A tenant has at most {SUBTENANTS_MAX} subtenants.")
        stored = await self._store.create(tenant, SUBTENANT, new.id, msgspec.json.encode(new))
        if stored is None:
            raise Conflict("There is a subtenant with this id already.")
        self._index.wrote(stored)
        return Kept(new, stored.version)

    async def replace(
        self, caller: Identity, subtenant_id: str, wanted: Preconditions, name: str, description: str
    ) -> Kept[Subtenant]:
        """Change what people call it; its id and its assets stay."""
        built_on = wanted.required()
        old = await present(self._index, lambda: self.get(caller, subtenant_id), built_on)
        new = msgspec.structs.replace(old.value, display_name=name, description=description)
        _refuse(new)
        body = msgspec.json.encode(new)
        stored = await self._store.replace(caller.tenant, SUBTENANT, new.id, body, built_on)
        if stored is None:
            raise PreconditionFailed(STALE)
        self._index.wrote(stored)
        return Kept(new, stored.version)

    async def remove(self, caller: Identity, subtenant_id: str, wanted: Preconditions) -> None:
        """Remove a subtenant to which nothing belongs; with If-Match only this version.

        What another door gives to it in the same moment belongs to nobody but the whole tenant, as long as no
        new subtenant takes the id.
        """
        await self._index.refresh()
        kept = await self.get(caller, subtenant_id)
        if wanted.version not in {None, kept.version}:
            raise PreconditionFailed(STALE)
        part = self._index.of(caller.tenant)
        if part.subtenant_assets.get(subtenant_id):
            raise Conflict("Assets belong to the subtenant; give them to another one, or to none, first.")
        accounts = (kept.value for kept in (*part.clients.values(), *part.users.values()))
        if any(account.subtenant == subtenant_id and not account.free_s for account in accounts):
            raise Conflict("Accounts are bound to the subtenant; change or delete them first.")
        if not await self._store.remove(caller.tenant, SUBTENANT, subtenant_id, kept.version):
            raise PreconditionFailed(STALE)
        self._index.removed(caller.tenant, SUBTENANT, subtenant_id)


def _found(kept: Kept[Subtenant] | None) -> Kept[Subtenant]:
    if kept is None:
        raise NotFound(UNKNOWN_SUBTENANT)
    return kept


def _refuse(new: Subtenant) -> None:
    problems = check_subtenant(new)
    if problems:
        raise Invalid(problems)
