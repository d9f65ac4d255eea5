"""Tenants' budgets in the memory stream: the same promises as the scripts, and no rule shared with them."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.budgets import BACKLOG_TTL_MS, DAYS_KEPT, Charge, Spent, Standing, TenantBudgets
from streams.memory_shard import Shard

DAY_US = 86_400_000_000


@dataclass(slots=True)
class Account:
    """What is kept of one tenant."""

    full_us: dict[str, int] = field(default_factory=dict)
    backlog: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Door → (bytes, until when they count)."""
    stored: dict[int, int] = field(default_factory=dict)
    days: dict[int, dict[str, int]] = field(default_factory=dict)

    def debts_us(self, now_us: int) -> dict[str, int]:
        """Give what is missing in each bucket."""
        return {rule: full_us - now_us for rule, full_us in self.full_us.items() if full_us > now_us}

    def backlog_bytes(self, now_us: int, but: str = "") -> int:
        """Add up what doors have told, all but one."""
        return sum(
            size for door, (size, until_us) in self.backlog.items() if door != but and until_us > now_us
        )

    def take(self, charge: Charge, door: str, now_us: int) -> None:
        """Take in what a door tells."""
        debts_us = self.debts_us(now_us)
        for rule, taken_us in charge.taken_us.items():
            self.full_us[rule] = now_us + debts_us.get(rule, 0) + taken_us
        self.backlog[door] = charge.backlog_bytes, now_us + BACKLOG_TTL_MS * 1_000
        if charge.counts:
            today = now_us // DAY_US
            counters = self.days.setdefault(today, defaultdict(int))
            for name, amount in charge.counts.items():
                counters[name] += amount
            self.days = {day: found for day, found in self.days.items() if day > today - DAYS_KEPT}


class MemoryBudgets(TenantBudgets):
    """The budgets' part of the memory stream."""

    accounts: dict[str, Account]
    _time_us: Callable[[], int]

    @abstractmethod
    def shard(self, number: int) -> Shard:
        """Give a shard; `StreamUnavailable` while the server is gone."""

    def _account(self, tenant: str) -> Account:
        self.shard(0)
        return self.accounts.get(tenant, Account())

    async def charge(self, door: str, charges: Sequence[Charge]) -> list[Standing]:
        """Tell what was taken; one answer for each, in order."""
        self.shard(0)
        return [self._charge(door, each) for each in charges]

    def _charge(self, door: str, charge: Charge) -> Standing:
        account = self.accounts.get(charge.tenant, Account())
        if any((*charge.taken_us.values(), *charge.counts.values(), charge.backlog_bytes)):
            self.accounts[charge.tenant] = account  # One that says nothing leaves no trace.
        now_us = self._time_us()
        account.take(charge, door, now_us)
        debts_us = account.debts_us(now_us)
        return Standing(
            {rule: debts_us.get(rule, 0) for rule in charge.taken_us},
            account.backlog_bytes(now_us, but=door),
            sum(account.stored.values()),
        )

    async def read_spent(self, tenant: str) -> Spent:
        """Read what is known of a tenant."""
        account, now_us = self._account(tenant), self._time_us()
        days = {day: dict(counters) for day, counters in account.days.items()}
        stored_bytes = sum(account.stored.values())
        return Spent(account.debts_us(now_us), days, account.backlog_bytes(now_us), stored_bytes)

    async def tell_stored(self, tenant: str, shard: int, stored_bytes: int) -> None:
        """Say what the blocks of a tenant's series in a shard take in the store."""
        self.shard(0)
        self.accounts.setdefault(tenant, Account()).stored[shard] = stored_bytes
