"""What is subscribed, and what notices need to know of the tenants that subscribe.

Read from the catalogue at the start and followed by its change log, for tenants that have a subscription and
no other: names of aspects for data, the tree of assets where a filter names a subtree, the accounts that own
subscriptions. What a suspended tenant or account subscribes is not active, from the next look on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from runtime.ports import Clock
from schemas.aspects import AspectType
from schemas.assets import AssetType
from schemas.ids import CORE, AspectId
from schemas.subscriptions import KIND, MODEL, Owner, Subscription
from storage.port import CatalogStore, Change, Document
from streams.shards import shard_of

Form = TypeVar("Form")

OPEN_LINE_S: Final = 15.0
"""How long a line is looked after whose change has not been seen: longer than the log's overlap of 10 s."""

REBUILD_AFTER_S: Final = 3_600.0
"""The log keeps a day; who slept for an hour reads everything anew."""

DEPTH_MAX: Final = 100
"""Steps from an asset to the root; two moves that crossed each other could make a ring."""

DECODED_AT_ONCE: Final = 1_000
"""Assets between two looks at the event loop (about 2 ms)."""


class NamedAspect(NamedTuple):
    """An aspect as its asset types name it, and its type."""

    name: str
    type: AspectType


Names = Mapping[AspectId, NamedAspect]


class _Switch(msgspec.Struct):
    """Of a tenant: whether it may act."""

    suspended: bool = False


class _Account(msgspec.Struct):
    """Of an account: whether it may act, and what it may do."""

    scopes: tuple[str, ...] = ()
    role: str = ""
    subtenant: str | None = None
    created_ms: int = 0
    suspended: bool = False
    free_s: int = 0
    """Not 0: it was deleted."""

    def may(self, found: Subscription) -> bool:
        """Tell whether it made a subscription and may read what that tells."""
        owner = found.owner
        if self.suspended or self.free_s or self.subtenant is not None or self.created_ms != owner.created_ms:
            return False
        return self.role in owner.roles if self.role else found.scope in self.scopes


class _Standing(msgspec.Struct):
    """Of an asset: where it stands."""

    parent_id: str | None = None


_NOBODY: Final = _Account(suspended=True)


