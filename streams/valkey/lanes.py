"""Group commit: all admissions that wait go out together, and one fsync serves many (design 3.3).

A few lanes, each a connection of its own with one pipeline under way. Why more than one: the server reads
about 16 KiB (or one large body) of a connection, then syncs, then answers, so a single connection would
pay one fsync for each large body. Measured with `appendfsync always` and bodies of 45 KB: 1,700 admissions/s
on one lane, 3,000 on four. A call stays whole and in order on one lane: it may be the parts of one request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import hiredis

from schemas.errors import StreamUnavailable
from streams.valkey.connection import Connection, Link, Reply, checked, is_forgotten, unavailable

LANES = 4
"""Measured: a second lane nearly doubles large bodies, more than four slow small ones."""

PIPELINE_BYTES_MAX = 256 * 1024
"""What one lane takes at a time; the rest is left for the other lanes."""

LANE_BYTES_MIN = 16 * 1024
"""What has to wait before another lane sets out while one is under way: what the server reads at a time."""

HOLD_S = 0.001
"""How long less than this is held for as much company as the trip before had: whoever was answered comes
again. A trip costs the server a log write and a fsync, some 100 µs of CPU time however little it carries."""

STALL_S = 0.25
"""A trip under way for longer may hang with its connection: who comes then takes another lane, with all
who wait. No fsync of a server that keeps up takes so long."""

Commands = Callable[[str], list[bytes]]
"""Writes the commands of a call for the run id of the connection on which they go out."""


@dataclass(slots=True, eq=False)
class _Call:
    commands: Commands
    bytes_count: int
    due_s: float
    """Not sent by then, it is not sent at all."""
    answer: asyncio.Future[list[Reply]]


class Lanes:
    """The queue of calls that wait, and the lanes that carry them."""

    def __init__(self, links: Sequence[Link], timeout_s: float) -> None:
        """Use these connections, each for one pipeline at a time."""
        self._links = tuple(links)
        self._timeout_s = timeout_s
        self._idle = list(links)
        self._waiting: deque[_Call] = deque()
        self._waiting_bytes = 0
        self._departing = False
        self._departed_s = 0.0
        self._company = 1
        """Calls of the last trip."""
        self._hold: asyncio.TimerHandle | None = None
        self._trips: set[asyncio.Task[None]] = set()

    def send(self, commands: Commands, bytes_count: int) -> asyncio.Future[list[Reply]]:
        """Send a call with what else waits; brings its replies. `StreamUnavailable`: outcome unknown.

        A call whose caller went away before it was sent is not sent; one under way takes effect.
        """
        loop = asyncio.get_running_loop()
        call = _Call(commands, bytes_count, loop.time() + self._timeout_s, loop.create_future())
        self._waiting.append(call)
        self._waiting_bytes += bytes_count
        if self._idle and not self._departing:
            # Not at once: whoever else is ready in this turn of the loop comes along.
            self._departing = True
            loop.call_soon(self._depart)
        return call.answer

    def close(self) -> None:
        """Fail what waits and what is under way, and close the connections."""
        for link in self._links:
            link.drop()
        while self._waiting:
            _fail(self._waiting.popleft(), ConnectionAbortedError("closed by us"))
        self._waiting_bytes = 0

    def _depart(self) -> None:
        self._departing = False
        while self._waiting and self._idle and self._is_time():
            calls = self._take()
            if calls:
                trip = asyncio.ensure_future(self._travel(self._idle.pop(), calls))
                self._trips.add(trip)
                trip.add_done_callback(self._trips.discard)

    def _is_time(self) -> bool:
        """Tell whether what waits is worth a trip; small calls share one, that is, all that is under way."""
        if self._waiting_bytes >= LANE_BYTES_MIN:
            return True
        loop = asyncio.get_running_loop()
        if len(self._idle) < len(self._links):
            return loop.time() >= self._departed_s + STALL_S
        if len(self._waiting) < self._company:
            if self._hold is None:
                self._hold = loop.call_later(HOLD_S, self._go)
            return False
        return True

    def _go(self) -> None:
        """Wait for nobody any longer."""
        self._hold = None
        self._company = 1
        self._depart()

    def _take(self) -> list[_Call]:
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        calls: list[_Call] = []
        room = PIPELINE_BYTES_MAX
        now_s = self._departed_s = asyncio.get_running_loop().time()
        while self._waiting and room > 0:
            call = self._waiting.popleft()
            self._waiting_bytes -= call.bytes_count
            if call.due_s < now_s:
                _fail(call, TimeoutError("the stream server is too slow"))
            elif not call.answer.done():
                calls.append(call)
                room -= call.bytes_count
        self._company = len(calls)
        return calls

    async def _travel(self, link: Link, calls: list[_Call]) -> None:
        try:
            await self._carry(link, calls)
        finally:
            self._idle.append(link)
            self._depart()

    async def _carry(self, link: Link, calls: Sequence[_Call]) -> None:
        try:
            connection = await link.connection()
            batches = [call.commands(connection.run_id) for call in calls]
            replies = await connection.send([command for batch in batches for command in batch])
        except Exception as error:
            for call in calls:
                _fail(call, error)
            if not isinstance(error, StreamUnavailable):
                raise
            return
        start = 0
        for call, batch in zip(calls, batches, strict=True):
            answers = replies[start : start + len(batch)]
            start += len(batch)
            if all(is_forgotten(reply) for reply in answers):
                answers = await _again(connection, batch)
            if not call.answer.done():
                _settle(call, answers)


async def _again(connection: Connection, batch: Sequence[bytes]) -> list[Reply]:
    try:
        return await connection.send_again(batch)
    except StreamUnavailable as error:
        return [hiredis.ReplyError(error.message)]


def _settle(call: _Call, answers: list[Reply]) -> None:
    try:
        call.answer.set_result([checked(reply) for reply in answers])
    except StreamUnavailable as error:
        _fail(call, error)


def _fail(call: _Call, error: Exception) -> None:
    if not call.answer.done():
        # An error of its own for each caller: raising one from many places would grow its traceback.
        cause = error.__cause__ if isinstance(error, StreamUnavailable) else error
        call.answer.set_exception(unavailable(cause if isinstance(cause, Exception) else error))
