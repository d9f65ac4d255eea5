"""What is subscribed, and what notices need to know of the tenants that subscribe.

Read from the catalogue at the start and followed by its change log, for tenants that have a subscription and
no other: names of aspects for data, the tree of assets where a filter names a subtree, the accounts that own
subscriptions. What a suspended tenant or account subscribes is not active, from the next look on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec

from runtime.ports import Clock
from schemas.aspects import AspectType
from schemas.assets import AssetType
from schemas.ids import CORE, AspectId
from schemas.notices import may_tell
from schemas.shares import EVER, Share, Spans, spans_of
from schemas.subscriptions import KIND, MODEL, Owner, Subscription
from storage.port import CatalogStore, Change, Document
from streams.shards import shard_of
from workers.received import KIND as SHARE
from workers.received import Received, reaches

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
    created_ms: int = 0


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

    def is_unchanged(self, owner: Owner) -> bool:
        """Tell whether it may do just what it could when it subscribed."""
        return self.role == owner.role and set(self.scopes) == set(owner.scopes)


class _Standing(msgspec.Struct):
    """Of an asset: where it stands, and whether it was deleted."""

    parent_id: str | None = None
    deleted_ms: int | None = None


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
        self._made_ms: dict[str, int] = {}
        """When each tenant was made."""
        self._received = Received()
        self._all: dict[tuple[str, str], Subscription] = {}
        self._accounts: dict[tuple[str, str, str], _Account] = {}
        self._names: dict[str, Names] = {}
        self._trees: dict[str, dict[str, str | None]] = {}
        self._deleted: dict[str, set[str]] = {}
        """Deleted assets of the tenants whose trees are known."""
        self.unsealed: set[tuple[str, str]] = set()
        """Tenants and ids of those whose secret lies in clear."""
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
        for known in (self._all, self._accounts, self._names, self._trees, self._deleted, self._received):
            known.clear()
        self.unsealed.clear()
        tenants = await self._catalog.list(CORE, "tenant")
        switches = {document.id: _decode(document, _Switch) for document in tenants}
        self._asleep = {tenant for tenant, switch in switches.items() if switch.suspended}
        self._made_ms = {tenant: switch.created_ms for tenant, switch in switches.items()}
        for tenant in tenants:
            for document in await self._catalog.list(tenant.id, KIND):
                self._put(document)

    def _matters(self, line: Change) -> bool:
        if line.kind == SHARE:
            return self._received.is_followed
        tenants = {tenant for tenant, _ in self._all} | self._names.keys() | self._trees.keys()
        return line.kind in {"tenant", KIND} or (line.kind in _FOLLOWERS and line.tenant in tenants)

    async def _follow(self, line: Change) -> bool:
        """Take in a named document; False while the announced change is not to be seen."""
        document = await self._catalog.get(line.tenant, line.kind, line.id)
        await _FOLLOWERS[line.kind](self, line, document)
        return line.version > 0 if document is None else document.version >= line.version

    async def _take_tenant(self, line: Change, document: Document | None) -> None:
        switch = _Switch(suspended=True) if document is None else _decode(document, _Switch)
        (self._asleep.add if switch.suspended else self._asleep.discard)(line.id)
        self._made_ms[line.id] = switch.created_ms

    async def _take_share(self, line: Change, document: Document | None) -> None:
        if document is None:
            self._received.drop(line.tenant, line.id)
        else:
            self._received.put(document)

    async def _take_subscription(self, line: Change, document: Document | None) -> None:
        if document is None:
            self._all.pop((line.tenant, line.id), None)
            self.unsealed.discard((line.tenant, line.id))
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
            self._put_asset(document)

    def _put(self, document: Document) -> None:
        key, found = (document.tenant, document.id), _decode(document, Subscription)
        self._all[key] = found
        lies_open = found.webhook is not None and found.webhook.secret
        (self.unsealed.add if lies_open else self.unsealed.discard)(key)

    async def _settle(self) -> None:
        """Bring together who is told of what, with all that is needed for it."""
        self.active = {
            key: found
            for key, found in self._all.items()
            if not found.suspended and found.tenant not in self._asleep and await self._may(found)
        }
        self.by_shard = {}
        if any(found.include_shared for found in self.active.values()):
            await self._follow_shares()
        for found in self.active.values():
            if found.filter.subtree:
                await self._plant(found.tenant)
            for giver in self._received.givers(found.tenant) if found.include_shared else ():
                await self._plant(giver)
            for shard in self._shards_of(found):
                self.by_shard.setdefault(shard, []).append(found)

    def _shards_of(self, found: Subscription) -> set[int]:
        if not found.wants_data:
            return set()
        # What is shared lies in the shards of its givers, who come and go: all are looked through for it.
        if found.filter.assets and not found.filter.subtree and not found.include_shared:
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
        self._trees[tenant], self._deleted[tenant] = {}, set()
        for number, document in enumerate(await self._catalog.list(tenant, "asset")):
            self._put_asset(document)
            if number % DECODED_AT_ONCE == DECODED_AT_ONCE - 1:
                await asyncio.sleep(0)

    def _put_asset(self, document: Document) -> None:
        standing, deleted = _decode(document, _Standing), self._deleted[document.tenant]
        self._trees[document.tenant][document.id] = standing.parent_id
        (deleted.discard if standing.deleted_ms is None else deleted.add)(document.id)

    async def _follow_shares(self) -> None:
        """Read the shares of the installation, once somebody wants to know of them."""
        if self._received.is_followed:
            return
        for tenant in await self._catalog.list(CORE, "tenant"):
            for document in await self._catalog.list(tenant.id, SHARE):
                self._received.put(document)
        self._received.is_followed = True

    # -- asking ----------------------------------------------------------------------------------

    @property
    def models(self) -> list[Subscription]:
        """List the active subscriptions to the model."""
        return [found for found in self.active.values() if found.kind == MODEL]

    def wants(self, found: Subscription, tenant: str, asset: str) -> bool:
        """Tell whether a subscriber is to be told of an asset of a tenant: an own or a shared one."""
        if found.tenant == tenant:
            return self.covers(found, asset)
        return (
            found.include_shared
            and bool(self._shares(found, tenant, asset))
            and self.covers(found, asset, tenant)
        )

    def shared_times(self, found: Subscription, giver: str, asset: str, aspect: str) -> Spans | None:
        """Give the times of records that are shared now with who subscribes; none: None."""
        shares = [share for share in self._shares(found, giver, asset) if share.covers(aspect)]
        return (spans_of(shares) or (EVER,)) if shares else None

    def still_shares(self, found: Subscription, body: bytes) -> bool:
        """Tell whether a kept notice may be told: its asset is an own one, or is shared as it was then."""
        return may_tell(
            body, lambda notice: self.shared_times(found, notice.giver, notice.asset_id, notice.aspect)
        )

    def _shares(self, found: Subscription, giver: str, asset: str) -> list[Share]:
        """List the shares of an asset's records that hold now and reach who subscribes."""
        if giver in self._asleep or asset in self._deleted.get(giver, ()) or not self._received.is_followed:
            return []
        account = self._accounts.get((found.tenant, found.owner.kind, found.owner.name), _NOBODY)
        is_unchanged = account.is_unchanged(found.owner)
        now_ms, made_ms = self._clock.now_ms(), self._made_ms.get(found.tenant, 0)
        return [
            share
            for above in self._upwards(giver, asset)
            for share in self._received.naming(found.tenant, giver, above)
            if (share.subtree or above == asset)
            and made_ms <= share.given_ms
            and not share.is_over(now_ms)
            and reaches(share, found, is_unchanged=is_unchanged)
        ]

    def _upwards(self, tenant: str, asset: str) -> Iterator[str]:
        """Walk from an asset to the root, or to a parent that is gone."""
        tree, deleted = self._trees.get(tenant, {}), self._deleted.get(tenant, set())
        above: str | None = asset
        for _ in range(DEPTH_MAX):
            if above is None or above in deleted:
                return
            yield above
            above = tree.get(above)

    def covers(self, found: Subscription, asset: str, tenant: str | None = None) -> bool:
        """Tell whether a filter lets an asset through, of another tenant where one is named."""
        wanted = found.filter.assets
        if not wanted or asset in wanted:
            return True
        if not found.filter.subtree:
            return False
        tree = self._trees.get(tenant or found.tenant, {})
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
    SHARE: Interest._take_share,
    KIND: Interest._take_subscription,
    "client": Interest._take_account,
    "user": Interest._take_account,
    "asset": Interest._take_asset,
    "aspecttype": Interest._take_type,
    "assettype": Interest._take_type,
}


def _decode(document: Document, form: type[Form]) -> Form:
    return msgspec.json.decode(document.body, type=form)
