"""What the stream server keeps of tenants' budgets: how full they are over all doors, and what was used.

Doors judge by themselves and tell afterwards (decision 30): a charge says what was taken at a door since its
last one, and is answered with how full the buckets of all doors are. So no request waits for the server, and
doors give more than a budget by no more than they take between two charges, and never in the long run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

DAYS_KEPT = 32
"""Days of counters, today's included: a month can be added up on its last day."""

BACKLOG_TTL_MS = 30_000
"""A door that is gone tells nothing more, and what it admitted is soon applied."""


@dataclass(slots=True, frozen=True)
class Charge:
    """What one door tells of one tenant."""

    tenant: str
    taken_us: Mapping[str, int] = field(default_factory=dict)
    """Rule → what was taken since the last charge (less than 0: given back); these rules' debts are given."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """What is added to the counters of the server's day."""
    backlog_bytes: int = 0
    """What the door knows to be admitted and not applied; it holds for `BACKLOG_TTL_MS`."""


@dataclass(slots=True, frozen=True)
class Standing:
    """How a tenant stands after a charge."""

    debts_us: Mapping[str, int]
    """Rule → time until the bucket of all doors is full."""
    backlog_bytes: int
    """What all other doors have told."""
    stored_bytes: int
    """What writers found at their last count."""


@dataclass(slots=True, frozen=True)
class Spent:
    """What is known of a tenant."""

    debts_us: Mapping[str, int]
    """Of every rule of which something is missing."""
    days: Mapping[int, Mapping[str, int]]
    """Day, counted from 1970-01-01 (UTC) → counters; at most the last `DAYS_KEPT`."""
    backlog_bytes: int
    stored_bytes: int


class TenantBudgets(ABC):
    """The part of the stream port that counts what tenants use."""

    @abstractmethod
    async def charge(self, door: str, charges: Sequence[Charge]) -> list[Standing]:
        """Tell what was taken, in one round trip; one answer for each, in order.

        After an error it may be told or not; telling it again may count it twice, which errs on the side
        that keeps the limit.
        """

    @abstractmethod
    async def read_applied(self, shards: Collection[int]) -> dict[int, int]:
        """Tell up to which position each of these shards is applied; 0 for one that was never proved."""

    @abstractmethod
    async def read_spent(self, tenant: str) -> Spent:
        """Read what is known of a tenant; nothing is known of one that never came."""

    @abstractmethod
    async def tell_stored(self, tenant: str, shard: int, stored_bytes: int) -> None:
        """Say what the blocks of a tenant's series in a shard take in the store; the last word counts."""
