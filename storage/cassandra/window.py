"""What may be under way at once: a number of requests and their bytes, first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque


class Window:
    """A semaphore with two measures; a request larger than the window passes when it is alone."""

    def __init__(self, requests_max: int, bytes_max: int) -> None:
        self.requests_max = requests_max
        self.bytes_max = bytes_max
        self.requests = 0
        self.bytes = 0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    async def enter(self, size: int) -> None:
        """Wait for room and take it; `leave` gives it back."""
        if not self._waiting and self._fits(size):
            self._take(size)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, size))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()  # we may have been the large one that held up the others
            else:
                self.leave(size)  # room was given in the same moment
            raise

    def leave(self, size: int) -> None:
        """Give room back and let in those who waited for it."""
        self.requests -= 1
        self.bytes -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting:
            turn, size = self._waiting[0]
            if not turn.done():
                if not self._fits(size):
                    return
                self._take(size)
                turn.set_result(None)
            self._waiting.popleft()

    def _fits(self, size: int) -> bool:
        if self.requests == 0:
            return True
        return self.requests < self.requests_max and self.bytes + size <= self.bytes_max

    def _take(self, size: int) -> None:
        self.requests += 1
        self.bytes += size
