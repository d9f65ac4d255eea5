"""Writing series: from a checked request to entries that are durable, and their receipt (design 3).

What may live here is the way in: split into entries, ask for admission, say what came of it.
The bodies are checked in `schemas.records`; the order is given by the stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np

from api.limits.quotas import Quotas
from api.limits.spending import Spending
from api.reading.receipts import Receipts
from runtime.metrics import DoorFigures
from schemas.aspects import AspectType
from schemas.budgets import seconds_of
from schemas.changes import Change, Row, Undo, Upsert
from schemas.columns import Column, Columns
from schemas.errors import Mismatch, Quota, StreamUnavailable, TooMany, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.limits import KB
from schemas.policies import Profile
from schemas.receipts import Place
from streams.entries import ENTRY_RAW_BYTES_MAX, SeriesEntry, encode_entry
from streams.port import Admission, Admitted, Idempotency, Rate, RecordStream, Refusal, Throttled
from streams.shards import shard_of

RETRY_AFTER_S = 2
"""A shard that waits for its proof, or for its writer, is open again after about this long."""

KEYS_RETRY_AFTER_S = 60
"""Idempotency keys live for 48 hours, so there is no hurry."""

RATE_RULE = "series-rate"
"""Names the limit of MS-23 in the headers of an answer; it counts bytes of bodies."""

LATE_RATE_RULE = "series-catch-up"
"""The same in the lane in which a backlog is drained."""

LATE_LANE = "late"
"""Names the bucket of that lane in the stream server."""


class Write(msgspec.Struct, frozen=True):
    """One checked change of one series, ready to be appended."""

    writer: TenantId
    """Who writes, and gets the receipt: the tenant of the series, or one with which it is shared."""
    series: SeriesId
    aspect: AspectType
    change: Change | Row | Undo
    idempotency: Idempotency | None = None
    rate: Rate | None = None
    body_bytes: int = 0
    """Of the body that brought the records, which the writer's budgets pay; 0: nothing is to be paid."""
    late: bool = False
    """It drains a backlog, in the lane beside live data."""


class Accepted(msgspec.Struct, frozen=True):
    """A durable write."""

    places: list[Place]
    receipt: str
    quota: Quota | None = None
    """How much of the series' rate is used; None without a rate."""


class Ingest:
    """The way into the stream."""

    def __init__(
        self, stream: RecordStream, receipts: Receipts, shards: int, figures: DoorFigures, quotas: Quotas
    ) -> None:
        """Append to a stream of so many shards what the writers' budgets allow."""
        self._stream = stream
        self._receipts = receipts
        self._shards = shards
        self._figures = figures
        self._quotas = quotas

    async def append(self, write: Write) -> Accepted:
        """Append one write; returns when all of it is durable. Raises what the refusal means."""
        spending = self._pay(write)
        admission = self._admission(write)
        [answer] = await self._stream.append((admission,))
        self._settle(spending, write, admission, answer)
        outcome = self._outcome(write, admission, answer)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def try_all(self, writes: Sequence[Write]) -> list[Accepted | Exception]:
        """Append several writes and give each its own outcome (multi PUT: per pair)."""
        outcomes: list[Accepted | Exception | None] = []
        paid: list[tuple[Spending, Write]] = []
        for write in writes:
            try:
                paid.append((self._pay(write), write))
                outcomes.append(None)
            except TooMany as refusal:
                outcomes.append(refusal)
        admissions = [self._admission(write) for _, write in paid]
        answers = await self._stream.append(admissions)
        appended = []
        for (spending, write), admission, answer in zip(paid, admissions, answers, strict=True):
            self._settle(spending, write, admission, answer)
            appended.append(self._outcome(write, admission, answer))
        left = iter(appended)
        return [next(left) if outcome is None else outcome for outcome in outcomes]

    def _pay(self, write: Write) -> Spending:
        """Take what the records cost from the writer's budgets; TooMany if they have too little."""
        spending = self._quotas.of(write.writer)
        if not write.body_bytes:
            return spending
        if not spending.is_limited:
            spending.count_write(_records(write.change), write.body_bytes)
            return spending
        try:
            spending.take_write(
                _records(write.change), write.body_bytes, self._quotas.now_us(), late=write.late
            )
        except TooMany as refusal:
            self._quotas.note(write.writer, refusal)
            raise
        return spending

    def _settle(
        self, spending: Spending, write: Write, admission: Admission, answer: Admitted | Refusal | Throttled
    ) -> None:
        """Count what came of it; what was refused, or had been appended before, costs nothing."""
        if isinstance(answer, Admitted) and not answer.repeated:
            entry_bytes, last = admission.bytes_count, answer.position + answer.entries - 1
            self._figures.admitted(answer.entries, entry_bytes)
            spending.note_admitted(admission.shard, last, entry_bytes)
            return
        if not isinstance(answer, Admitted):
            reason = "rate" if isinstance(answer, Throttled) else answer.value
            self._figures.add("refused_writes", reason)
        if write.body_bytes:
            spending.give_back(_records(write.change), write.body_bytes, late=write.late)

    def _admission(self, write: Write) -> Admission:
        series, version = write.series, write.aspect.version
        bodies = [encode_entry(SeriesEntry(series, version, change)) for change in _split(write.change)]
        shard = shard_of(series.tenant, series.asset, self._shards)
        return Admission(shard, series, bodies[0], write.idempotency, tuple(bodies[1:]), write.rate)

    def _outcome(
        self, write: Write, admission: Admission, answer: Admitted | Refusal | Throttled
    ) -> Accepted | Exception:
        if isinstance(answer, Refusal):
            return _ERRORS[answer]()
        # How busy a series is, only its owner learns.
        rate = admission.rate if write.writer == write.series.tenant else None
        quota = None if rate is None else _quota(rate, answer.debt_us)
        if isinstance(answer, Throttled):
            return _throttled(admission.rate, answer, quota)
        places = [
            Place(admission.shard, answer.incarnation, answer.position + number)
            for number in range(answer.entries)
        ]
        return Accepted(places, self._receipts.give(write.writer, places), quota)


