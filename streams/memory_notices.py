"""The memory adapter of the notice port: the same promises in one process, for tests and demos."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from schemas.limits import NOTICES_KEPT_BYTES_MAX
from streams.notice_port import Kept, LogId, NoticeLog, Page, Posting


@dataclass(slots=True)
class _Log:
    notices: list[Kept] = field(default_factory=list)
    last: int = 0
    dropped: int = 0
    remembered: dict[str, bytes] = field(default_factory=dict)
    standing: bytes = b""


class MemoryNoticeLog(NoticeLog):
    """Logs and places in dictionaries; nothing outlives the process, and nothing is forgotten before."""

    def __init__(self, time_us: Callable[[], int]) -> None:
        """Take numbers from `time_us`, microseconds since 1970."""
        self._time_us = time_us
        self._logs: dict[LogId, _Log] = {}
        self._places: dict[str, str] = {}

    async def post(self, posting: Posting) -> bool:
        """Keep all of it; False if the place is not at `before`."""
        move = posting.move
        if move is not None:
            if self._places.get(move.place, "") != move.before:
                return False
            self._places[move.place] = move.after
        for log, bodies in posting.notices.items():
            for body in bodies:
                self._keep(self._logs.setdefault(log, _Log()), body)
        for log, known in posting.remembered.items():
            self._logs.setdefault(log, _Log()).remembered.update(known)
        return True

    def _keep(self, log: _Log, body: bytes) -> None:
        log.last = max(log.last + 1, self._time_us())
        log.notices.append(Kept(log.last, body))
        size = sum(len(kept.body) for kept in log.notices)
        while size > NOTICES_KEPT_BYTES_MAX and len(log.notices) > 1:
            oldest = log.notices.pop(0)
            size -= len(oldest.body)
            log.dropped = oldest.number

    async def places(self) -> dict[str, str]:
        """Give every place."""
        return dict(self._places)

    async def read(self, log: LogId, after: int, *, count: int) -> Page:
        """Read up to `count` notices after a number."""
        found = self._logs.get(log, _Log())
        behind = [kept for kept in found.notices if kept.number > after]
        return Page(behind[:count], found.dropped, found.last)

    async def recall(self, log: LogId, names: Collection[str]) -> dict[str, bytes]:
        """Give what is remembered of these series."""
        known = self._logs.get(log, _Log()).remembered
        return {name: known[name] for name in names if name in known}

    async def standing(self, log: LogId) -> bytes:
        """Give what the teller noted."""
        return self._logs.get(log, _Log()).standing

    async def note(self, log: LogId, before: bytes, after: bytes) -> bool:
        """Note how deliveries stand, if they stand as the noter thinks."""
        if await self.standing(log) != before:
            return False
        self._logs.setdefault(log, _Log()).standing = after
        return True

    async def drop(self, log: LogId) -> None:
        """Forget a log."""
        self._logs.pop(log, None)

    async def forget(self, log: LogId, asset: str) -> None:
        """Remove the notices that name an asset, and what is remembered of its series."""
        found = self._logs.get(log, _Log())
        found.notices = [kept for kept in found.notices if asset.encode() not in kept.body]
        found.remembered = {
            name: content for name, content in found.remembered.items() if f"/{asset}/" not in name
        }

    async def close(self) -> None:
        """Release nothing; twice is harmless."""
