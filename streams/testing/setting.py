"""What the contracts share: small caps, a back door, and words for the usual arrangements."""

from __future__ import annotations

from abc import ABC, abstractmethod

from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from streams.port import (
    Admission,
    Admitted,
    Caps,
    Entry,
    Idempotency,
    Rate,
    RecordStream,
    Refusal,
    Throttled,
)

CAPS = Caps(
    backlog_bytes_max=4_000, keys_max=3, keys_ttl_ms=3_600_000, chain_entries_max=8, chain_bytes_max=2_000
)
"""Small enough that a test reaches each of them."""

SHARD = 7
OTHER_SHARD = 41

FAR = 2**53
"""A limit that is never reached: positions stay below it by contract."""


class BackDoor(ABC):
    """Looks at and meddles with a server beside the adapter, as accidents and operators do."""

    @abstractmethod
    async def positions(self, shard: int) -> list[int]:
        """List the positions of the entries that are really there."""

    @abstractmethod
    async def put(self, shard: int, entry: Entry) -> None:
        """Put an entry above all others where no admission would."""

    @abstractmethod
    async def remove(self, shard: int, position: int) -> None:
        """Take one entry away, marks untouched."""

    @abstractmethod
    async def wipe(self) -> None:
        """Empty the server; the process goes on (FLUSHALL)."""

    @abstractmethod
    async def restart(self) -> None:
        """Become another process that has everything of the one before."""

    @abstractmethod
    async def save(self) -> None:
        """Remember the state."""

    @abstractmethod
    async def restore(self) -> None:
        """Become another process with the state that was saved."""

    @abstractmethod
    async def stop(self) -> None:
        """Be gone."""


def series(number: int) -> SeriesId:
    """Name the n-th series."""
    return SeriesId(TenantId("windco"), AssetId(f"{number:032x}"), AspectId(f"{number + 1:032x}"))


def admission(
    number: int = 1,
    body: bytes = b"body",
    *,
    shard: int = SHARD,
    once: Idempotency | None = None,
    more: tuple[bytes, ...] = (),
    rate: Rate | None = None,
) -> Admission:
    """Ask to append to the n-th series."""
    return Admission(shard, series(number), body, once, more, rate)


def key(name: str, payload: bytes = b"\x00 hash \xff", *, tenant: str = "windco") -> Idempotency:
    """Give an idempotency key; the hash has every nasty byte."""
    return Idempotency(tenant, name, payload)


async def prove(
    stream: RecordStream,
    shard: int = SHARD,
    *,
    last: int = 0,
    limit: int = FAR,
    incarnation: int = 1,
    applied: int = 0,
) -> None:
    """Open a shard on the process that answers now."""
    state = await stream.read_state(shard)
    assert await stream.prove(
        shard, state.run_id, last=last, limit=limit, incarnation=incarnation, applied=applied
    )


async def append(stream: RecordStream, *asked: Admission) -> list[int]:
    """Append what must be admitted, and give the positions."""
    answers = await stream.append(asked or [admission()])
    assert all(isinstance(answer, Admitted) for answer in answers), answers
    return [answer.position for answer in answers if isinstance(answer, Admitted)]


async def refused(stream: RecordStream, asked: Admission | None = None) -> Refusal | Throttled | None:
    """Append one request and give the refusal; None if it was admitted."""
    [answer] = await stream.append([asked or admission()])
    return None if isinstance(answer, Admitted) else answer