def _records(change: Change | Row | Undo) -> int:
    if isinstance(change, Row):
        return 1
    return change.columns.rows if isinstance(change, Upsert) else 0


def _split(change: Change | Row | Undo) -> list[Change | Row | Undo]:
    """Divide rows so that no entry is above its size (design 3.2); rows keep their order.

    A single row is never divided: the byte rule keeps it small enough (MS-04).
    """
    if not isinstance(change, Upsert) or change.columns.raw_bytes <= ENTRY_RAW_BYTES_MAX:
        return [change]
    columns = change.columns
    if columns.rows == 1:
        return [change]
    half = columns.rows // 2
    first, second = (_part(columns, rows) for rows in (range(half), range(half, columns.rows)))
    return _split(Upsert(first)) + _split(Upsert(second))


def _part(columns: Columns, rows: range) -> Columns:
    """Take some rows, without the variables of which they say nothing."""
    part = columns.take(np.arange(rows.start, rows.stop))
    cells = {variable: column for variable, column in part.cells.items() if _says_anything(column)}
    return Columns(part.time_ms, cells, part.merges)


def _says_anything(column: Column) -> bool:
    if column.present is None or column.present.any():
        return True
    return column.removed is not None and bool(column.removed.any())


def idempotency_of(
    writer: TenantId, series: SeriesId, key: str | None, verb: str, payload: bytes
) -> Idempotency | None:
    """Make the key under which a request has one effect; None where the client sent none (design 8.18).

    A key counts for one series and the tenant that writes to it; `verb` and `payload` are what a repeat must
    have in common.
    """
    if key is None:
        return None
    name = hashlib.blake2b(f"{series.asset}/{series.aspect}/{key}".encode(), digest_size=16).hexdigest()
    payload_hash = hashlib.blake2b(payload, digest_size=16, person=verb.encode()).digest()
    return Idempotency(writer, name, payload_hash)


def rate_of(profile: Profile, cost_bytes: int, *, late: bool = False) -> Rate | None:
    """Give what a body of this size takes from the rate of its series (MS-23); None: no such limit."""
    if profile.series_rate_bytes_per_s is None or profile.series_burst_bytes is None:
        return None
    if late and profile.series_catch_up_burst_bytes is not None:
        burst_bytes = profile.series_catch_up_burst_bytes
        return Rate(profile.series_rate_bytes_per_s, burst_bytes, cost_bytes, LATE_LANE)
    return Rate(profile.series_rate_bytes_per_s, profile.series_burst_bytes, cost_bytes)


def rate_of_part(
    profile: Profile, body_bytes: int, rows: int, of_rows: int, *, late: bool = False
) -> tuple[int, Rate | None]:
    """Give the bytes that some rows of a body count as, and what they take from the rate of their series."""
    size = max(1, body_bytes * rows // of_rows)
    # More than the burst of a series could never be paid.
    return size, rate_of(profile, min(size, profile.series_burst_bytes or size), late=late)


def _quota(rate: Rate, debt_us: int) -> Quota:
    rule = LATE_RATE_RULE if rate.lane else RATE_RULE
    return Quota(rule, rate.burst_bytes, rate.bytes_of(debt_us), seconds_of(debt_us))


def _throttled(rate: Rate | None, answer: Throttled, quota: Quota | None) -> Exception:
    assert rate is not None, "only an admission with a rate is throttled"
    wait_s = seconds_of(answer.debt_us + rate.cost_us - rate.burst_us)
    message = f"A series takes {rate.bytes_per_s // KB} KB a second; come again after Retry-After."
    return TooMany(message, wait_s, quota)


def _not_proved() -> Exception:
    return StreamUnavailable("The shard waits for its writer.", RETRY_AFTER_S)


def _no_writer() -> Exception:
    return Unavailable("No writer or store has answered for an hour.", RETRY_AFTER_S)


def _backlog() -> Exception:
    return TooMany("Too much waits to be stored; come again after Retry-After.", RETRY_AFTER_S)


def _key_reused() -> Exception:
    return Mismatch("This Idempotency-Key was used with another body; use a new key for new data.")


def _keys_cap() -> Exception:
    message = "The tenant holds its cap of idempotency keys; send without one, or later."
    return TooMany(message, KEYS_RETRY_AFTER_S)


_ERRORS = {
    Refusal.NOT_PROVED: _not_proved,
    Refusal.LIMIT: _no_writer,
    Refusal.BACKLOG: _backlog,
    Refusal.KEY_REUSED: _key_reused,
    Refusal.KEYS_CAP: _keys_cap,
}
