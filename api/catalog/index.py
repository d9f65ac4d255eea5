"""Every tenant's catalogue in the door's memory, kept current by the change log (design 4, catalogue).

Built at the start, refreshed from the log each tick and at once after the door's own writes. A line of
the log announces a version; the named document is read until that version, or a later one, is seen, or
until the line is older than the overlap and its change can no longer come about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from api.catalog.kinds import ASSET, DROP, FIND, FOLLOWED, PUT, RETENTION, SHARE, TENANT, decode
from api.catalog.policies import POLICY, Policies
from api.catalog.sensor_index import Measured, select_variables
from api.catalog.share_index import ShareIndex
from api.catalog.tenant_index import Kept, TenantIndex
from runtime.ports import Clock
from schemas.aspects import AspectType
from schemas.assets import Asset
from schemas.errors import NotFound
from schemas.ids import CORE, SeriesId, TenantId, is_hex_id
from schemas.policies import PROFILES, Profile
from schemas.retention import KEEP_ALL, Rule
from schemas.sensors import Selector
from schemas.tenants import Tenant
from storage import retention_rules
from storage.port import CatalogStore, Change, Document

R = TypeVar("R")

OPEN_LINE_S: Final = 15.0
"""How long a line is looked after whose change has not been seen: longer than the log's overlap of 10 s."""

LOADED_AT_ONCE: Final = 16
"""Tenants whose documents are listed side by side at the start."""

REBUILD_AFTER_S: Final = 3_600.0
"""The log keeps a day; a door that slept for an hour reads everything anew."""


