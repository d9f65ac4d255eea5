"""Streams of events: a subscription read over one long answer, as browsers do (Server-Sent Events).

A feed asks the log of notices twice a second and keeps nothing: what a reader has not taken is in the log,
from which it goes on when it comes back with `Last-Event-ID`. A slow reader is waited for with one page in
memory, and is cut off where it reads nothing for half a minute (`api.connection`). Before each page the
caller is judged anew, as with every request: a token that ended, or an account that was suspended, ends it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from runtime.ports import Clock
from schemas.errors import Refused, TooMany, Unavailable
from schemas.limits import FEEDS_OF_DOOR_MAX, FEEDS_OF_SUBSCRIPTION_MAX
from schemas.notices import lost, numbered
from streams.notice_port import LogId, NoticeLog

log = structlog.get_logger(__name__)

POLL_S: Final = 0.5
"""Between two looks: half of the second in which a notice is to arrive."""

HEARTBEAT_S: Final = 15.0
"""Something is sent at least so often: proxies cut connections that are silent for a minute."""

PAGE: Final = 20
"""Notices a look: 320 KiB at most."""

RETRY_MS: Final = 2_000
"""After which a browser that lost the feed comes back."""


Passes = Callable[[bytes], bool]
"""A kept notice → whether the reader may read it."""


@dataclass(slots=True, frozen=True)
class Feed:
    """What is read, and who reads."""

    log: LogId
    after: int
    """The number of the last notice that the reader has."""
    judge: Callable[[], Awaitable[Passes]]
    """Raises what a request of the reader would be refused with; gives which notices it may read now."""


class Feeds:
    """The feeds of one door; used on its event loop only."""

    def __init__(self, clock: Clock) -> None:
        """Feed nobody yet."""
        self._clock = clock
        self._open: Counter[LogId] = Counter()
        self._ended = asyncio.Event()
        self.poll_s = POLL_S

    def end(self) -> None:
        """End every feed: the door is about to."""
        self._ended.set()

    def demand_room(self, name: LogId) -> None:
        """Raise TooMany where there is no room for another reader."""
        if self._open[name] >= FEEDS_OF_SUBSCRIPTION_MAX:
            raise TooMany(f"A subscription has at most {FEEDS_OF_SUBSCRIPTION_MAX} readers.", 15)
        if self._open.total() >= FEEDS_OF_DOOR_MAX:
            raise TooMany("This door has no room for another reader; use a webhook.", 15)

    async def events(self, notices: NoticeLog, feed: Feed) -> AsyncGenerator[bytes, None]:
        """Write the events of a feed until the door ends, the reader goes, or may read no more."""
        self._open[feed.log] += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            async for piece in self._pieces(notices, feed):
                yield piece
        except (Refused, Unavailable) as error:
            log.info("feed_ended", tenant=feed.log.tenant, reason=error.message)
        finally:
            self._open[feed.log] -= 1
            if not self._open[feed.log]:
                del self._open[feed.log]

    async def follow(
        self, name: LogId, look: Callable[[], Awaitable[tuple[bytes | None, bool]]]
    ) -> AsyncGenerator[bytes, None]:
        """Write what each look finds, until one says that it was the last, or as `events` ends."""
        self._open[name] += 1
        sent_s = self._clock.monotonic_s()
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not self._ended.is_set():
                event, is_last = await look()
                now_s = self._clock.monotonic_s()
                if event is None and now_s >= sent_s + HEARTBEAT_S:
                    event = b":\n\n"
                if event is not None:
                    yield event
                    sent_s = now_s
                if is_last:
                    return
                await self._pause()
        except (Refused, Unavailable) as error:
            log.info("feed_ended", tenant=name.tenant, reason=error.message)
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]

    async def _pieces(self, notices: NoticeLog, feed: Feed) -> AsyncGenerator[bytes, None]:
        after, sent_s = feed.after, self._clock.monotonic_s()
        while not self._ended.is_set():
            passes = await feed.judge()
            page = await notices.read(feed.log, after, count=PAGE)
            if page.dropped > after:
                yield _event(b"gap", page.dropped, lost(after, page.dropped))
                after = page.dropped
            for number, body in page.notices:
                if passes(body):
                    yield _event(b"notice", number, numbered(number, body))
                after = number
            now_s = self._clock.monotonic_s()
            if page.notices:
                sent_s = now_s
            elif now_s >= sent_s + HEARTBEAT_S:
                yield b":\n\n"
                sent_s = now_s
            if len(page.notices) < PAGE:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self.poll_s):
                await self._ended.wait()
        except TimeoutError:
            return


def _event(kind: bytes, number: int, body: bytes) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (number, kind, body)
