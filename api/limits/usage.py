"""What a tenant uses of what it may: limits as they stand, and counters by day (design 7, 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from api.catalog.series_count import count_series
from api.files.room import RULE as FILES
from schemas.budgets import BACKLOG, COUNTED, SERIES, STORED, budgets_of, seconds_of
from schemas.durations import DAY_MS
from schemas.ids import TenantId
from schemas.times import format_time
from streams.budgets import Spent

if TYPE_CHECKING:
    from api.services import Services


class LimitOut(msgspec.Struct):
    """One limit of a tenant."""

    rule: str
    """As in the header `Quota-Rule`."""
    limit: int | None
    """In the unit of the rule; null: no such limit."""
    used: int
    reset: int | None
    """Seconds until nothing is used, if nothing more comes; null where no time gives it back."""


class DayOut(msgspec.Struct):
    """What was done in one day."""

    day: str
    """Begins at midnight UTC."""
    requests: int
    """With a token of the tenant, refused ones too but those that were one too many."""
    records: int
    """Written."""
    bytes: int
    """Of the bodies that brought them."""


class UsageOut(msgspec.Struct):
    """What a tenant uses."""

    policy: str
    """The name of its limits."""
    limits: list[LimitOut]
    days: list[DayOut]
    """Newest first, today's included: the last 32 days on which something came."""


async def read_usage(services: Services, tenant: TenantId) -> UsageOut:
    """Read what a tenant uses, what came to this door a moment ago included; NotFound for an unknown one.

    What came to other doors within the last five seconds may be missing.
    """
    profile = services.index.profile_of(tenant)
    await services.quotas.charge_one(tenant)
    spent = await services.ports.stream.read_spent(tenant)
    budgets = budgets_of(profile)
    limits = [
        LimitOut(rule, budget.burst, budget.amount(debt_us), seconds_of(debt_us))
        for rule, budget in budgets.items()
        for debt_us in (spent.debts_us.get(rule, 0),)
    ]
    lasting = (
        (BACKLOG, profile.backlog_bytes_max, spent.backlog_bytes),
        (SERIES, profile.series_max, count_series(services.index.of(tenant))),
        (STORED, profile.stored_bytes_max, spent.stored_bytes),
        (FILES, profile.files_bytes_max, await services.files.stored_bytes(tenant)),
    )
    limits += [LimitOut(rule, limit, used, None) for rule, limit, used in lasting]
    return UsageOut(profile.name, limits, _days(spent))


def _days(spent: Spent) -> list[DayOut]:
    return [
        DayOut(format_time(day * DAY_MS)[:10], *(counters.get(name, 0) for name in COUNTED))
        for day, counters in sorted(spent.days.items(), reverse=True)
    ]
