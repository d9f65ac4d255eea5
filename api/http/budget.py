"""How many bytes of request bodies one door holds at once: what does not fit is told to come again.

Each body has a limit of its own, but thousands of connections may each bring one, and while a stream server
or a store is slow none of them ends. Counted is what has come, and what compressed bodies became; what was
only announced holds nothing, so that nobody keeps room by announcing. What a connection has read ahead while
nobody asked for it, 64 KiB each at most, is not counted.
"""

from __future__ import annotations

from typing import Final

from api.http.asgi import Message, Receive
from schemas.errors import Unavailable
from schemas.limits import EXCHANGE_BODY_BYTES_MAX

HOLDING: Final = "holding"
"""Where the framework's requests find what they hold, in the state of their scope."""

WHOLE_BYTES_MAX: Final = EXCHANGE_BODY_BYTES_MAX
"""No route holds more of one body at once: a larger one is refused, or passed on as it comes."""

RETRY_AFTER_S: Final = 2
"""Most bodies are answered within milliseconds; where none is, the stream server is given a moment."""


class BodyBudget:
    """The bytes that all requests of one door hold, and how many they may."""

    __slots__ = ("bytes_max", "held_bytes")

    def __init__(self, bytes_max: int) -> None:
        """Hold nothing yet."""
        self.bytes_max = bytes_max
        self.held_bytes = 0


class Holding:
    """What one request holds of the budget, from the first piece of its body until it is answered."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: BodyBudget) -> None:
        """Hold nothing yet."""
        self._budget = budget
        self.held_bytes = 0

    def demand(self, more_bytes: int) -> None:
        """Raise Unavailable unless there is room for so many bytes more."""
        if self._budget.held_bytes + more_bytes > self._budget.bytes_max:
            raise _no_room()

    def add(self, more_bytes: int) -> None:
        """Hold so many bytes more; Unavailable, and nothing more held, where there is no room for them."""
        budget = self._budget
        together = budget.held_bytes + more_bytes
        if together > budget.bytes_max:
            raise _no_room()
        budget.held_bytes = together
        self.held_bytes += more_bytes

    def pass_on(self, passed_bytes: int) -> None:
        """Hold so many bytes less: they were passed on to somebody who counts them, or needs no more."""
        self._budget.held_bytes -= passed_bytes
        self.held_bytes -= passed_bytes

    def release(self) -> None:
        """Hold nothing any more; a second time does nothing."""
        self.pass_on(self.held_bytes)

    def counted(self, receive: Receive, announced_bytes: int) -> Receive:
        """Wrap `receive` of one request: the announced size is demanded first, and what comes is added."""
        asked = False

        async def receive_counted() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                self.demand(min(announced_bytes, WHOLE_BYTES_MAX))
            message = await receive()
            if message["type"] == "http.request":
                self.add(len(message.get("body", b"")))
            return message

        return receive_counted


def _no_room() -> Unavailable:
    return Unavailable("Too many bodies are on their way.", RETRY_AFTER_S)
