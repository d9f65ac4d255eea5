"""What one tenant has spent at this door, and may spend: judged by what is known here, told afterwards.

Times are given, in microseconds of the door's clock. `api.limits.quotas` tells the stream server, and when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from api.limits.backlogs import Backlog
from schemas.budgets import (
    BACKLOG,
    BYTES,
    CATCH_UP,
    RECORDS,
    REQUESTS,
    STORED,
    Bucket,
    Turns,
    budgets_of,
    seconds_of,
    worst,
)
from schemas.errors import Quota, TooMany
from schemas.ids import TenantId
from schemas.policies import Profile
from streams.budgets import Charge, Standing

CHARGE_S: Final = 1.0
"""A tenant with limits is charged at least so often while it does something …"""

CHARGE_SHARE: Final = 16
"""… and at once when this part of a burst was taken: about what each door may give too much."""

COUNT_S: Final = 5.0
"""A tenant without limits is only counted."""

IDLE_S: Final = 600.0
"""What nobody used for so long is let go: the stream server knows it."""

RETRY_AFTER_S: Final = 2
"""Writers bring a backlog down within about this long."""

STORED_RETRY_AFTER_S: Final = 3_600
"""Room comes back when retention or somebody makes it."""

HELD_AFTER: Final = 100
"""Refusals of a tenant within a second that are answered at once; whoever gets more does not read them."""

HOLD_S: Final = 0.5
"""How long each further answer is held back, so that a connection that hammers does so twice a second."""


class Spending:
    """One tenant at this door."""

    __slots__ = (
        "_backlog", "_buckets", "_charged_us", "_has_rooms", "_held_second", "_late", "_live", "_refused",
        "_request", "_standing", "_tenant", "_turns", "_used_us", "body_bytes", "is_limited", "profile",
        "records", "requests",
    )  # fmt: skip

    def __init__(self, tenant: TenantId, profile: Profile, now_us: int) -> None:
        """Know of nothing that was taken."""
        self._tenant = tenant
        self._buckets: dict[str, Bucket] = {}
        self._backlog = Backlog()
        self._standing = Standing({}, 0, 0)
        self._turns = Turns()
        self._refused = self._held_second = 0
        self._used_us = now_us
        self.requests = self.records = self.body_bytes = 0
        """Counted since the last charge, whatever the limits are."""
        self.change(profile)

    def change(self, profile: Profile) -> None:
        """Go on under other limits; what was taken stays taken."""
        self.profile = profile
        self._charged_us = 0  # Ask soon: other doors may have taken of what is new here.
        old, self._buckets = self._buckets, {}
        for rule, budget in budgets_of(profile).items():
            bucket = self._buckets[rule] = Bucket(budget)
            if rule in old:
                bucket.full_us, bucket.untold_us = old[rule].full_us, old[rule].untold_us
        self._request = self._buckets.get(REQUESTS)
        self._live = tuple((rule, self._buckets[rule]) for rule in (RECORDS, BYTES) if rule in self._buckets)
        # What catches up pays in its own lane, if there is one.
        self._late = ((CATCH_UP, self._buckets[CATCH_UP]),) if CATCH_UP in self._buckets else self._live
        self._has_rooms = profile.backlog_bytes_max is not None or profile.stored_bytes_max is not None
        self.is_limited = self._has_rooms or bool(self._buckets)
        """Whether anything must be known of other doors."""

    # -- judging -------------------------------------------------------------------------------

    def take_request(self, now_us: int) -> None:
        """Count a request; TooMany if the tenant has had its requests."""
        self._used_us = now_us
        if self._request is not None:
            self._demand(REQUESTS, self._request, 1, now_us)
            self._request.take(1, now_us)
        self.requests += 1

    def look_ahead(self, body_bytes: int, now_us: int, *, late: bool) -> None:
        """Raise TooMany if a body of this size would be refused whatever is in it; takes nothing."""
        for rule, bucket in self._late if late else self._live:
            self._demand(rule, bucket, 1 if rule is RECORDS else body_bytes, now_us)

    def take_write(self, records: int, body_bytes: int, now_us: int, *, late: bool) -> None:
        """Count records that are about to be appended; TooMany, and nothing counted, if they may not be."""
        if self._has_rooms:
            self._demand_room(now_us)
        buckets = self._late if late else self._live
        for rule, bucket in buckets:
            self._demand(rule, bucket, records if rule is RECORDS else body_bytes, now_us)
        for rule, bucket in buckets:
            bucket.take(records if rule is RECORDS else body_bytes, now_us)
        self.count_write(records, body_bytes)

    def count_write(self, records: int, body_bytes: int) -> None:
        """Count records that no limit keeps back."""
        self.records += records
        self.body_bytes += body_bytes

    def give_back(self, records: int, body_bytes: int, *, late: bool) -> None:
        """Undo `take_write` for records that were not appended, or had been before."""
        for rule, bucket in self._late if late else self._live:
            bucket.give_back(records if rule is RECORDS else body_bytes)
        self.records -= records
        self.body_bytes -= body_bytes

    def note_admitted(self, shard: int, position: int, entry_bytes: int) -> None:
        """Take in what waits to be applied now."""
        if self.profile.backlog_bytes_max is not None:
            self._backlog.add(shard, position, entry_bytes)

    def _demand(self, rule: str, bucket: Bucket, amount: int, now_us: int) -> None:
        wait_us = bucket.wait_us(amount, now_us)
        if wait_us:
            wait_us = self._turns.promise_us(wait_us, bucket.budget.time_us(amount), now_us)
            raise self._refusal(bucket.quota(rule, now_us), max(seconds_of(wait_us), 1), now_us)

    def _demand_room(self, now_us: int) -> None:
        for quota in self._rooms():
            if quota.used >= quota.limit:
                self._charged_us = 0  # Look again soon.
                raise self._refusal(quota, quota.reset_s, now_us)

    def _rooms(self) -> Iterable[Quota]:
        """Give the limits that no time gives back; their reset is when who is refused may come again."""
        profile, standing = self.profile, self._standing
        if profile.backlog_bytes_max is not None:
            used = self._backlog.total_bytes + standing.backlog_bytes
            yield Quota(BACKLOG, profile.backlog_bytes_max, used, RETRY_AFTER_S)
        if profile.stored_bytes_max is not None:
            yield Quota(STORED, profile.stored_bytes_max, standing.stored_bytes, STORED_RETRY_AFTER_S)

    def _refusal(self, quota: Quota, retry_after_s: int, now_us: int) -> TooMany:
        message = f"The tenant's limit of {quota.rule} is used up; come again after Retry-After."
        refusal = TooMany(message, retry_after_s, quota)
        if self._held_second != now_us // 1_000_000:
            self._held_second, self._refused = now_us // 1_000_000, 0
        self._refused += 1
        refusal.hold_s = HOLD_S if self._refused > HELD_AFTER else 0.0
        return refusal

    # -- telling -------------------------------------------------------------------------------

    def nearest(self, now_us: int) -> Quota | None:
        """Give the limit of which most is used, as far as this door knows; None where there is none."""
        rule, found, most = "", None, -1.0
        for each, bucket in self._buckets.items():
            share = bucket.share(now_us)
            if share > most:
                rule, found, most = each, bucket, share
        quota = None if found is None else found.quota(rule, now_us)
        if not self._has_rooms:
            return quota
        rooms = list(self._rooms())
        return worst(rooms if quota is None else [quota, *rooms])

    def is_due(self, now_us: int) -> bool:
        """Tell whether there is something to be told, or asked, now."""
        since_us = now_us - self._charged_us
        if not self.is_limited:
            return since_us >= COUNT_S * 1_000_000 and self._has_counted
        if since_us >= CHARGE_S * 1_000_000:
            return bool(self._used_us > self._charged_us or self._has_counted or self._backlog)
        return any(bucket.untold_us * CHARGE_SHARE > bucket.burst_us for bucket in self._buckets.values())

    def is_idle(self, now_us: int) -> bool:
        """Tell whether it can be let go."""
        return now_us - self._used_us > IDLE_S * 1_000_000 and not self._has_counted

    @property
    def _has_counted(self) -> bool:
        return bool(self.requests or self.records or self.body_bytes)

    @property
    def waiting_shards(self) -> set[int]:
        """The shards in which something waits to be applied."""
        return self._backlog.shards

    def begin_charge(self, applied: Mapping[int, int], now_us: int) -> Charge:
        """Give what is to be told."""
        self._backlog.settle(applied)
        self._charged_us = now_us
        counts = {REQUESTS: self.requests, RECORDS: self.records, BYTES: self.body_bytes}
        self.requests = self.records = self.body_bytes = 0
        taken_us = {rule: bucket.begin_telling() for rule, bucket in self._buckets.items()}
        told = {name: count for name, count in counts.items() if count}
        return Charge(self._tenant, taken_us, told, self._backlog.total_bytes)

    def end_charge(self, charge: Charge, standing: Standing | None, now_us: int) -> None:
        """Take in the answer; None: there was none, and it is told again."""
        if standing is None:
            self.requests += charge.counts.get(REQUESTS, 0)
            self.records += charge.counts.get(RECORDS, 0)
            self.body_bytes += charge.counts.get(BYTES, 0)
            for bucket in self._buckets.values():
                bucket.tell_again()
            return
        self._standing = standing
        for rule, debt_us in standing.debts_us.items():
            if rule in self._buckets:
                self._buckets[rule].learn(debt_us, now_us)
