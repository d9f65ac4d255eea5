"""What keeps notices between whoever makes them and whoever is told, whichever server does (MS-84).

A log a subscription: notices in the order in which they were kept, each with a number that rises for ever,
the older ones dropped where there are too many. Beside the logs stand places: how far the notices of a shard,
or of the catalogue, are made. A place moves in the same step in which what it passes is kept, so nothing is
kept twice and nothing is left out, whoever makes notices and however often he dies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class LogId(NamedTuple):
    """The log of one subscription."""

    tenant: str
    subscription: str


class Kept(NamedTuple):
    """One notice."""

    number: int
    body: bytes


class Page(NamedTuple):
    """What is kept after a number."""

    notices: list[Kept]
    dropped: int
    """The highest number that is kept no more; 0: none was ever dropped."""
    last: int
    """The highest number given so far; 0: none."""


class Move(NamedTuple):
    """A place that moves on; it must be where the mover thinks."""

    place: str
    before: str
    """Empty: it was never set."""
    after: str


@dataclass(slots=True, frozen=True)
class Posting:
    """What is kept together, or not at all."""

    move: Move | None = None
    notices: Mapping[LogId, Sequence[bytes]] = field(default_factory=dict)
    remembered: Mapping[LogId, Mapping[str, bytes]] = field(default_factory=dict)
    """What the maker of notices must know of each series next time, by log and series."""


class NoticeLog(ABC):
    """Logs of notices, and places."""

    @abstractmethod
    async def post(self, posting: Posting) -> bool:
        """Keep all of it in one step; False, and nothing is kept, if the place is not at `before`.

        A log grows to NOTICES_KEPT_BYTES_MAX of bodies, its newest notice aside; it and what is remembered
        beside it are forgotten NOTICES_TTL_MS after the last posting that concerned it.
        """

    @abstractmethod
    async def places(self) -> dict[str, str]:
        """Give every place."""

    @abstractmethod
    async def read(self, log: LogId, after: int, *, count: int) -> Page:
        """Read up to `count` notices after a number, ascending; an unknown log is empty."""

    @abstractmethod
    async def recall(self, log: LogId, names: Collection[str]) -> dict[str, bytes]:
        """Give what is remembered of these series; nothing for those of which nothing is."""

    @abstractmethod
    async def standing(self, log: LogId) -> bytes:
        """Give what the teller noted of his deliveries; empty where he noted nothing."""

    @abstractmethod
    async def note(self, log: LogId, before: bytes, after: bytes) -> bool:
        """Note how deliveries stand, if they stand as the noter thinks; False, and no change, if not."""

    @abstractmethod
    async def drop(self, log: LogId) -> None:
        """Forget a log and all that belongs to it; unknown ones are ignored."""

    @abstractmethod
    async def forget(self, log: LogId, asset: str) -> None:
        """Remove the notices that name an asset, and what is remembered of its series (design 4.16)."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections; twice is harmless."""
