"""Tenants' budgets on a Valkey or Redis server: one script takes in a charge, plain commands read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import cast

from schemas.durations import DAY_MS
from streams.budgets import BACKLOG_TTL_MS, DAYS_KEPT, Charge, Spent, Standing, TenantBudgets
from streams.valkey import scripts
from streams.valkey.connection import Reply, pack

SILENT_TTL_MS = (DAYS_KEPT + 1) * DAY_MS
"""How long a tenant is remembered that says nothing."""


class ValkeyBudgets(TenantBudgets):
    """The budgets' part of the stream port on a server; all keys of a tenant have its name as hash tag."""

    @abstractmethod
    async def _ask(self, *commands: bytes) -> list[Reply]:
        """Send commands together and give their replies."""

    async def charge(self, door: str, charges: Sequence[Charge]) -> list[Standing]:
        """Tell what was taken, in one round trip; one answer for each, in order."""
        if not charges:
            return []
        replies = await self._ask(*(_charge(door, each) for each in charges))
        return [
            _standing(each, cast("list[int]", reply)) for each, reply in zip(charges, replies, strict=True)
        ]

    async def read_spent(self, tenant: str) -> Spent:
        """Read what is known of a tenant."""
        account, counters, _ = _keys(tenant)
        replies = await self._ask(pack("TIME"), pack("HGETALL", account), pack("HGETALL", counters))
        seconds, micros = cast("list[bytes]", replies[0])
        now_us = int(seconds) * 1_000_000 + int(micros)
        known = _pairs(replies[1])
        full_us = {
            name.removeprefix("full:"): int(text) for name, text in known.items() if name[:5] == "full:"
        }
        days: dict[int, dict[str, int]] = {}
        for name, text in _pairs(replies[2]).items():
            day, _, counter = name.partition(":")
            days.setdefault(int(day), {})[counter] = int(text)
        backlog = [text.split() for name, text in known.items() if name[:5] == "door:"]
        return Spent(
            {rule: at_us - now_us for rule, at_us in full_us.items() if at_us > now_us},
            days,
            sum(int(size) for size, until_us in backlog if int(until_us) > now_us),
            int(known.get("stored", "0")),
        )

    async def tell_stored(self, tenant: str, shard: int, stored_bytes: int) -> None:
        """Say what the blocks of a tenant's series in a shard take in the store."""
        account, _, stored = _keys(tenant)
        await self._ask(scripts.TELL_STORED.call((account, stored), shard, stored_bytes, SILENT_TTL_MS))


def _keys(tenant: str) -> tuple[str, str, str]:
    return f"account:{{{tenant}}}", f"counters:{{{tenant}}}", f"stored:{{{tenant}}}"


def _charge(door: str, charge: Charge) -> bytes:
    taken = (word for pair in charge.taken_us.items() for word in pair)
    counts = (word for pair in charge.counts.items() for word in pair)
    head = (door, charge.backlog_bytes, BACKLOG_TTL_MS, DAYS_KEPT, SILENT_TTL_MS, len(charge.taken_us))
    return scripts.CHARGE.call(_keys(charge.tenant)[:2], *head, *taken, *counts)


def _standing(charge: Charge, reply: Sequence[int]) -> Standing:
    backlog_bytes, stored_bytes, *debts_us = reply
    return Standing(dict(zip(charge.taken_us, debts_us, strict=True)), backlog_bytes, stored_bytes)


def _pairs(reply: Reply) -> dict[str, str]:
    words = iter(word.decode() for word in cast("list[bytes]", reply))
    return dict(zip(words, words, strict=True))
