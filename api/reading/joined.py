"""Equal reads in flight share one fetch, and none of them is older than it may be.

A fetch first takes the tail of its series; everything acknowledged by then is in its answer (design 4.17).
A read that comes later may have to show more, so it must not join a fetch that has begun. But all reads that
come while one fetch runs may share the next one, which begins when the first has ended: at any time one fetch
of a key runs and at most one waits, however many ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Fetch = Callable[[], Awaitable[T]]


class _Flight(Generic[T]):
    """One fetch that has begun, and those who wait for the next."""

    __slots__ = ("fetch", "waiting")

    def __init__(self) -> None:
        self.fetch: Fetch[T] | None = None
        """The next fetch: that of the first who came; the key says that all are equal."""
        self.waiting: asyncio.Future[T] | None = None


class Sharing:
    """The fetches of one door; used on its event loop only."""

    def __init__(self) -> None:
        """Begin with nothing in flight."""
        self._flights: dict[Hashable, _Flight[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def share(self, key: Hashable, fetch: Fetch[T]) -> T:
        """Fetch, or share a fetch of the same key that has not begun yet.

        `key` must name everything that decides the answer, the tenant first; `fetch` must take the tail
        itself, after it is called. What one raises, all who share it are told. A caller who goes away
        takes nobody along.
        """
        flight: _Flight[T] | None = self._flights.get(key)
        if flight is None:
            # Nobody to wait for: no task and no future, so that a lone read costs nothing more.
            flight = self._flights[key] = _Flight()
            try:
                return await fetch()
            finally:
                self._land(key, flight)
        if flight.waiting is None:
            flight.fetch, flight.waiting = fetch, asyncio.get_running_loop().create_future()
        return await asyncio.shield(flight.waiting)

    def _land(self, key: Hashable, flight: _Flight[Any]) -> None:
        """Let the next fetch begin, if anybody waits for it."""
        if flight.fetch is None or flight.waiting is None:
            del self._flights[key]
            return
        # From here on newcomers find a flight that counts as begun.
        following = self._flights[key] = _Flight[Any]()
        task = asyncio.create_task(self._fly(key, following, flight.fetch, flight.waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(
        self, key: Hashable, flight: _Flight[Any], fetch: Fetch[Any], told: asyncio.Future[Any]
    ) -> None:
        try:
            found = await fetch()
        except Exception as error:  # noqa: BLE001 - handed on to all who share the fetch
            told.set_exception(error)
            told.exception()  # It counts as seen, also where everybody has gone away.
        except BaseException:
            told.cancel()
            raise
        else:
            told.set_result(found)
        finally:
            self._land(key, flight)
