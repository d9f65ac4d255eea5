"""What the door's tenants may still do: judged here without a question, told to the stream server afterwards.

One `Spending` a tenant. A request is judged by what this door knows and counted at once; a charge tells the
stream server a moment later and brings what other doors took (decision 30). Nothing on the way of a request
waits for it, so a limit costs a few look-ups, and no limit costs one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from api.catalog.index import CatalogIndex
from api.http.asgi import Scope
from api.http.errors import quota_headers
from api.limits.spending import Spending
from runtime.metrics import DoorFigures
from runtime.ports import Clock
from schemas.errors import Quota, TooMany, Unavailable
from schemas.ids import TenantId
from streams.budgets import Charge, Standing
from streams.port import RecordStream

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.05
"""Between two looks for what is to be told."""

HELD: Final = "hold_s"
"""Where the framework's refusals say how long they are held back, in the state of their scope."""


class Limits:
    """What the framework's answer to one request says of its caller's limits."""

    __slots__ = ("_quotas", "_scope")

    def __init__(self, quotas: Quotas, scope: Scope) -> None:
        """Know the request; who calls is known by the time of the answer."""
        self._quotas = quotas
        self._scope = scope

    async def told(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Hold back what is to be held back, and name the nearest limit."""
        hold_s = self._scope["state"].get(HELD)
        if hold_s:
            await asyncio.sleep(hold_s)
        caller = self._scope.get("user")
        if caller is None or self._quotas.nearest(caller.tenant) is None:
            return headers
        texts = {name.decode(): value.decode("latin-1") for name, value in headers if name in _READ}
        told = self._quotas.told(caller.tenant, texts)
        if told is texts:
            return headers
        named = [(name.encode(), text.encode()) for name, text in told.items() if name.startswith("quota-")]
        return [*(pair for pair in headers if not pair[0].startswith(b"quota-")), *named]


_READ: Final = frozenset({b"retry-after", b"quota-rule", b"quota-limit", b"quota-used", b"quota-reset"})


class Quotas:
    """What all tenants have spent at one door."""

    def __init__(
        self, stream: RecordStream, index: CatalogIndex, clock: Clock, figures: DoorFigures, door: str
    ) -> None:
        """Know no tenant; `door` names this one among all doors."""
        self._stream = stream
        self._index = index
        self._clock = clock
        self._figures = figures
        self._door = door
        self._spendings: dict[TenantId, Spending] = {}
        self._charging = asyncio.Lock()

    def of(self, tenant: TenantId) -> Spending:
        """Give what a tenant has spent, under the policy that holds now; NotFound for an unknown tenant."""
        profile = self._index.profile_of(tenant)
        spending = self._spendings.get(tenant)
        if spending is None:
            spending = self._spendings[tenant] = Spending(tenant, profile, self.now_us())
        elif spending.profile is not profile:
            spending.change(profile)
        return spending

    def now_us(self) -> int:
        """Give the time by which spending is counted."""
        return int(self._clock.monotonic_s() * 1_000_000)

    def admit(self, tenant: TenantId) -> Spending:
        """Count a request of a verified caller; TooMany if the tenant has had its requests."""
        spending = self.of(tenant)
        try:
            spending.take_request(self.now_us())
        except TooMany as refusal:
            self.note(tenant, refusal)
            raise
        return spending

    def look_ahead(self, tenant: TenantId, body_bytes: int, *, late: bool) -> None:
        """Raise TooMany before a body is read that would be refused whatever is in it."""
        try:
            self.of(tenant).look_ahead(body_bytes, self.now_us(), late=late)
        except TooMany as refusal:
            self.note(tenant, refusal)
            raise

    def note(self, tenant: TenantId, refusal: TooMany) -> None:
        """Count a refusal for `/metrics`."""
        if refusal.quota is not None:
            self._figures.refused_by_quota(tenant, refusal.quota.rule)

    def nearest(self, tenant: TenantId) -> Quota | None:
        """Give the limit of a tenant of which most is used; None for a tenant without limits."""
        spending = self._spendings.get(tenant)
        if spending is None or not spending.is_limited:
            return None
        return spending.nearest(self.now_us())

    def told(self, tenant: TenantId, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Name the limit that is nearest to its end on an answer to a tenant's caller (design 7).

        An answer that names one keeps it if it is nearer, or if it was refused by it.
        """
        nearest = self.nearest(tenant)
        if nearest is None or "retry-after" in headers:
            return headers
        if "quota-rule" in headers:
            known = int(headers["quota-used"]) / max(int(headers["quota-limit"]), 1)
            if known >= nearest.used / max(nearest.limit, 1):
                return headers
        return {**headers, **quota_headers(nearest)}

    async def charge_one(self, tenant: TenantId) -> None:
        """Tell the stream server what this tenant did at this door, now."""
        async with self._charging:
            if tenant in self._spendings:
                await self._charge({tenant: self._spendings[tenant]})

    async def charge(self, *, everything: bool = False) -> None:
        """Tell the stream server of all tenants of which something is to be told now.

        An unavailable server is told the next time: until then this door judges by itself.
        """
        async with self._charging:
            now_us = self.now_us()
            due = {
                tenant: spending
                for tenant, spending in self._spendings.items()
                if everything or spending.is_due(now_us)
            }
            if due:
                await self._charge(due)
            for tenant in [name for name, spending in self._spendings.items() if spending.is_idle(now_us)]:
                del self._spendings[tenant]

    async def _charge(self, due: Mapping[TenantId, Spending]) -> None:
        standings: list[Standing] | list[None] = [None] * len(due)
        charges: list[Charge] = []
        try:
            shards = {shard for spending in due.values() for shard in spending.waiting_shards}
            applied = await self._stream.read_applied(sorted(shards)) if shards else {}
            now_us = self.now_us()
            charges = [spending.begin_charge(applied, now_us) for spending in due.values()]
            standings = await self._stream.charge(self._door, charges)
        except Unavailable as error:
            log.debug("budgets_not_told", reason=error.message)
        now_us = self.now_us()
        for spending, charge, standing in zip(due.values(), charges, standings, strict=False):
            spending.end_charge(charge, standing, now_us)

    async def run(self) -> None:
        """Tell again and again, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    await self.charge()
                except Exception:
                    log.exception("budgets_not_told")
        finally:
            await self.charge(everything=True)
