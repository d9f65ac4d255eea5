"""What the writer knows of each series' newest values, and what it tells the readers (design 4.12).

Begins with series that it saw empty in the store; a cache that must be dropped stays dropped until a
seal has read the newest slice. Bounded: the least recently written series are forgotten first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from schemas.ids import SeriesId
from schemas.latest import Latest, advanced, encode_latest
from storage.reader import Placed

_Value = TypeVar("_Value")

SERIES_MAX = 200_000
"""Caches in memory: about 100 MB; a forgotten series is read from the store."""


class LatestKeeper:
    """The latest caches of one writer's series."""

    def __init__(self) -> None:
        """Know nothing."""
        self._known: dict[SeriesId, Latest] = {}
        self._missing: dict[SeriesId, int] = {}
        """Series whose cache was dropped, or never known, with the position of their last change."""

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
            _keep(self._missing, series, position)
            return None
        _keep(self._known, series, latest)
        return encode_latest(latest)

    def offer(self, series: SeriesId, latest: Latest) -> bytes | None:
        """Take a cache read from the store, unless a later change is known; gives what readers shall see."""
        if series in self._known or self._missing.get(series, 0) > latest.position:
            return None
        self._missing.pop(series, None)
        _keep(self._known, series, latest)
        return encode_latest(latest)

    def forget(self, series: Iterable[SeriesId]) -> None:
        """Drop what another writer may change from now on."""
        for each in series:
            self._known.pop(each, None)
            self._missing.pop(each, None)


def _keep(kept: dict[SeriesId, _Value], series: SeriesId, value: _Value) -> None:
    kept.pop(series, None)
    kept[series] = value
    if len(kept) > SERIES_MAX:
        kept.pop(next(iter(kept)))
