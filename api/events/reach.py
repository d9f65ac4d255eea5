"""Which events a caller may reach: those of the assets that it reaches, at the times that are shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from api.identity.tokens import Identity
from api.shares.access import Access, Reached
from schemas.event_filters import EventFilter
from schemas.ids import TenantId
from schemas.limits import TIME_MS_MAX
from schemas.shares import Action, within
from storage.event_port import EventRow
from storage.event_reading import passes


class EventSource(NamedTuple):
    """Where a list reads, and what of it is shown."""

    tenant: TenantId
    """Whose events they are."""
    asked: EventFilter
    sees: Callable[[EventRow], bool] | None = None
    """What else an event must fulfil; None: nothing."""

    def shows(self, row: EventRow) -> bool:
        """Tell whether an event is in the list."""
        return (self.sees is None or self.sees(row)) and passes(row, self.asked)


class EventReach:
    """The events of one caller, while one request lasts."""

    def __init__(self, access: Access, caller: Identity) -> None:
        """Take who reaches which assets, and the caller."""
        self._access = access
        self._caller = caller

    async def demand_own(self, asset_id: str) -> None:
        """Raise NotFound unless an asset is the caller's own."""
        await self._access.own_asset(self._caller, asset_id)

    def owns(self, asset_id: str) -> bool:
        """Tell whether events of an asset of the tenant are the caller's own; the asset may be gone."""
        return self._caller.subtenant is None or self._access.is_own(self._caller, asset_id)

    def givers(self) -> Iterable[TenantId]:
        """Name the tenants among whose events one may be that is shared with the caller."""
        return self._access.givers(self._caller)

    def is_shared(self, row: EventRow) -> bool:
        """Tell whether an event of another tenant is shared with the caller."""
        reached = self._shared(row.entity)
        return (
            reached is not None and reached.part.tenant == row.tenant and within(row.time_ms, reached.spans)
        )

    def source(self, tenant: TenantId, asked: EventFilter) -> EventSource:
        """Tell where to read what a filter asks for: the tenant's own events, or those of a shared asset."""
        entity = asked.entity
        shared = None if entity is None or self._access.is_own(self._caller, entity) else self._shared(entity)
        if shared is None:
            bound = self._caller.subtenant is not None
            return EventSource(tenant, asked, (lambda row: self.owns(row.entity)) if bound else None)
        spans = shared.spans
        if spans is None:
            return EventSource(shared.part.tenant, asked)
        start_ms = max(asked.start_ms or 0, spans[0].start_ms)
        end_ms = min(TIME_MS_MAX + 1 if asked.end_ms is None else asked.end_ms, spans[-1].end_ms)
        narrowed = asked._replace(start_ms=start_ms, end_ms=end_ms)
        return EventSource(shared.part.tenant, narrowed, lambda row: within(row.time_ms, spans))

    def _shared(self, asset_id: str) -> Reached | None:
        return self._access.find_shared(self._caller, asset_id, Action.EVENTS_READ)
