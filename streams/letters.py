"""Whose a dead letter is: what of its header can be believed although the entry does not hold.

A damaged header may name somebody else. It counts only if its series belongs into the very shard that the
letter lies in, so that a letter is shown to its own tenant or, over HTTP, to nobody.
"""

from __future__ import annotations

from schemas.ids import SeriesId
from streams.entries import series_of
from streams.port import Letterhead
from streams.shards import shard_of


def series_of_letter(head: Letterhead, shards: int) -> SeriesId | None:
    """Give the series that a letter was for; None if its header cannot be read or does not fit."""
    series = series_of(head.opening)
    if series is None or shard_of(series.tenant, series.asset, shards) != head.shard:
        return None
    return series
