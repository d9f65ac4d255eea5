"""The brake on guessing secrets: failures are counted by account and by address (S15).

Counters live in the process and are bounded; each door brakes for itself.
A right secret clears the counter of its pair, not the address's: otherwise an attacker with one
good account could guess the others without limit.
"""

from __future__ import annotations

from collections import OrderedDict

from schemas.errors import TooMany

COUNTERS_MAX = 10_000
"""Bounds the memory; the least recently failed pair is forgotten first."""

PAIR_FAILURES_FREE = 5
"""So many wrong secrets for one account from one address cost nothing."""

ADDRESS_FAILURES_FREE = 100
"""… and so many from one address over all accounts: a gateway may stand for many devices."""

ACCOUNT_FAILURES_FREE = 200
"""… and so many for one account from everywhere: above it, a distributed attack."""

WAIT_S_MAX = 300
"""The longest wait, and the time after which failures are forgotten."""


class Brake:
    """Count failures; refuse a try that comes before its time."""

    def __init__(self) -> None:
        """Start with nobody braked."""
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def check(self, account: str, address: str, now_s: float) -> None:
        """Raise TooMany while any of the counters that the try falls under asks for patience."""
        for key, free in _counters(account, address):
            count, last_s = self._failures.get(key, (0, 0.0))
            wait_s = _wait_s(count, free)
            if now_s < last_s + wait_s:
                left_s = int(last_s + wait_s - now_s) + 1
                raise TooMany("Too many failed logins; wait before the next.", retry_after_s=left_s)

    def failed(self, account: str, address: str, now_s: float) -> None:
        """Count a wrong secret."""
        for key, _ in _counters(account, address):
            count, last_s = self._failures.pop(key, (0, now_s))
            self._failures[key] = (1 if now_s > last_s + WAIT_S_MAX else count + 1, now_s)
        while len(self._failures) > COUNTERS_MAX:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of this account from this address."""
        self._failures.pop((account, address), None)


def _counters(account: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
    return (
        ((account, address), PAIR_FAILURES_FREE),
        (("", address), ADDRESS_FAILURES_FREE),
        ((account, ""), ACCOUNT_FAILURES_FREE),
    )


def _wait_s(failures: int, free: int) -> float:
    if failures < free:
        return 0.0
    return float(min(2 ** min(failures - free, 10), WAIT_S_MAX))
