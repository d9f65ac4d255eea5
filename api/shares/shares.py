"""Shares as givers make and take them back, and as both sides see them (design 7).

A share is a document of its giver; every door holds all of them (`api.catalog.share_index`), so that a
revocation holds at once where it was asked for, and within a second everywhere else.
"""

from __future__ import annotations

import heapq
import secrets
import uuid
from enum import Enum
from typing import Final

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import SHARE
from api.catalog.tenant_index import Kept
from api.catalog.versions import STALE, present
from api.http.hal import Preconditions
from api.identity.roles import ROLES
from api.identity.tokens import Identity
from api.shares.access import NO_ASSET, Access
from runtime.ports import Clock
from schemas.codes import INVALID_BODY
from schemas.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, Problem
from schemas.limits import SHARES_OF_TENANT_MAX
from schemas.shares import Share, check_share
from storage.port import CatalogStore

UNKNOWN_SHARE: Final = "There is no such share."


class Side(Enum):
    """Whose shares are listed."""

    GIVEN = "given"
    RECEIVED = "received"


class Shares:
    """The shares of one installation."""

    def __init__(self, store: CatalogStore, index: CatalogIndex, access: Access, clock: Clock) -> None:
        """Take the catalogue, the index that follows it, who receives what, and the clock."""
        self._store = store
        self._index = index
        self._access = access
        self._clock = clock

    # Seeing.

    def listed(self, caller: Identity, side: Side, after: str, limit: int) -> tuple[list[Kept[Share]], bool]:
        """Give the next shares by id, and whether there are more; ended ones are among them."""
        if side is Side.GIVEN:
            whole = caller.subtenant is None
            shares = self._index.of(caller.tenant).shares if whole else {}
        else:
            received = self._index.shares.received(caller.tenant)
            shares = {name: kept for name, kept in received.items() if self._receives(caller, kept.value)}
        found = heapq.nsmallest(limit + 1, (name for name in shares if name > after))
        return [shares[name] for name in found[:limit]], len(found) > limit

    async def get(self, caller: Identity, share_id: str) -> Kept[Share]:
        """Give a share that the caller gave or received; else NotFound."""
        found = self._find(caller, share_id)
        if found is None:
            await self._index.refresh()
            found = self._find(caller, share_id)
        if found is None:
            raise NotFound(UNKNOWN_SHARE)
        return found

    # Giving.

    async def create(self, caller: Identity, asked: Share) -> Kept[Share]:
        """Give a share, under a new id."""
        share_id = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        new = msgspec.structs.replace(asked, id=share_id)
        await self._check(new)
        if len(self._index.of(caller.tenant).shares) >= SHARES_OF_TENANT_MAX:
            raise Conflict(f"A tenant gives at most {SHARES_OF_TENANT_MAX} shares; delete some.")
        stored = await self._store.create(caller.tenant, SHARE, new.id, msgspec.json.encode(new))
        if stored is None:
            raise Conflict("The id that was drawn is taken; send it again.")
        self._index.wrote(stored)
        return Kept(new, stored.version)

    async def replace(
        self, caller: Identity, share_id: str, asked: Share, wanted: Preconditions
    ) -> Kept[Share]:
        """Change a share; Forbidden to who has received it."""
        built_on = wanted.required()
        await present(self._index, lambda: self._own(caller, share_id), built_on)
        new = msgspec.structs.replace(asked, id=share_id)
        await self._check(new)
        body = msgspec.json.encode(new)
        stored = await self._store.replace(caller.tenant, SHARE, share_id, body, built_on)
        if stored is None:
            raise PreconditionFailed(STALE)
        self._index.wrote(stored)
        return Kept(new, stored.version)

    async def remove(self, caller: Identity, share_id: str, wanted: Preconditions) -> None:
        """Take a share back; with If-Match only this version. Forbidden to who has received it.

        Without If-Match whatever version is there goes: who takes something back does not wait for others.
        """
        version = (await self._own(caller, share_id)).version
        if wanted.version is not None:
            await present(self._index, lambda: self._own(caller, share_id), wanted.version)
            version = wanted.version
        while not await self._store.remove(caller.tenant, SHARE, share_id, version):
            document = await self._store.get(caller.tenant, SHARE, share_id)
            if document is None:
                break  # Somebody else took it back.
            if wanted.version is not None:
                raise PreconditionFailed(STALE)
            version = document.version
        self._index.removed(caller.tenant, SHARE, share_id)

    # Inside.

    async def _own(self, caller: Identity, share_id: str) -> Kept[Share]:
        kept = await self.get(caller, share_id)
        if kept.value.tenant != caller.tenant:
            raise Forbidden("Only who gave a share may change or delete it.")
        return kept

    def _find(self, caller: Identity, share_id: str) -> Kept[Share] | None:
        given = self._index.of(caller.tenant).shares.get(share_id)
        if given is not None and caller.subtenant is None:
            return given
        received = self._index.shares.received(caller.tenant).get(share_id)
        return received if received is not None and self._receives(caller, received.value) else None

    def _receives(self, caller: Identity, share: Share) -> bool:
        """Tell whether a share is on the caller's list: all that its tenant has received, or its own."""
        if not self._access.is_for(share):
            return False
        return caller.subtenant is None or self._access.reaches(caller, share)

    async def _check(self, new: Share) -> None:
        problems = check_share(new, tuple(ROLES), self._clock.now_ms())
        for place, asset in enumerate(() if problems else new.assets):
            try:
                await self._index.find_asset(new.tenant, asset)
            except NotFound:
                problems.append(Problem(f"/assets/{place}", INVALID_BODY, NO_ASSET))
        subtenant = new.receiver.subtenant
        if new.receiver.tenant == new.tenant and subtenant is not None and not problems:
            await self._index.refresh()
            if subtenant not in self._index.of(new.tenant).subtenants:
                problems.append(Problem("/receiver/subtenant", INVALID_BODY, "There is no such subtenant."))
        if problems:
            raise Invalid(problems)
