"""What is not the same for every tenant: limits as policies, and the two built-in profiles (design 7)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.durations import DAY_MS, HOUR_MS, MINUTE_MS, YEAR_MS
from schemas.limits import (
    BULK_BYTES_MAX,
    COUNT_MAX,
    KB,
    MB,
    NUMBER_MAX,
    PER_S_MAX,
    RECORD_AHEAD_MS_MAX,
    UNDO_DAYS_MAX,
)
from schemas.retention import KEEP_ALL, Rule

Natural = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)]
PerS = Annotated[float, msgspec.Meta(gt=0, le=PER_S_MAX)]
PolicyName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,31}$")]


class Policy(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is not the same for every tenant (design 7), as the catalogue keeps it.

    None means: no such limit. What is left out is as in `open`.
    """

    name: PolicyName
    record_age_ms_max: Positive | None = None
    """PUT: how old a record may be (MS-27); without it anything from 1970 on is taken."""
    record_ahead_ms_max: Natural = RECORD_AHEAD_MS_MAX
    patch_age_ms_max: Positive | None = None
    """PATCH: how old a record may be (wire 1.4); with a limit none may lie in the future either."""
    bulk_age_ms_min: Natural | None = None
    """Bulk import: how old a record must be (MS-83)."""
    series_rate_bytes_per_s: Positive | None = None  # MS-23
    series_burst_bytes: Positive | None = None
    series_catch_up_burst_bytes: Positive | None = None
    """What a series may send at once in the catch-up lane; its rate is the same, from a bucket of its own."""
    newest_lookback_ms_max: Positive | None = None
    """A read without range: how far back the newest record is looked for (MS-43)."""
    latest_lookback_ms_max: Positive | None = None
    """`latestValue`: from how far back … (MS-44)."""
    latest_delay_ms: Natural = 0
    """… to how long ago values count."""
    latest_all_types: bool = True
    """`latestValue` also for STRING, BIG_STRING and TIMESTAMP, which the dialect leaves out (MS-44)."""
    raw_range_ms_max: Positive | None = None  # MS-47
    aggregate_range_day_ms_max: Positive | None = None  # units day, week, month
    aggregate_range_hour_ms_max: Positive | None = None
    aggregate_range_minute_ms_max: Positive | None = None
    aggregate_intervals_max: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] = COUNT_MAX
    """Intervals an answer: bounds the memory of a read over any range."""
    delete_alignment_ms: Positive | None = None  # MS-51
    delete_range_ms_max: Positive | None = None  # MS-51
    delete_age_ms_min: Natural | None = None
    """Since submission, not by the record's time (MS-52)."""
    deletes_per_day_max: Natural | None = None  # MS-52
    bulk_bytes_max: Positive | None = None
    """Bulk import: bytes of all files of a job (MS-81)."""
    bulk_day: bool = False
    """Bulk import: the records of a file ascend, and those of a job are of one day of UTC (MS-81)."""
    jobs_running_max: Positive | None = None
    """Imports and other jobs at work at the same time (SM-14); None: `JOBS_RUNNING_DEFAULT`."""
    undo_days: Annotated[int, msgspec.Meta(ge=0, le=UNDO_DAYS_MAX)] | None = None
    """How long a delete can be undone (design 4.14); 0: not at all; None: what the installation says."""
    requests_per_s: PerS | None = None
    """Requests with a token of the tenant; a budget without a burst has `BURST_S` seconds of its rate."""
    requests_burst: Positive | None = None
    records_per_s: PerS | None = None
    """Records written."""
    records_burst: Positive | None = None
    bytes_per_s: PerS | None = None
    """Bytes of bodies that bring records."""
    burst_bytes: Positive | None = None
    catch_up_bytes_per_s: PerS | None = None
    """The lane beside records and bytes in which a backlog is drained; without it there is no such lane."""
    catch_up_burst_bytes: Positive | None = None
    backlog_bytes_max: Positive | None = None
    """Bytes of entries that are acknowledged and not stored yet."""
    series_max: Natural | None = None
    """Dynamic aspects of all assets that are not deleted."""
    stored_bytes_max: Natural | None = None
    """Bytes that the blocks of series take in the store, when they were last counted."""
    files_bytes_max: Natural | None = None
    """Bytes that the contents of files take where they lie, those of uploads in parts included."""


class Profile(Policy, frozen=True, kw_only=True):
    """A policy as it holds for a tenant."""

    retention: Rule = KEEP_ALL
    """The tenant's retention (design 4.13)."""


OPEN = Profile(name="open")
"""The default: what a self-hosted service can do (design 7)."""

STRICT = Profile(
    name="strict",
    record_age_ms_max=YEAR_MS,
    record_ahead_ms_max=RECORD_AHEAD_MS_MAX,
    patch_age_ms_max=DAY_MS,
    bulk_age_ms_min=30 * MINUTE_MS,
    bulk_bytes_max=BULK_BYTES_MAX,
    bulk_day=True,
    series_rate_bytes_per_s=100 * KB,
    series_burst_bytes=MB,
    series_catch_up_burst_bytes=100 * MB,  # a quarter of an hour at the full rate
    newest_lookback_ms_max=YEAR_MS,  # "12 months"
    latest_lookback_ms_max=31 * DAY_MS,  # "1 month"
    latest_delay_ms=2 * HOUR_MS,
    latest_all_types=False,
    raw_range_ms_max=90 * DAY_MS,
    aggregate_range_day_ms_max=365 * DAY_MS,
    aggregate_range_hour_ms_max=30 * DAY_MS,
    aggregate_range_minute_ms_max=48 * HOUR_MS,
    aggregate_intervals_max=100_000,
    delete_alignment_ms=HOUR_MS,
    delete_range_ms_max=7 * DAY_MS,
    delete_age_ms_min=7 * DAY_MS,
    deletes_per_day_max=1,
)
"""The dialect's own limits, for clients that are tested against them (design 7)."""

PROFILES = {profile.name: profile for profile in (OPEN, STRICT)}

assert OPEN.aggregate_intervals_max == STRICT.aggregate_intervals_max == COUNT_MAX
