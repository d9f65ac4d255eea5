"""Whose body is checked and appended next, where more come than the door can serve: deficit round robin.

What a door has too little of is its loop's time: checking a body takes it whole, and a tenant with more
connections would get more of it. So of what is under way at once, tenants that want more than is there have
equal parts, counted in bytes; a tenant that is alone, or has nothing under way, never waits. Writes that
catch up are behind all others, in a small lane of their own in which one can always go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, NamedTuple

from schemas.ids import TenantId

REQUEST_BYTES: Final = 4_096
"""What a request costs beside its body, in bytes of bodies: both take some 80 µs of the loop."""

ROOM_BYTES: Final = 256 * 1_024
"""Under way at once while several tenants want more: 64 single records, twice what fills a trip to the stream
server, or three bodies of a thousand records."""

LATE_ROOM_BYTES: Final = ROOM_BYTES // 4
"""Of writes that catch up."""

QUANTUM_BYTES: Final = 64 * 1_024
"""What a tenant may send before the next one has its turn."""


class Place(NamedTuple):
    """A request that waits."""

    tenant: TenantId
    cost_bytes: int
    late: bool
    turn: asyncio.Future[None]


class _Ring:
    """Requests that wait, tenant by tenant."""

    def __init__(self) -> None:
        self.queues: dict[TenantId, deque[Place]] = {}
        """In the order in which the tenants have their turns; none: nobody waits."""
        self._deficits: dict[TenantId, int] = {}
        """What each may still send in its turn."""

    def add(self, place: Place) -> None:
        if place.tenant not in self.queues:
            self.queues[place.tenant] = deque()
            self._deficits[place.tenant] = QUANTUM_BYTES
        self.queues[place.tenant].append(place)

    def pop(self) -> Place | None:
        """Take the next one; None if nobody waits any more."""
        while self.queues:
            tenant, queue = next(iter(self.queues.items()))
            while queue and queue[0].turn.done():  # Its caller has gone.
                queue.popleft()
            if queue and queue[0].cost_bytes > self._deficits[tenant]:
                self._deficits[tenant] += QUANTUM_BYTES
                self.queues[tenant] = self.queues.pop(tenant)
                continue
            place = queue.popleft() if queue else None
            if place is not None:
                self._deficits[tenant] -= place.cost_bytes
            if not queue:
                del self.queues[tenant], self._deficits[tenant]
            if place is not None:
                return place
        return None


class Fairness:
    """What is under way at one door, and who waits."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._under_way: dict[TenantId, int] = {}
        self._total_bytes = self._late_bytes = 0
        self._live, self._late = _Ring(), _Ring()

    def enter(self, tenant: TenantId, body_bytes: int, *, late: bool) -> Awaitable[None] | None:
        """Begin with a body, which `leave` ends; gives what is to be awaited where it is not its turn.

        `late`: it catches up.
        """
        cost_bytes = REQUEST_BYTES + body_bytes
        if self._may_begin(tenant, cost_bytes, late=late):
            self._begin(tenant, cost_bytes, late=late)
            return None
        return self._wait(tenant, cost_bytes, late=late)

    async def _wait(self, tenant: TenantId, cost_bytes: int, *, late: bool) -> None:
        place = Place(tenant, cost_bytes, late, asyncio.get_running_loop().create_future())
        (self._late if late else self._live).add(place)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place.turn.done() and not place.turn.cancelled():  # Its turn came as its caller went.
                self._end(tenant, cost_bytes, late=late)
            raise

    def leave(self, tenant: TenantId, body_bytes: int, *, late: bool) -> None:
        """End what `enter` began."""
        self._end(tenant, REQUEST_BYTES + body_bytes, late=late)

    def _may_begin(self, tenant: TenantId, cost_bytes: int, *, late: bool) -> bool:
        if late:
            return self._late_has_room(cost_bytes) and not self._late.queues
        waiting = self._live.queues
        if not waiting and self._total_bytes + cost_bytes <= ROOM_BYTES:
            return True
        if tenant in waiting:
            return False
        own_bytes = self._under_way.get(tenant, 0)
        if own_bytes == self._total_bytes and not waiting:
            return True  # Nobody else is there.
        return own_bytes == 0 or own_bytes + cost_bytes <= ROOM_BYTES // len(self._under_way)

    def _late_has_room(self, cost_bytes: int) -> bool:
        if not self._late_bytes:
            return True
        return not self._live.queues and self._late_bytes + cost_bytes <= LATE_ROOM_BYTES

    def _begin(self, tenant: TenantId, cost_bytes: int, *, late: bool) -> None:
        if late:
            self._late_bytes += cost_bytes
            return
        self._under_way[tenant] = self._under_way.get(tenant, 0) + cost_bytes
        self._total_bytes += cost_bytes

    def _end(self, tenant: TenantId, cost_bytes: int, *, late: bool) -> None:
        if late:
            self._late_bytes -= cost_bytes
        else:
            self._total_bytes -= cost_bytes
            self._under_way[tenant] -= cost_bytes
            if not self._under_way[tenant]:
                del self._under_way[tenant]
        while self._live.queues and self._total_bytes < ROOM_BYTES and self._go_on(self._live):
            pass
        while self._late.queues and self._late_has_room(0) and self._go_on(self._late):
            pass

    def _go_on(self, ring: _Ring) -> bool:
        """Give the next one its turn; False if nobody is left."""
        place = ring.pop()
        if place is None:
            return False
        self._begin(place.tenant, place.cost_bytes, late=place.late)
        place.turn.set_result(None)
        return True