class Interest:
    """All subscriptions of an installation."""

    def __init__(self, catalog: CatalogStore, clock: Clock, shards: int) -> None:
        """Know nothing before `refresh`."""
        self._catalog = catalog
        self._clock = clock
        self._shards = shards
        self._after: str | None = None
        self._refreshed_s = -2 * REBUILD_AFTER_S
        self._open: dict[Change, float] = {}
        self._settled: dict[Change, float] = {}
        self._unsettled = False
        """Whether something was taken in of which `active` knows nothing yet."""
        self._asleep: set[str] = set()
        self._all: dict[tuple[str, str], Subscription] = {}
        self._accounts: dict[tuple[str, str, str], _Account] = {}
        self._names: dict[str, Names] = {}
        self._trees: dict[str, dict[str, str | None]] = {}
        self.active: dict[tuple[str, str], Subscription] = {}
        """By tenant and id: those that are told."""
        self.by_shard: dict[int, list[Subscription]] = {}
        """Those that are told of records, by the shards in which these can be."""

    # -- following the catalogue ---------------------------------------------------------------

    async def refresh(self) -> None:
        """Take in what changed; what was in the catalogue before this call is known after it."""
        now_s = self._clock.monotonic_s()
        anew = now_s > self._refreshed_s + REBUILD_AFTER_S
        if anew:
            await self._load()
        for line in await self._catalog.changes(self._after):
            self._after = max(self._after or "", line.sequence)
            if line not in self._settled and self._matters(line):
                self._open.setdefault(line, now_s)
        self._unsettled |= anew
        for line, seen_s in list(self._open.items()):
            is_seen = await self._follow(line)
            self._unsettled |= is_seen
            if is_seen or now_s > seen_s + OPEN_LINE_S:
                del self._open[line]
                self._settled[line] = now_s
        for line, settled_s in list(self._settled.items()):
            if now_s <= settled_s + OPEN_LINE_S:
                break
            del self._settled[line]
        if self._unsettled:
            await self._settle()
            self._unsettled = False
        self._refreshed_s = now_s

    async def _load(self) -> None:
        self._after = max((line.sequence for line in await self._catalog.changes(None)), default=None)
        self._open.clear()
        self._settled.clear()
        for known in (self._all, self._accounts, self._names, self._trees):
            known.clear()
        tenants = await self._catalog.list(CORE, "tenant")
        self._asleep = {document.id for document in tenants if _decode(document, _Switch).suspended}
        for tenant in tenants:
            for document in await self._catalog.list(tenant.id, KIND):
                self._put(document)

    def _matters(self, line: Change) -> bool:
        tenants = {tenant for tenant, _ in self._all}
        return line.kind in {"tenant", KIND} or (line.kind in _FOLLOWERS and line.tenant in tenants)

    async def _follow(self, line: Change) -> bool:
        """Take in a named document; False while the announced change is not to be seen."""
        document = await self._catalog.get(line.tenant, line.kind, line.id)
        await _FOLLOWERS[line.kind](self, line, document)
        return line.version > 0 if document is None else document.version >= line.version

    async def _take_tenant(self, line: Change, document: Document | None) -> None:
        is_asleep = document is None or _decode(document, _Switch).suspended
        (self._asleep.add if is_asleep else self._asleep.discard)(line.id)

    async def _take_subscription(self, line: Change, document: Document | None) -> None:
        if document is None:
            self._all.pop((line.tenant, line.id), None)
        else:
            self._put(document)

    async def _take_account(self, line: Change, document: Document | None) -> None:
        found = _NOBODY if document is None else _decode(document, _Account)
        if (line.tenant, line.kind, line.id) in self._accounts:
            self._accounts[line.tenant, line.kind, line.id] = found

    async def _take_type(self, line: Change, _: Document | None) -> None:
        self._names.pop(line.tenant, None)

    async def _take_asset(self, line: Change, document: Document | None) -> None:
        if document is not None and line.tenant in self._trees:
            self._trees[line.tenant][line.id] = _decode(document, _Standing).parent_id

    def _put(self, document: Document) -> None:
        self._all[document.tenant, document.id] = _decode(document, Subscription)

    async def _settle(self) -> None:
        """Bring together who is told of what, with all that is needed for it."""
        self.active = {
            key: found
            for key, found in self._all.items()
            if not found.suspended and found.tenant not in self._asleep and await self._may(found)
        }
        self.by_shard = {}
        for found in self.active.values():
            if found.filter.subtree:
                await self._plant(found.tenant)
            for shard in self._shards_of(found):
                self.by_shard.setdefault(shard, []).append(found)

    def _shards_of(self, found: Subscription) -> set[int]:
        if not found.wants_data:
            return set()
        if found.filter.assets and not found.filter.subtree:
            return {shard_of(found.tenant, asset, self._shards) for asset in found.filter.assets}
        return set(range(self._shards))

    async def _may(self, found: Subscription) -> bool:
        """Tell whether the account that owns a subscription is there, awake and may read what it tells."""
        if not found.owner.kind:
            return True
        return (await self._account(found.tenant, found.owner)).may(found)

    async def _account(self, tenant: str, owner: Owner) -> _Account:
        key = tenant, owner.kind, owner.name
        if key not in self._accounts:
            document = await self._catalog.get(*key)
            self._accounts[key] = _NOBODY if document is None else _decode(document, _Account)
        return self._accounts[key]

    async def _plant(self, tenant: str) -> None:
        """Read where the tenant's assets stand, deleted ones included."""
        if tenant in self._trees:
            return
        tree = self._trees[tenant] = {}
        for number, document in enumerate(await self._catalog.list(tenant, "asset")):
            tree[document.id] = _decode(document, _Standing).parent_id
            if number % DECODED_AT_ONCE == DECODED_AT_ONCE - 1:
                await asyncio.sleep(0)

    # -- asking ----------------------------------------------------------------------------------

    @property
    def models(self) -> list[Subscription]:
        """List the active subscriptions to the model."""
        return [found for found in self.active.values() if found.kind == MODEL]

    def covers(self, found: Subscription, asset: str) -> bool:
        """Tell whether a filter lets an asset through."""
        wanted = found.filter.assets
        if not wanted or asset in wanted:
            return True
        if not found.filter.subtree:
            return False
        tree = self._trees.get(found.tenant, {})
        above: str | None = asset
        for _ in range(DEPTH_MAX):
            above = tree.get(above or "")
            if above is None:
                return False
            if above in wanted:
                return True
        return False

    async def names(self, tenant: str) -> Names:
        """Give the aspects of a tenant's own types by their ids."""
        if tenant not in self._names:
            aspect_types = {
                document.id: _decode(document, AspectType)
                for document in await self._catalog.list(tenant, "aspecttype")
            }
            self._names[tenant] = {
                aspect.aspect_id: NamedAspect(aspect.name, aspect_types[aspect.aspect_type_id])
                for document in await self._catalog.list(tenant, "assettype")
                for aspect in _decode(document, AssetType).aspects
                if aspect.aspect_type_id in aspect_types
            }
        return self._names[tenant]


_Follower = Callable[[Interest, Change, Document | None], Awaitable[None]]

_FOLLOWERS: Final[dict[str, _Follower]] = {
    "tenant": Interest._take_tenant,
    KIND: Interest._take_subscription,
    "client": Interest._take_account,
    "user": Interest._take_account,
    "asset": Interest._take_asset,
    "aspecttype": Interest._take_type,
    "assettype": Interest._take_type,
}


def _decode(document: Document, form: type[Form]) -> Form:
    return msgspec.json.decode(document.body, type=form)
