"""Erasing tenants: asked for here, done by the eraser (`workers.eraser`), and told about (design 4.16)."""

from __future__ import annotations

import msgspec

from api.catalog.kinds import TENANT
from api.catalog.writes import refuse
from api.identity.tokens import Identity
from api.services import Services
from schemas import codes
from schemas.erasures import KIND, PROVED, Erasure, erasure_id
from schemas.errors import Conflict, NotFound, Problem
from schemas.ids import CORE, TenantId, is_hex_id
from schemas.tenants import Tenant
from storage.port import CatalogStore


async def find_erasure(catalog: CatalogStore, tenant: str) -> Erasure | None:
    """Give the erasing of a tenant; None if nobody ever asked for it."""
    document = await catalog.get(CORE, KIND, erasure_id(tenant))
    return None if document is None else msgspec.json.decode(document.body, type=Erasure)


class ErasureService:
    """The erasing of tenants of an installation."""

    def __init__(self, services: Services) -> None:
        """Take what the door works with."""
        self._services = services
        self._catalog = services.ports.catalog

    async def begin(self, caller: Identity, name: str, confirmed: str) -> Erasure:
        """Ask for a suspended tenant to be erased; who asks again is told how far that is.

        NotFound for no such tenant, Invalid where the name is not confirmed, Conflict where it must not be.
        """
        known = await find_erasure(self._catalog, name)
        document = await self._catalog.get(CORE, TENANT, name)
        if known is None and document is None:
            raise NotFound("There is no such tenant.")
        if confirmed != name:
            message = "confirm: the name of the tenant once more; what is erased does not come back."
            refuse([Problem("", codes.INVALID_PARAMETER, message)])
        if known is not None or document is None:
            assert known is not None
            return known
        self._demand_erasable(caller.tenant, msgspec.json.decode(document.body, type=Tenant))
        wanted = Erasure(
            id=erasure_id(name),
            tenant=TenantId(name),
            requested_ms=self._services.ports.clock.now_ms(),
            requested_by=caller.subject,
            requested_for=caller.tenant,
            shards=self._services.ports.policy.shards,
        )
        await self._catalog.create(CORE, KIND, wanted.id, msgspec.json.encode(wanted))
        return await find_erasure(self._catalog, name) or wanted

    def _demand_erasable(self, caller: TenantId, tenant: Tenant) -> None:
        """Raise Conflict for a tenant that must not be erased, or not yet."""
        index = self._services.index
        first = min(map(index.tenant, index.tenants()), key=lambda each: (each.created_ms, each.name))
        if tenant.name in {first.name, caller}:
            raise Conflict("The first tenant of an installation, and the caller's own, cannot be erased.")
        if not tenant.suspended:
            raise Conflict("A tenant is suspended before it is erased: POST …/suspend.")

    async def get(self, erasure: str) -> Erasure:
        """Give an erasing by its id; NotFound for any other text."""
        document = await self._catalog.get(CORE, KIND, erasure) if is_hex_id(erasure) else None
        if document is None:
            raise NotFound("There is no such erasing.")
        return msgspec.json.decode(document.body, type=Erasure)

    async def page(self, tenant: str | None, after: str, limit: int) -> tuple[list[Erasure], bool]:
        """Give the next erasings by tenant, or the one of a tenant, and whether there are more."""
        if tenant is not None:
            found = await find_erasure(self._catalog, tenant)
            return ([] if found is None else [found]), False
        documents = await self._catalog.list(CORE, KIND)
        known = [msgspec.json.decode(document.body, type=Erasure) for document in documents]
        left = sorted((each for each in known if each.tenant > after), key=lambda each: each.tenant)
        return left[:limit], len(left) > limit

    def receipt_of(self, erasure: Erasure) -> str | None:
        """Sign a proof; None where there is none yet. Whoever has altered a word has another signature."""
        if erasure.state != PROVED:
            return None
        return self._services.series.receipts.sign(msgspec.json.encode(erasure, order="sorted"))
