"""Limits and profiles as the design's tables say them."""

from schemas.durations import DAY_MS, HOUR_MS
from schemas.policies import OPEN, PROFILES, STRICT, Profile

OWN_ONLY = {
    "requests_per_s", "requests_burst", "records_per_s", "records_burst", "bytes_per_s", "burst_bytes",
    "catch_up_bytes_per_s", "catch_up_burst_bytes", "backlog_bytes_max", "series_max", "stored_bytes_max",
    "files_bytes_max", "undo_days", "jobs_running_max",
}  # fmt: skip
"""What a policy of one's own can set and neither built-in one does."""


def test_profiles_by_name():
    """There are two built-in profiles (design 7)."""
    assert PROFILES == {"open": OPEN, "strict": STRICT}


def test_strict_bounds_whatever_open_leaves_free():
    """Where `open` has no limit `strict` has one; the rest is the same for both."""
    budgets = {name for name in OWN_ONLY if getattr(OPEN, name) is getattr(STRICT, name) is None}
    assert budgets == OWN_ONLY  # the dialect has none
    free = {name for name in Profile.__struct_fields__ if getattr(OPEN, name) is None} - budgets
    bound = {name for name in Profile.__struct_fields__ if getattr(STRICT, name) is not None}
    assert free < bound
    assert (OPEN.record_ahead_ms_max, STRICT.record_ahead_ms_max) == (31 * DAY_MS, 31 * DAY_MS)
    assert OPEN.aggregate_intervals_max == STRICT.aggregate_intervals_max == 100_000


def test_strict_is_the_dialect():
    """The numbers of the dialect (MS-23, MS-27, MS-43, MS-44, MS-47, MS-51, MS-52)."""
    assert STRICT.record_age_ms_max == 366 * DAY_MS
    assert (STRICT.series_rate_bytes_per_s, STRICT.series_burst_bytes) == (102_400, 1_048_576)
    assert (STRICT.latest_lookback_ms_max, STRICT.latest_delay_ms) == (31 * DAY_MS, 2 * HOUR_MS)
    assert STRICT.raw_range_ms_max == 90 * DAY_MS
    assert (STRICT.delete_alignment_ms, STRICT.delete_range_ms_max) == (HOUR_MS, 7 * DAY_MS)
    assert (STRICT.delete_age_ms_min, STRICT.deletes_per_day_max) == (7 * DAY_MS, 1)
