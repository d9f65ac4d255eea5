"""Bodies that do not come, or trickle, end in 408: the server under us has no such limit.

One look at all of them four times a second: a timer for each would cost a tenth of what a small request
costs in all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from litestar.exceptions import HTTPException

from api.http.asgi import Message, Receive
from runtime.ports import Clock, DoorPolicy

GRACE_S: Final = 5.0
"""A body may start as slowly as it likes for so long."""

LOOK_S: Final = 0.25
"""Between two looks at the bodies that are on their way: far below every deadline."""


ARRIVAL: Final = "arrival"
"""Where the framework's requests find their body's arrival, in the state of their scope."""


class Arrival:
    """One body on its way in."""

    __slots__ = ("complete", "deadline_s", "give_up", "received_bytes", "started_s")

    def __init__(self, started_s: float, deadline_s: float, give_up: Callable[[], None]) -> None:
        """Begin to wait, so many seconds at most; `give_up` is called once if it takes too long."""
        self.started_s = started_s
        self.deadline_s = deadline_s
        self.give_up = give_up
        self.received_bytes = 0
        self.complete = False


class BodyWatch:
    """Looks at every body that somebody waits for."""

    def __init__(self, clock: Clock, policy: DoorPolicy) -> None:
        """Watch nothing yet; `run` must go beside the requests."""
        self._clock = clock
        self._policy = policy
        self._waiting: set[Arrival] = set()

    def begin(self, give_up: Callable[[], None]) -> Arrival:
        """Watch one body until `end`."""
        arrival = self._arrival(give_up)
        self._waiting.add(arrival)
        return arrival

    def end(self, arrival: Arrival) -> None:
        """Stop watching; unknown ones are ignored."""
        self._waiting.discard(arrival)

    def watched(self, receive: Receive, state: MutableMapping[str, Any]) -> Receive:
        """Wrap `receive` of one request: it raises 408 once the body is late.

        The arrival goes into the request's state, for a route that passes bodies on and gives them longer.
        """
        waiting = _Waiting()
        arrival = state[ARRIVAL] = self._arrival(waiting.give_up)

        async def receive_in_time() -> Message:
            if arrival.complete:  # From here on it only waits for the client to go.
                return await receive()
            if self._is_late(arrival, self._clock.monotonic_s()):
                raise too_slow()
            waiting.task = asyncio.current_task()
            self._waiting.add(arrival)
            try:
                message = await receive()
            except asyncio.CancelledError:
                if not waiting.given_up or waiting.task is None:
                    raise
                waiting.task.uncancel()
                raise too_slow() from None
            finally:
                self._waiting.discard(arrival)
            if message["type"] == "http.request":
                arrival.received_bytes += len(message.get("body", b""))
                arrival.complete = not message.get("more_body", False)
            return message

        return receive_in_time

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Give up every body that is late."""
        now_s = self._clock.monotonic_s()
        for arrival in [found for found in self._waiting if self._is_late(found, now_s)]:
            self._waiting.discard(arrival)
            arrival.give_up()

    def _arrival(self, give_up: Callable[[], None]) -> Arrival:
        return Arrival(self._clock.monotonic_s(), self._policy.body_deadline_s, give_up)

    def _is_late(self, arrival: Arrival, now_s: float) -> bool:
        taken_s = now_s - arrival.started_s
        earned_s = arrival.received_bytes / self._policy.body_rate_bytes_min + GRACE_S
        return taken_s >= min(arrival.deadline_s, earned_s)


class _Waiting:
    """The task that waits for a message, and whether it was told to stop."""

    __slots__ = ("given_up", "task")

    def __init__(self) -> None:
        self.given_up = False
        self.task: asyncio.Task[object] | None = None

    def give_up(self) -> None:
        self.given_up = True
        if self.task is not None:
            self.task.cancel()


def too_slow() -> HTTPException:
    """Give what a request ends with whose body did not come in time."""
    return HTTPException(status_code=408, detail="The body came too slowly.", headers={"connection": "close"})