class CatalogIndex:
    """All tenants; one for each door, used on its event loop only."""

    def __init__(
        self, catalog: CatalogStore, clock: Clock, default_profile: str = "open", retention_days: int = 0
    ) -> None:
        """Take the catalogue, a clock, profile and retention of tenants that name none; `load` before use."""
        self._catalog = catalog
        self._clock = clock
        self._default_profile = default_profile
        self._retention_days = retention_days
        self._profiles: dict[str, Profile] = {}
        """By tenant, with its retention; filled as they are asked for."""
        self._rules: dict[str, Rule] = {}
        self._tenants: dict[str, Tenant] = {}
        self._parts: dict[str, TenantIndex] = {}
        self.shares = ShareIndex()
        self.policies = Policies()
        self._after: str | None = None
        self._refreshed_s = 0.0
        self._open_lines: dict[Change, float] = {}
        self._settled: dict[Change, float] = {}
        """Followed lines, oldest first."""
        self._touched: set[str] = set()
        self._refreshing = asyncio.Lock()
        self._next_refresh: asyncio.Task[None] | None = None

    # Feeding.

    async def load(self) -> None:
        """Read the whole catalogue."""
        # First the log's position: what changes during the listing is then read once more.
        lines = await self._catalog.changes(None)
        self._after = max((line.sequence for line in lines), default=None)
        self._open_lines = {line: self._clock.monotonic_s() for line in lines}
        self._settled = {}
        documents = await self._catalog.list(CORE, TENANT)
        tenants = {document.id: decode(document, Tenant) for document in documents}
        names = list(tenants)
        parts: dict[str, TenantIndex] = {}
        for place in range(0, len(names), LOADED_AT_ONCE):
            chunk = names[place : place + LOADED_AT_ONCE]
            parts.update(zip(chunk, await asyncio.gather(*map(self._load_part, chunk)), strict=True))
            await asyncio.gather(*(self._settle_retention(tenants[name]) for name in chunk))
        self._tenants, self._parts, self.shares = tenants, parts, ShareIndex(parts.values())
        self.policies = Policies(await self._catalog.list(CORE, POLICY))
        self._profiles = {}
        self._refreshed_s = self._clock.monotonic_s()

    async def refresh(self) -> None:
        """Take in what the log announces.

        The log holds 10 s again and again, so all who come while it is read share the next reading.
        """
        if self._next_refresh is None:
            self._next_refresh = asyncio.ensure_future(self._refresh_in_turn())
        await asyncio.shield(self._next_refresh)

    def take_touched(self) -> set[str]:
        """Give the kinds of what was taken in since the last call, whoever asked for it."""
        touched, self._touched = self._touched, set()
        return touched

    async def _refresh_in_turn(self) -> None:
        async with self._refreshing:
            self._next_refresh = None  # Whoever comes from here on may want a line that is not read.
            await self._refresh(self._clock.monotonic_s())

    async def _refresh(self, now_s: float) -> None:
        if now_s > self._refreshed_s + REBUILD_AFTER_S:
            await self.load()
            self._touched |= FOLLOWED
            return
        for line in await self._catalog.changes(self._after):
            self._after = max(self._after or "", line.sequence)
            if line.kind in FOLLOWED and line not in self._settled:
                self._open_lines.setdefault(line, now_s)
        for line, seen_s in list(self._open_lines.items()):
            if self._version(line) >= line.version:
                self._settle(line, now_s)
            elif await self._follow(line):
                self._touched.add(line.kind)
                self._settle(line, now_s)
            elif now_s > seen_s + OPEN_LINE_S:
                self._settle(line, now_s)
        self._forget_settled(now_s)
        self._refreshed_s = now_s

    def wrote(self, document: Document) -> None:
        """Take in a type or an asset that this door has just stored."""
        if document.tenant in self._parts:
            PUT[document.kind](self._parts[document.tenant], document)
            if document.kind == SHARE:
                self.shares.put(self._parts[document.tenant].shares[document.id])

    def removed(self, tenant: str, kind: str, document_id: str) -> None:
        """Forget what this door has just removed, or a tenant that was erased."""
        if kind == TENANT:
            self._drop_tenant(document_id)
            return
        if kind == POLICY:
            self.drop_policy(document_id)
        if tenant in self._parts and kind in DROP:
            DROP[kind](self._parts[tenant], document_id)
            if kind == SHARE:
                self.shares.drop(document_id)

    def put_policy(self, document: Document) -> None:
        """Take in a new or changed policy."""
        self.policies.put(document)
        self._profiles.clear()

    def drop_policy(self, name: str) -> None:
        """Forget a policy."""
        self.policies.drop(name)
        self._profiles.clear()

    # Asking.

    def is_active(self, tenant: TenantId) -> bool:
        """Tell whether the tenant exists and may act."""
        found = self._tenants.get(tenant)
        return found is not None and not found.suspended

    def tenant(self, tenant: TenantId) -> Tenant:
        """Give a tenant; NotFound if there is none."""
        found = self._tenants.get(tenant)
        if found is None:
            raise NotFound("There is no such tenant.")
        return found

    def find_tenant(self, tenant: TenantId) -> Tenant | None:
        """Give a tenant; None if there is none."""
        return self._tenants.get(tenant)

    def tenants(self) -> list[TenantId]:
        """List all tenants by name."""
        return [TenantId(name) for name in sorted(self._tenants)]

    def profile_of(self, tenant: TenantId) -> Profile:
        """Give the limits that hold for a tenant (design 7)."""
        profile = self._profiles.get(tenant)
        if profile is None:
            kept = self.policies.find(self.tenant(tenant).profile or self._default_profile)
            profile = PROFILES[self._default_profile] if kept is None else kept.value
            if self._rules[tenant] != KEEP_ALL:
                profile = msgspec.structs.replace(profile, retention=self._rules[tenant])
            self._profiles[tenant] = profile
        return profile

    def has_policy(self, name: str) -> bool:
        """Tell whether a tenant may name this policy."""
        return self.policies.find(name) is not None

    def users_of(self, policy: str) -> list[TenantId]:
        """List the tenants that name a policy."""
        return [tenant for tenant in self.tenants() if self._tenants[tenant].profile == policy]

    def of(self, tenant: TenantId) -> TenantIndex:
        """Give the part of one tenant; NotFound if there is none."""
        found = self._parts.get(tenant)
        if found is None:
            raise NotFound("There is no such tenant.")
        return found

    def select(
        self, tenant: TenantId, selector: Selector, assets: Iterable[str] | None = None
    ) -> list[Measured]:
        """List the variables that a selection of sensors means, such as all wind speeds at 80 m (SM-20).

        Each once, by asset id; only of assets, aspects and variables that are there. `assets`: only of
        these, such as a bound caller's own; None: of the whole tenant. NotFound for an unknown tenant.
        """
        return select_variables(self.of(tenant), selector, assets)

    def series_of(self, tenant: TenantId, asset_id: str, aspect_name: str) -> tuple[SeriesId, AspectType]:
        """Give a series and its type from memory; NotFound, in the same words for unknown and foreign ids.

        What another door made a moment ago may be missing; `find_series` finds it.
        """
        return self.of(tenant).series_of(asset_id, aspect_name)

    async def find_series(
        self, tenant: TenantId, asset_id: str, aspect_name: str
    ) -> tuple[SeriesId, AspectType]:
        """Give a series and its type; what is not in memory is looked for in the store before NotFound."""
        try:
            return self.of(tenant).series_of(asset_id, aspect_name)
        except NotFound:
            await self._learn_asset(tenant, asset_id)
            return self.of(tenant).series_of(asset_id, aspect_name)

    async def find_asset(self, tenant: TenantId, asset_id: str) -> Kept[Asset]:
        """Give an asset; one that is not in memory is looked for in the store before NotFound."""
        if asset_id not in self.of(tenant).assets:
            await self._learn_asset(tenant, asset_id)
        return self.of(tenant).asset(asset_id)

    async def look(self, tenant: TenantId, find: Callable[[TenantIndex], R]) -> R:
        """Ask a tenant's part; if it says NotFound, once more with what other doors have just written."""
        try:
            return find(self.of(tenant))
        except NotFound:
            await self.refresh()
            return find(self.of(tenant))

    # Inside.

    async def _learn_asset(self, tenant: TenantId, asset_id: str) -> None:
        """Bring one asset in whose line was not read yet, and with it its type, which may be as new."""
        if not is_hex_id(asset_id) or asset_id in self.of(tenant).deleted_assets:
            return
        document = await self._catalog.get(tenant, ASSET, asset_id)
        if document is None:
            return
        await self.refresh()
        if asset_id not in self.of(tenant).assets:
            self.wrote(document)

    async def _follow(self, line: Change) -> bool:
        """Bring the named document in; False while the announced change is not to be seen."""
        known = self._version(line)
        document = await self._catalog.get(line.tenant, line.kind, line.id)
        if self._version(line) != known:
            return False  # This door wrote it meanwhile: what was read may be older. Look again.
        if document is None:
            self.removed(line.tenant, line.kind, line.id)
            return known >= 0 or line.version > 0
        if line.kind == TENANT:
            await self._put_tenant(document)
        elif line.kind == RETENTION:
            self._put_rule(line.tenant, retention_rules.rule_in(document))
        elif line.kind == POLICY:
            self.put_policy(document)
        elif line.kind in PUT:
            self.wrote(document)
        return document.version >= line.version

    async def _put_tenant(self, document: Document) -> None:
        if document.id not in self._parts:
            part = await self._load_part(document.id)
            self._parts[document.id] = part
            self.shares.put_all(part)
        tenant = decode(document, Tenant)
        # A line may be read many times, and other doors may say otherwise of tenants that say nothing.
        if tenant != self._tenants.get(document.id):
            await self._settle_retention(tenant)
        self._tenants[document.id] = tenant

    def _drop_tenant(self, name: str) -> None:
        """Let go of all that is known of a tenant."""
        part = self._parts.pop(name, None)
        for share_id in () if part is None else part.shares:
            self.shares.drop(share_id)
        self._tenants.pop(name, None)
        self._profiles.pop(name, None)
        self._rules.pop(name, None)

    async def _settle_retention(self, tenant: Tenant) -> None:
        """Make what the tenant, else the installation asks for the rule, for all doors and writers."""
        days = self._retention_days if tenant.retention_days is None else tenant.retention_days
        rule = await retention_rules.settle_rule(self._catalog, tenant.name, days, self._clock.now_ms())
        self._put_rule(tenant.name, rule)

    def _put_rule(self, tenant: str, rule: Rule) -> None:
        self._rules[tenant] = rule
        self._profiles.pop(tenant, None)

    async def _load_part(self, name: str) -> TenantIndex:
        part = TenantIndex(TenantId(name))
        for kind, put in PUT.items():
            for document in await self._catalog.list(name, kind):
                put(part, document)
        return part

    def _settle(self, line: Change, now_s: float) -> None:
        self._open_lines.pop(line, None)
        self._settled[line] = now_s

    def _forget_settled(self, now_s: float) -> None:
        """Let go of lines that the log no longer repeats; from the front, for there may be thousands."""
        while self._settled:
            line, at_s = next(iter(self._settled.items()))
            if now_s <= at_s + OPEN_LINE_S:
                return
            del self._settled[line]

    def _version(self, line: Change) -> int:
        """Give the version that is known here; −1 for none."""
        if line.kind == POLICY:
            return self.policies.version(line.id)
        part = self._parts.get(line.tenant)
        kept = FIND[line.kind](part, line.id) if part is not None and line.kind in FIND else None
        return -1 if kept is None else kept.version
