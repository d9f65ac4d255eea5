"""What a tenant may spend, and how it is counted: buckets in whole microseconds, times given (design 7).

A budget fills at a rate up to its burst. What is taken is a time: that in which it flows back. So a bucket is
one number, the time at which it is full again; every door has one of each, and tells the stream server what
was taken at it, which says how full the bucket of all doors is (`streams.budgets`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from schemas import codes
from schemas.errors import Problem, Quota
from schemas.limits import BURST_S, BURST_S_MAX, PUT_BODY_BYTES_MAX
from schemas.policies import Policy

REQUESTS: Final = "requests"
RECORDS: Final = "records"
BYTES: Final = "bytes"
CATCH_UP: Final = "catch-up"
"""Bytes in the lane in which a backlog is drained."""
BACKLOG: Final = "backlog"
"""Bytes of entries that are not stored yet."""
SERIES: Final = "series"
STORED: Final = "stored"
"""Bytes that the blocks of series take in the store."""

COUNTED: Final = (REQUESTS, RECORDS, BYTES)
"""What is counted by day, whatever the policy."""

SPREAD_US_MAX: Final = 10_000_000
"""Nobody is told to come later than so long after he could."""


class Budget(NamedTuple):
    """How fast something may be spent."""

    per_s: float
    burst: int

    @property
    def burst_us(self) -> int:
        """Give the time in which an empty bucket fills."""
        return self.time_us(self.burst)

    def time_us(self, amount: int) -> int:
        """Give the time in which so much flows back."""
        return int(amount * 1_000_000 / self.per_s)

    def amount(self, time_us: int) -> int:
        """Give what flows back in this time, rounded up."""
        return -int(-time_us * self.per_s // 1_000_000)


class Bucket:
    """What one door knows of a budget, all other doors' spending included as of the last settlement."""

    __slots__ = ("_per_s", "budget", "burst_us", "full_us", "told_us", "untold_us")

    def __init__(self, budget: Budget) -> None:
        """Be full, as far as is known."""
        self.budget = budget
        self.burst_us = budget.burst_us
        self._per_s = budget.per_s
        self.full_us = 0
        """When it is full again."""
        self.untold_us = 0
        """What was taken since the last settlement began."""
        self.told_us = 0
        """What the settlement that is under way tells."""

    def debt_us(self, now_us: int) -> int:
        """Give the time until it is full."""
        return max(self.full_us - now_us, 0)

    def wait_us(self, amount: int, now_us: int) -> int:
        """Give the time until so much can be taken; 0: now. More than the burst needs a full bucket."""
        # Without a call: each request asks once a rule.
        needed_us = int(amount * 1_000_000 / self._per_s)
        room_us = self.burst_us - needed_us
        left_us = self.full_us - now_us
        if room_us <= 0:
            return max(left_us, 0)
        return left_us - room_us if left_us > room_us else 0

    def take(self, amount: int, now_us: int) -> None:
        """Take so much, whatever is left."""
        cost_us = int(amount * 1_000_000 / self._per_s)
        self.full_us = max(self.full_us, now_us) + cost_us
        self.untold_us += cost_us

    def give_back(self, amount: int) -> None:
        """Undo what was taken for something that did not come about."""
        cost_us = self.budget.time_us(amount)
        self.full_us -= cost_us
        self.untold_us -= cost_us

    def begin_telling(self) -> int:
        """Give what a settlement tells."""
        self.told_us, self.untold_us = self.untold_us, 0
        return self.told_us

    def learn(self, debt_us: int, now_us: int) -> None:
        """Take in what the settlement gave: how far the bucket of all doors is from full."""
        self.full_us = now_us + debt_us + self.untold_us
        self.told_us = 0

    def tell_again(self) -> None:
        """The settlement failed: its share is told with the next one."""
        self.untold_us += self.told_us
        self.told_us = 0

    def share(self, now_us: int) -> float:
        """Give how much of it is used, 1 where all is."""
        left_us = self.full_us - now_us
        return left_us / self.burst_us if left_us > 0 else 0.0

    def quota(self, rule: str, now_us: int) -> Quota:
        """Say how far it is used up."""
        debt_us = self.debt_us(now_us)
        used = min(self.budget.amount(debt_us), self.budget.burst)
        return Quota(rule, self.budget.burst, used, seconds_of(debt_us))


class Turns:
    """When callers that were refused shall come again: one after the other, as what they want flows back.

    If all were told the moment at which something is left, all would come at that moment, and all but one
    in vain (MS-89).
    """

    __slots__ = ("_next_us",)

    def __init__(self) -> None:
        """Promise nothing yet."""
        self._next_us = 0

    def promise_us(self, wait_us: int, cost_us: int, now_us: int) -> int:
        """Give the time that a caller shall wait who could come after `wait_us` if he were alone."""
        earliest_us = now_us + wait_us
        turn_us = max(self._next_us, earliest_us)
        if turn_us > earliest_us + SPREAD_US_MAX:
            turn_us = earliest_us
        self._next_us = turn_us + cost_us
        return turn_us - now_us


def seconds_of(duration_us: int) -> int:
    """Give whole seconds, rounded up: whoever waits for so long has waited long enough."""
    return -(-duration_us // 1_000_000)


_BUDGETS: Final = {
    REQUESTS: ("requests_per_s", "requests_burst"),
    RECORDS: ("records_per_s", "records_burst"),
    BYTES: ("bytes_per_s", "burst_bytes"),
    CATCH_UP: ("catch_up_bytes_per_s", "catch_up_burst_bytes"),
}

_OF_SERIES: Final = (
    ("series_rate_bytes_per_s", "series_burst_bytes"),
    ("series_rate_bytes_per_s", "series_catch_up_burst_bytes"),
)


def budgets_of(policy: Policy) -> dict[str, Budget]:
    """Give the budgets of a policy by their rules; none for a rule without a rate."""
    return {
        rule: Budget(rate, getattr(policy, burst) or max(int(rate * BURST_S), 1))
        for rule, (per_s, burst) in _BUDGETS.items()
        if (rate := getattr(policy, per_s)) is not None
    }


def check_policy(policy: Policy) -> list[Problem]:
    """Find members of a policy that contradict each other; each pointer names a member."""
    problems = [
        _problem(burst, f"It needs {_wire(per_s)} beside it.")
        for per_s, burst in (*_BUDGETS.values(), *_OF_SERIES)
        if getattr(policy, burst) is not None and getattr(policy, per_s) is None
    ]
    for rule, budget in budgets_of(policy).items():
        if budget.burst > budget.per_s * BURST_S_MAX:
            message = f"An empty bucket would take more than {BURST_S_MAX // 86_400} days to fill."
            problems.append(_problem(_BUDGETS[rule][1], message))
    if policy.series_rate_bytes_per_s is not None and policy.series_burst_bytes is None:
        problems.append(_problem("series_burst_bytes", "The rate of a series needs a burst."))
    for _, name in _OF_SERIES:
        burst_bytes = getattr(policy, name)
        if burst_bytes is not None and burst_bytes < PUT_BODY_BYTES_MAX:
            message = f"The largest body has {PUT_BODY_BYTES_MAX} bytes and would never be taken."
            problems.append(_problem(name, message))
    return problems


def worst(quotas: Sequence[Quota]) -> Quota | None:
    """Give the limit of which the greatest share is used; None for none."""
    return max(quotas, key=lambda quota: quota.used / max(quota.limit, 1), default=None)


def _problem(name: str, message: str) -> Problem:
    return Problem(f"/{_wire(name)}", codes.INVALID_BODY, message)


def _wire(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)
