"""What the writer knows of each series' newest values in a shard, and what readers are told (design 4.12).

Begins with series that it saw empty in the store; a cache that must be dropped stays dropped until a
seal has read the newest slice. Bounded: the least recently written series are forgotten first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from schemas.ids import SeriesId
from schemas.latest import Latest, advanced, encode_latest
from storage.spans import Placed

_Value = TypeVar("_Value")

SERIES_MAX = 4_000
"""Caches of one shard in memory, some 2 MB; a forgotten series is read from the store."""


class LatestKeeper:
    """The latest caches of one shard's series."""

    def __init__(self) -> None:
        """Know nothing."""
        self._known: dict[SeriesId, Latest] = {}
        self._missing: dict[SeriesId, int] = {}
        """Series whose cache was dropped, or never known, with the position of their last change."""
        self._forgotten = 0
        """The highest position at which a series changed that is in neither list any more."""

    def after(
        self, changes: Mapping[SeriesId, Iterable[Placed]], position: int
    ) -> dict[SeriesId, bytes | None]:
        """Advance every touched series and give what readers shall see from now on."""
        return {series: self._advance(series, placed, position) for series, placed in changes.items()}

    def _advance(self, series: SeriesId, changes: Iterable[Placed], position: int) -> bytes | None:
        latest = self._known.pop(series, None)
        for placed in changes:
            latest = advanced(latest, placed.change, position)
        if latest is None:
            dropped = _keep(self._missing, series, position)
            self._forgotten = max(self._forgotten, dropped or 0)
            return None
        return self._know(series, latest)

    def _know(self, series: SeriesId, latest: Latest) -> bytes:
        dropped = _keep(self._known, series, latest)
        self._forgotten = max(self._forgotten, dropped.position if dropped else 0)
        return encode_latest(latest)

    def offer(self, series: SeriesId, latest: Latest) -> bytes | None:
        """Take a cache read from the store, unless a later change is known; gives what readers shall see."""
        if series in self._known or self._missing.get(series, self._forgotten) > latest.position:
            return None
        self._missing.pop(series, None)
        return self._know(series, latest)


def _keep(kept: dict[SeriesId, _Value], series: SeriesId, value: _Value) -> _Value | None:
    """Put a value at the young end; gives the oldest one if it had to go."""
    kept.pop(series, None)
    kept[series] = value
    return kept.pop(next(iter(kept))) if len(kept) > SERIES_MAX else None
