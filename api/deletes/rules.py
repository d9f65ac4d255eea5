"""What a tenant's policy asks of a delete, beside its range (MS-52, design 7)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from api.reading.tails import FreshTail, fetch_tail
from runtime.ports import Ports
from schemas import codes
from schemas.durations import DAY_MS, HOUR_MS
from schemas.errors import Conflict, Invalid, Problem, Quota, TooMany, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.policies import Profile
from schemas.queries import TimeRange
from schemas.times import format_time
from storage import delete_days
from storage.delete_days import Slot
from storage.spans import Wanted
from storage.taking import newest_submission
from streams.shards import shard_of

DAY_RULE = "deletes-per-day"
"""Names the limit of MS-52 in the headers of an answer."""

RETRY_AFTER_S = 2
"""The tail of a series that is too long to be looked through is stored after another turn."""

_NO_LETTER = re.compile(r"[^a-z]")
_DRY_RUNS = frozenset({"dryrun", "preview", "simulate"})
_YOUNG = (
    "Records of the range, or stored together with some of it, were submitted less than {age} ago; "
    "come again after {time}."
)


class DeleteRules:
    """The rules that ask the store or the catalogue."""

    def __init__(self, ports: Ports) -> None:
        """Keep nothing: what a day has taken stands in the catalogue."""
        self._ports = ports

    async def tail(self, series: SeriesId) -> FreshTail:
        """Fetch what of a series is not stored yet."""
        shard = shard_of(series.tenant, series.asset, self._ports.policy.shards)
        return await fetch_tail(self._ports.stream, shard, series)

    async def demand_age(self, series: SeriesId, reach: TimeRange, profile: Profile, now_ms: int) -> None:
        """Raise Conflict where something in the range was submitted too short a time ago (MS-52)."""
        age_ms = profile.delete_age_ms_min
        if age_ms is None:
            return
        tail = await self.tail(series)
        if not tail.complete:
            raise Unavailable("The newest records of the series are not readable yet.", RETRY_AFTER_S)
        newest = await newest_submission(self._ports.series, series, Wanted(*reach), tail.changes)
        if newest is not None and newest // 1000 > now_ms - age_ms:
            time = format_time(newest // 1000 + age_ms)
            raise Conflict(_YOUNG.format(age=_in_words(age_ms), time=time))

    @asynccontextmanager
    async def counted(
        self, tenant: TenantId, profile: Profile, now_ms: int, key: str | None
    ) -> AsyncIterator[None]:
        """Count a delete of the day while it is asked for; TooMany where there are as many as may be (MS-52).

        One that is refused, or of which nobody knows whether it was taken, counts no more.
        """
        most, catalog = profile.deletes_per_day_max, self._ports.catalog
        if most is None:
            yield
            return
        slot = await delete_days.take(catalog, tenant, now_ms, most, key)
        if slot is Slot.NONE_LEFT:
            raise _day_is_full(most, now_ms)
        try:
            yield
        except BaseException:
            if slot is Slot.TAKEN:
                await delete_days.give_back(catalog, tenant, now_ms, key)
            raise

    async def refusal(self, series: SeriesId, reach: TimeRange, profile: Profile, now_ms: int) -> str:
        """Say why a delete would be refused now; empty where it would not be."""
        try:
            await self.demand_age(series, reach, profile, now_ms)
        except Conflict as refused:
            return refused.message
        most = profile.deletes_per_day_max
        if most is not None and await delete_days.is_full(self._ports.catalog, series.tenant, now_ms, most):
            return _day_is_full(most, now_ms).message
        return ""


def demand_no_dry_run(names: Iterable[str], preview: str) -> None:
    """Raise Invalid where a DELETE is asked not to delete: its unknown parameters are passed over (8.22)."""
    for name in names:
        if _NO_LETTER.sub("", name.lower()) in _DRY_RUNS:
            message = f"{name[:32]} is not known here, and this DELETE deletes; ask GET {preview}."
            raise Invalid([Problem(f"/{name[:32]}", codes.INVALID_PARAMETER, message)])


def _in_words(duration_ms: int) -> str:
    days, rest = divmod(duration_ms, DAY_MS)
    return f"{-(-duration_ms // HOUR_MS)} hours" if rest else f"{days} days"


def _day_is_full(most: int, now_ms: int) -> TooMany:
    wait_s = delete_days.resets_in_s(now_ms)
    times = "delete" if most == 1 else "deletes"
    message = f"The tenant has {most} {times} a day, and they are used; the next UTC day brings more."
    return TooMany(message, wait_s, Quota(DAY_RULE, most, most, wait_s))
