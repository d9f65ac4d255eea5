"""What a caller may reach: assets of the own tenant, of its subtenant, and what is shared with it (design 7).

An own asset comes first and costs what it costs without this module; only what the own index does not know is
looked up among the shares that the caller's tenant has received, and of these most tenants have none. What a
caller may not do is answered in the words for an unknown id, whatever the reason (MS-31, MS-45).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.share_index import Named
from api.catalog.tenant_index import Kept, TenantIndex
from api.catalog.writes import UNKNOWN
from api.identity.roles import ROLES
from api.identity.tokens import Identity
from api.reading.fresh import Reads
from api.reading.windows import Windowed
from runtime.ports import Clock
from schemas.aspects import AspectType
from schemas.assets import Asset
from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, NotFound, Problem
from schemas.ids import SeriesId, TenantId
from schemas.shares import Action, Share, Spans, spans_of

NO_ASSET = UNKNOWN["asset"]
NO_SERIES = "There is no such aspect with time series."


class Granted(msgspec.Struct, frozen=True, gc=False):
    """A series that a caller may do something with."""

    series: SeriesId
    aspect: AspectType
    spans: Spans | None = None
    """The times that are shared; None: all."""

    def reading(self, reading: Reads) -> Reads:
        """Give what shows of the series only what is shared."""
        return reading if self.spans is None else Windowed(reading, self.spans)


class Reached(NamedTuple):
    """An asset that a caller may do something with."""

    part: TenantIndex
    """Of the tenant whose asset it is."""
    kept: Kept[Asset]
    shares: tuple[Share, ...] = ()
    """Those that allow it; none: it is the caller's own."""

    @property
    def spans(self) -> Spans | None:
        """Give the times that are shared, whatever the aspect; None: all."""
        return spans_of(self.shares) if self.shares else None

    def covers(self, aspect_name: str) -> bool:
        """Tell whether the caller may know of an aspect."""
        return not self.shares or any(share.covers(aspect_name) for share in self.shares)

    def series(self, aspect_name: str) -> Granted:
        """Give one series of the asset; NotFound where there is none, or none that is shared."""
        asset_id = self.kept.value.id
        if not self.shares:
            return Granted(*self.part.series_of(asset_id, aspect_name))
        shares = [share for share in self.shares if share.covers(aspect_name)]
        if not shares:
            raise NotFound(NO_SERIES)
        return Granted(*self.part.series_of(asset_id, aspect_name), spans_of(shares))


