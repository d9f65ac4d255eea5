"""Tenants: read, changed under their version, made with a first administrator (design 7).

What is known of a tenant lies in one document, and its version is the ETag that the dialect shows (wire 0.5).
A change is taken in before it is answered, so limits, retention and suspension hold in this door at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from api.assets.writes import ZONES
from api.catalog.kinds import TENANT
from api.catalog.writes import refuse
from api.identity.accounts import CHANGE_TRIES_MAX, Client
from api.identity.roles import TENANT_ADMIN
from api.identity.setup import store_tenant
from api.services import Services
from api.tenants.accounts import SECRET_BYTES, Made
from api.tenants.erasures import find_erasure
from schemas import codes
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem
from schemas.ids import CORE, TenantId, is_tenant_id
from schemas.tenants import Tenant, check_tenant
from storage.changing import change_document
from storage.port import Document

UNKNOWN: Final = "There is no such tenant."


class KeptTenant(NamedTuple):
    """A tenant and the version of its document, which is its ETag."""

    value: Tenant
    version: int


class TenantService:
    """The tenants of an installation."""

    def __init__(self, services: Services) -> None:
        """Take what the door works with."""
        self._services = services
        self._catalog = services.ports.catalog
        self._index = services.index

    async def get(self, name: str) -> KeptTenant:
        """Give a tenant; NotFound if there is none."""
        return _kept(await self._catalog.get(CORE, TENANT, name))

    def page(self, after: str, limit: int) -> tuple[list[Tenant], bool]:
        """Give the next tenants by name, and whether there are more."""
        left = [name for name in self._index.tenants() if name > after]
        return [self._index.tenant(name) for name in left[:limit]], len(left) > limit

    async def change(
        self, name: str, change: Callable[[Tenant], Tenant], version: int | None = None
    ) -> KeptTenant:
        """Store what `change` makes of a tenant; with a version only over that one, else PreconditionFailed.

        Invalid for what a rule forbids, Conflict if others are always faster.
        """

        def read(document: Document | None) -> Tenant:
            old = _kept(document)
            if version not in {None, old.version}:
                raise PreconditionFailed("The etag is not that of the present version; read it again.")
            return old.value

        failed = Conflict("Others change this tenant all the time; try again.")
        changed = await change_document(
            self._catalog, (CORE, TENANT, name), read, change,
            tries_max=CHANGE_TRIES_MAX, failed=failed, check=self._check,
        )  # fmt: skip
        await self._take_in()
        return _kept(changed.document)

    async def suspend(self, caller: TenantId, name: str, *, suspended: bool) -> KeptTenant:
        """Shut a tenant out with all its tokens, or let it in again; Conflict for the caller's own."""
        if suspended and name == caller:
            raise Conflict("A tenant does not suspend itself.")
        if not suspended and await find_erasure(self._catalog, name) is not None:
            raise Conflict("The tenant is being erased, which cannot be undone.")
        return await self.change(name, lambda old: msgspec.structs.replace(old, suspended=suspended))

    async def create(self, wanted: Tenant) -> Made:
        """Make a tenant and its first administrator; Conflict if the name is taken.

        If it is cut off in between, the tenant is there and `add_admin` gives it one.
        """
        if not is_tenant_id(wanted.name):
            message = "2 to 8 of a-z, 0-9 and _, a letter at first, and not 'core'."
            raise Invalid([Problem("/name", codes.INVALID_BODY, message)])
        await self._check(wanted)
        if not await store_tenant(self._catalog, wanted):
            raise Conflict("The tenant name is taken; choose another.")
        await self._take_in()
        return await self.add_admin(wanted.name)

    async def add_admin(self, name: str) -> Made:
        """Make one more technical user of a tenant who may do everything in it; its secret is shown once."""
        tenant = (await self.get(name)).value.name
        identity = self._services.identity
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now_ms = self._services.ports.clock.now_ms()
        client = Client(
            f"{tenant}-{secrets.token_hex(4)}", tenant, await identity.hash(secret), (),
            role=TENANT_ADMIN, created_ms=now_ms,
        )  # fmt: skip
        self._index.wrote(await identity.accounts.add(client, now_ms // 1_000))
        return Made(client, secret)

    async def _check(self, tenant: Tenant) -> None:
        problems = check_tenant(tenant, ZONES)
        if tenant.profile is not None and not self._index.has_policy(tenant.profile):
            await self._index.refresh()  # Another door may have made it just now.
            if not self._index.has_policy(tenant.profile):
                message = "There is no such policy; null means the installation's."
                problems.append(Problem("/profile", codes.INVALID_BODY, message))
        refuse(problems)

    async def _take_in(self) -> None:
        await self._services.refresh()
        await self._services.identity.follow({TENANT})  # Whoever took the line in may not be as far.


def _kept(document: Document | None) -> KeptTenant:
    """Read a tenant; NotFound if there is none."""
    if document is None:
        raise NotFound(UNKNOWN)
    return KeptTenant(msgspec.json.decode(document.body, type=Tenant), document.version)
