"""Limits and profiles as the design's tables say them."""

from schemas.limits import DAY_MS, HOUR_MS, OPEN, PROFILES, STRICT, Profile


def test_profiles_by_name():
    """There are two built-in profiles (design 7)."""
    assert PROFILES == {"open": OPEN, "strict": STRICT}


def test_strict_bounds_whatever_open_leaves_free():
    """Where `open` has no limit `strict` has one; the rest is the same for both."""
    free = {name for name in Profile.__struct_fields__ if getattr(OPEN, name) is None}
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