class Access:
    """Who may reach what, by the catalogue in a door's memory."""

    def __init__(self, index: CatalogIndex, clock: Clock) -> None:
        """Take the index, and the clock by which shares end."""
        self._index = index
        self._clock = clock

    # One asset, one series.

    async def series(self, caller: Identity, place: tuple[str, str], action: Action) -> Granted:
        """Give a series, own or shared, with the times of which the caller may do this; else NotFound."""
        if caller.subtenant is not None:
            return (await self.asset(caller, place[0], action)).series(place[1])
        try:
            return Granted(*self._index.of(caller.tenant).series_of(*place))
        except NotFound:
            shared = self.find_shared(caller, place[0], action)
        if shared is not None:
            return shared.series(place[1])
        return Granted(*await self._index.find_series(caller.tenant, *place))

    async def own_series(self, caller: Identity, place: tuple[str, str]) -> tuple[SeriesId, AspectType]:
        """Give a series of the caller's own; else NotFound."""
        if caller.subtenant is not None:
            await self.own_asset(caller, place[0])
        return await self._index.find_series(caller.tenant, *place)

    async def asset(self, caller: Identity, asset_id: str, action: Action) -> Reached:
        """Give an asset, own or shared, with which the caller may do this; else NotFound."""
        part = self._index.of(caller.tenant)
        kept = part.assets.get(asset_id)
        if kept is not None and self.owns(caller, part, kept.value):
            return Reached(part, kept)
        shared = self.find_shared(caller, asset_id, action)
        return Reached(part, await self.own_asset(caller, asset_id)) if shared is None else shared

    async def own_asset(self, caller: Identity, asset_id: str) -> Kept[Asset]:
        """Give an asset of the caller's own; else NotFound."""
        kept = await self._index.find_asset(caller.tenant, asset_id)
        if not self.owns(caller, self._index.of(caller.tenant), kept.value):
            raise NotFound(NO_ASSET)
        return kept

    async def demand_parent(self, caller: Identity, asset_id: str, pointer: str) -> None:
        """Refuse to put anything below an asset that is not a bound caller's own, as below an unknown one."""
        if caller.subtenant is None:
            return  # Where it is stored the tenant's tree is looked at.
        try:
            await self.own_asset(caller, asset_id)
        except NotFound as error:
            raise Invalid([Problem(pointer, INVALID_BODY, NO_ASSET)]) from error

    def owns(self, caller: Identity, part: TenantIndex, asset: Asset) -> bool:
        """Tell whether an asset of the caller's tenant is its own: of its subtenant, where it is bound."""
        return caller.subtenant is None or part.is_of(asset, caller.subtenant)

    # Many assets.

    def own_assets(self, caller: Identity) -> Iterable[Kept[Asset]]:
        """Give all assets of the caller's own, in no order."""
        part = self._index.of(caller.tenant)
        if caller.subtenant is None:
            return part.assets.values()
        tops = part.subtenant_assets.get(caller.subtenant, set())
        return [part.assets[asset_id] for asset_id in part.subtree(tops)]

    def shared_assets(self, caller: Identity, action: Action) -> list[Reached]:
        """Give every asset that is shared with the caller for this, in no order."""
        found: dict[str, Reached] = {}
        for giver, named in self._index.shares.givers(caller.tenant).items():
            part = self._index.of(giver)
            shares = [kept.value for shares in named.values() for kept in shares.values()]
            allowing = [share for share in self._standing(caller, shares) if action in share.actions]
            tops = {asset for share in allowing for asset in share.assets if not share.subtree}
            trees = part.subtree(asset for share in allowing if share.subtree for asset in share.assets)
            for asset_id in trees | tops:
                reached = self._of_giver(caller, part, named, asset_id, action)
                if reached is not None and not self.is_own(caller, asset_id):
                    found.setdefault(asset_id, reached)
        return list(found.values())

    def sees(self, caller: Identity, part: TenantIndex, asset: Asset) -> bool:
        """Tell whether the caller may know of an asset of a tenant."""
        if part.tenant == caller.tenant and self.owns(caller, part, asset):
            return True
        named = self._index.shares.givers(caller.tenant).get(part.tenant)
        if named is None:
            return False
        return self._of_giver(caller, part, named, asset.id, Action.ASSET_READ) is not None

    def given(self, part: TenantIndex) -> Callable[[Asset], bool]:
        """Give what tells whether a tenant shares an asset of its own with anybody today."""
        now_ms = self._clock.now_ms()
        shares = [kept.value for kept in part.shares.values() if not kept.value.is_over(now_ms)]
        named = {asset for share in shares for asset in share.assets}
        trees = {asset for share in shares if share.subtree for asset in share.assets}

        def is_given(asset: Asset) -> bool:
            return asset.id in named or (bool(trees) and any(up.id in trees for up in part.upwards(asset)))

        return is_given

    # Shares.

    def reaches(self, caller: Identity, share: Share) -> bool:
        """Tell whether the caller is one of those who receive a share."""
        receiver = share.receiver
        if receiver.tenant != caller.tenant or caller.agent is not None:
            return False  # What is shared is shared with people and their programs, not with devices.
        if receiver.user is not None:
            return receiver.user == caller.subject
        if receiver.role is not None:
            return caller.scopes.issuperset(ROLES[receiver.role])
        return receiver.subtenant == caller.subtenant

    def givers(self, caller: Identity) -> list[TenantId]:
        """Name the tenants that share anything with the caller's tenant, or with a part of it."""
        return list(self._index.shares.givers(caller.tenant))

    def find_shared(self, caller: Identity, asset_id: str, action: Action) -> Reached | None:
        """Find an asset among what the caller has received; None also where it is not for this."""
        for giver, named in self._index.shares.givers(caller.tenant).items():
            reached = self._of_giver(caller, self._index.of(giver), named, asset_id, action)
            if reached is not None:
                return reached
        return None

    def _of_giver(
        self, caller: Identity, part: TenantIndex, named: Named, asset_id: str, action: Action
    ) -> Reached | None:
        kept = part.assets.get(asset_id)
        if kept is None:
            return None
        above = [each.id for each in part.upwards(kept.value)]
        shares = (found.value for each in above for found in named.get(each, {}).values())
        lower = (share for share in shares if share.subtree or asset_id in share.assets)
        found = tuple(share for share in self._standing(caller, lower) if action in share.actions)
        return Reached(part, kept, found) if found else None

    def _standing(self, caller: Identity, shares: Iterable[Share]) -> Iterator[Share]:
        """Give those that reach the caller and hold at this moment."""
        now_ms = self._clock.now_ms()
        for share in shares:
            if self.reaches(caller, share) and not share.is_over(now_ms) and self.holds(share):
                yield share

    def holds(self, share: Share) -> bool:
        """Tell whether the giver of a share may act, and its receiver is the one that is meant."""
        return self._index.is_active(share.tenant) and self.is_for(share)

    def is_for(self, share: Share) -> bool:
        """Tell whether the receiver of a share was there when it was given.

        The name of a tenant or a subtenant may be taken by a later one, to which nothing was given.
        """
        receiver = share.receiver
        tenant = self._index.find_tenant(receiver.tenant)
        if tenant is None or tenant.created_ms > share.given_ms:
            return False
        if receiver.subtenant is None:
            return True
        kept = self._index.of(receiver.tenant).subtenants.get(receiver.subtenant)
        return kept is not None and kept.value.created_ms <= share.given_ms

    def is_own(self, caller: Identity, asset_id: str) -> bool:
        """Tell whether an asset is the caller's own, as far as this door knows."""
        part = self._index.of(caller.tenant)
        kept = part.assets.get(asset_id)
        return kept is not None and self.owns(caller, part, kept.value)
