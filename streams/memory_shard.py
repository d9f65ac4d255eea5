"""What the memory stream holds of one shard; the rules of admission stand in `streams.memory`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from schemas.ids import SeriesId, TenantId
from streams.entries import series_of
from streams.port import Admission, Admitted, DeadLetter, Entry, Settled


@dataclass(slots=True)
class Remembered:
    """The first answer to an idempotency key."""

    payload_hash: bytes
    admitted: Admitted
    until_us: int


@dataclass(slots=True)
class Shard:
    """What the server holds of one shard."""

    positions: list[int] = field(default_factory=list)
    """Of the entries, ascending."""
    entries: dict[int, Entry] = field(default_factory=dict)
    last: int = 0
    limit: int | None = None
    proved: str | None = None
    incarnation: int | None = None
    applied: int | None = None
    """None: nobody ever proved the shard, or it was wiped."""
    blind: int = 0
    """Chains from below this are not known: `applied` was there and was taken back."""
    trimmed: int = 0
    tail: dict[SeriesId, int] = field(default_factory=dict)
    latest: dict[SeriesId, bytes] = field(default_factory=dict)
    keys: dict[tuple[str, str], Remembered] = field(default_factory=dict)
    lease: tuple[str, int] | None = None
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    settled: dict[int, Settled] = field(default_factory=dict)
    full_us: dict[tuple[SeriesId, str], int] = field(default_factory=dict)
    """When the bucket of a series and lane is full again."""
    backlog_bytes: int = 0
    """Of bodies above `applied`."""

    def admit(self, series: SeriesId, position: int, body: bytes) -> None:
        """Append one entry of a series."""
        self.positions.append(position)
        self.entries[position] = Entry(position, self.tail.get(series, 0), body)
        self.last = position
        self.backlog_bytes += len(body)
        self.tail[series] = position

    def after(self, position: int) -> list[Entry]:
        """Give the entries above a position, ascending."""
        return [self.entries[each] for each in self.positions[bisect_right(self.positions, position) :]]

    def keys_held(self, tenant: str, now_us: int) -> int:
        """Count a tenant's living keys; dead ones are forgotten on the way."""
        self.keys = {name: answer for name, answer in self.keys.items() if answer.until_us > now_us}
        return sum(1 for owner, _ in self.keys if owner == tenant)

    def debt_us(self, admission: Admission, now_us: int) -> int:
        """Give the time until the bucket of the series is full; 0 without a rate."""
        if admission.rate is None:
            return 0
        left_us = self.full_us.get(admission.bucket, now_us) - now_us
        return min(max(left_us, 0), admission.rate.burst_us)

    def forget(self, tenant: str) -> None:
        """Forget what is kept for a tenant beside its entries and dead letters."""
        self.latest = {series: kept for series, kept in self.latest.items() if series.tenant != tenant}
        self.keys = {name: kept for name, kept in self.keys.items() if name[0] != tenant}
        self.full_us = {each: kept for each, kept in self.full_us.items() if each[0].tenant != tenant}

    def count_left(self, tenant: str) -> dict[str, int]:
        """Count what names a tenant."""
        bodies = {
            "entries": [entry.body for entry in self.entries.values()],
            "dead": [letter.body for letter in self.dead.values()],
        }
        owners: dict[str, list[TenantId | str]] = {
            "latest": [series.tenant for series in self.latest],
            "keys": [owner for owner, _ in self.keys],
            "buckets": [series.tenant for series, _ in self.full_us],
            "tail": [series.tenant for series in self.tail],
        }
        owners |= {
            place: [series.tenant for series in map(series_of, found) if series is not None]
            for place, found in bodies.items()
        }
        return {place: found.count(tenant) for place, found in owners.items()}
