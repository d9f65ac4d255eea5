"""Writing series: from a checked request to an entry that is durable, and its receipt (design 3).

What may live here is the way in: split into entries, ask for admission, say what came of it.
The bodies are checked in `schemas.records`; the order is given by the stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.receipts import Receipts
from schemas.aspects import AspectType
from schemas.changes import Change, Clear, Upsert
from schemas.columns import Columns
from schemas.errors import Mismatch, StreamUnavailable, TooMany, Unavailable
from schemas.ids import SeriesId
from schemas.receipts import Place
from streams.entries import ENTRY_RAW_BYTES_MAX, SeriesEntry, encode_entry
from streams.port import Admission, Admitted, Idempotency, RecordStream, Refusal
from streams.shards import shard_of

RETRY_AFTER_S = 2
"""A shard that waits for its proof, or for its writer, is open again after about this long."""


@dataclass(slots=True, frozen=True)
class Write:
    """One checked change of one series, ready to be appended."""

    series: SeriesId
    aspect: AspectType
    change: Change
    key: str | None = None
    """The client's idempotency key."""
    payload: bytes = b""
    """What the key stands for."""


@dataclass(slots=True, frozen=True)
class Accepted:
    """A durable write."""

    places: list[Place]
    receipt: str


class Ingest:
    """The way into the stream."""

    def __init__(self, stream: RecordStream, receipts: Receipts, shards: int) -> None:
        """Append to a stream of so many shards."""
        self._stream = stream
        self._receipts = receipts
        self._shards = shards

    async def append(self, write: Write) -> Accepted:
        """Append one write; returns when all of it is durable. Raises what the refusal means."""
        return (await self.append_all([write]))[0]

    async def append_all(self, writes: Sequence[Write]) -> list[Accepted]:
        """Append several writes, admitted one by one; the first refusal is raised after all were tried."""
        answers = await self.try_all(writes)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [answer for answer in answers if isinstance(answer, Accepted)]

    async def try_all(self, writes: Sequence[Write]) -> list[Accepted | Exception]:
        """Append several writes and give each its own outcome (multi PUT: per pair)."""
        admissions = [self._admissions(write) for write in writes]
        answers = iter(await self._stream.append([one for each in admissions for one in each]))
        return [
            self._outcome(write, [(admission, next(answers)) for admission in each])
            for write, each in zip(writes, admissions, strict=True)
        ]

    def _admissions(self, write: Write) -> list[Admission]:
        series = write.series
        shard = shard_of(series.tenant, series.asset, self._shards)
        return [
            Admission(
                shard,
                series,
                encode_entry(SeriesEntry(series, write.aspect.version, change)),
                _idempotency(write, number),
            )
            for number, change in enumerate(_split(write.change))
        ]

    def _outcome(
        self, write: Write, answers: Sequence[tuple[Admission, Admitted | Refusal]]
    ) -> Accepted | Exception:
        places: list[Place] = []
        for admission, answer in answers:
            if isinstance(answer, Refusal):
                return _ERRORS[answer]()
            places.append(Place(admission.shard, answer.incarnation, answer.position))
        return Accepted(places, self._receipts.give(write.series.tenant, places))


def _split(change: Change) -> list[Change]:
    """Divide rows so that no entry is above its size (design 3.2); rows keep their order."""
    if not isinstance(change, Upsert) or change.columns.raw_bytes <= ENTRY_RAW_BYTES_MAX:
        return [change]
    columns: Columns = change.columns
    rows = max(1, ENTRY_RAW_BYTES_MAX * columns.rows // columns.raw_bytes)
    return [
        Upsert(columns.take(np.arange(start, min(start + rows, columns.rows))))
        for start in range(0, columns.rows, rows)
    ]


def _idempotency(write: Write, number: int) -> Idempotency | None:
    if write.key is None:
        return None
    digest = hashlib.blake2b(write.payload, digest_size=16, salt=number.to_bytes(8, "big")).digest()
    key = write.key if number == 0 else f"{write.key}#{number}"
    return Idempotency(write.series.tenant, key, digest)


def clear(series: SeriesId, aspect: AspectType, start_ms: int, end_ms: int) -> Write:
    """Make the write that deletes start_ms ≤ time < end_ms."""
    return Write(series, aspect, Clear(start_ms, end_ms))


def _not_proved() -> Exception:
    return StreamUnavailable("The shard waits for its writer.", RETRY_AFTER_S)


def _no_writer() -> Exception:
    return Unavailable("No writer or store has answered for an hour.", RETRY_AFTER_S)


def _backlog() -> Exception:
    return TooMany("Too much waits to be stored; come again after Retry-After.", RETRY_AFTER_S)


def _key_reused() -> Exception:
    return Mismatch("This Idempotency-Key was used with another body; use a new key for new data.")


def _keys_cap() -> Exception:
    return TooMany("The tenant holds its cap of idempotency keys; send without one, or later.", 60)


_ERRORS = {
    Refusal.NOT_PROVED: _not_proved,
    Refusal.LIMIT: _no_writer,
    Refusal.BACKLOG: _backlog,
    Refusal.KEY_REUSED: _key_reused,
    Refusal.KEYS_CAP: _keys_cap,
}
