"""Buckets in whole microseconds, turns of refused callers, policies that contradict themselves (design 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.budgets import (
    BYTES,
    CATCH_UP,
    RECORDS,
    REQUESTS,
    SPREAD_US_MAX,
    Bucket,
    Budget,
    Turns,
    budgets_of,
    check_policy,
    worst,
)
from schemas.errors import Quota
from schemas.limits import MB
from schemas.policies import OPEN, STRICT, Policy

NOW_US = 1_767_225_600_000_000
SECOND_US = 1_000_000


def test_a_bucket_gives_its_burst_and_then_its_rate():
    """Ten at once, then two a second; more is possible after exactly the time in which it flows back."""
    bucket = Bucket(Budget(2, 10))
    for _ in range(10):
        assert 0 == bucket.wait_us(1, NOW_US)
        bucket.take(1, NOW_US)

    assert SECOND_US // 2 == bucket.wait_us(1, NOW_US)
    assert 1 == bucket.wait_us(1, NOW_US + SECOND_US // 2 - 1)
    assert 0 == bucket.wait_us(1, NOW_US + SECOND_US // 2)
    assert Quota("x", 10, 10, 5) == bucket.quota("x", NOW_US)
    assert Quota("x", 10, 1, 1) == bucket.quota("x", NOW_US + 9 * SECOND_US // 2)


def test_more_than_the_burst_needs_a_full_bucket():
    """A body above the burst is taken by a full bucket, and what comes next waits the longer."""
    bucket = Bucket(Budget(100, 100))
    assert 0 == bucket.wait_us(250, NOW_US)
    bucket.take(250, NOW_US)

    assert 2.5 * SECOND_US == bucket.debt_us(NOW_US)
    assert 2.5 * SECOND_US == bucket.wait_us(250, NOW_US)
    assert 100 == bucket.quota("x", NOW_US).used


def test_what_is_given_back_was_never_taken():
    """A write that the stream refused leaves the bucket as it was."""
    bucket = Bucket(Budget(10, 10))
    bucket.take(7, NOW_US)
    bucket.give_back(7)

    assert (0, 0) == (bucket.debt_us(NOW_US), bucket.begin_telling())


def test_a_charge_brings_what_other_doors_took():
    """What was taken here while the charge was under way stays taken on top."""
    bucket = Bucket(Budget(10, 10))
    bucket.take(3, NOW_US)
    assert 300_000 == bucket.begin_telling()
    bucket.take(2, NOW_US)

    bucket.learn(800_000, NOW_US)  # 3 here and 5 elsewhere

    assert Quota("x", 10, 10, 1) == bucket.quota("x", NOW_US)
    assert 200_000 == bucket.begin_telling()


def test_a_charge_that_failed_is_told_again():
    """Nothing that was taken is forgotten while the stream server is gone."""
    bucket = Bucket(Budget(10, 10))
    bucket.take(3, NOW_US)
    bucket.begin_telling()
    bucket.take(1, NOW_US)

    bucket.tell_again()

    assert 400_000 == bucket.begin_telling()


@given(
    st.floats(0.1, 1e9),
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(1, 1_000), st.integers(0, 10**7))),
)
def test_no_more_is_given_than_burst_and_rate(per_s, burst, steps):
    """Whatever comes whenever: what was taken by a time is at most burst and rate allow, rounded up."""
    bucket, now_us, taken = Bucket(Budget(per_s, burst)), NOW_US, 0
    for amount, pause_us in steps:
        now_us += pause_us
        if bucket.wait_us(amount, now_us) == 0:
            bucket.take(amount, now_us)
            taken += amount
            allowed = max(burst, 1_000) + per_s * (now_us - NOW_US) / 1e6
            assert taken <= allowed + len(steps) * (1 + per_s / 1e6)


def test_refused_callers_come_one_after_the_other():
    """Five callers who all could come in a second are told one moment each, as the rate allows (MS-89)."""
    turns = Turns()

    waits_us = [turns.promise_us(SECOND_US, SECOND_US // 2, NOW_US) for _ in range(5)]

    assert [1_000_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000] == waits_us


def test_nobody_waits_much_longer_than_he_must():
    """Beyond ten seconds the row begins anew, so one who asks too often makes nobody wait for long."""
    turns = Turns()

    waits_us = [turns.promise_us(SECOND_US, 3 * SECOND_US, NOW_US) for _ in range(50)]

    assert max(waits_us) <= SECOND_US + SPREAD_US_MAX
    assert len(set(waits_us)) > 3
    assert SECOND_US == turns.promise_us(SECOND_US, 1, NOW_US + 100 * SECOND_US)


def test_the_nearest_limit_is_the_one_of_which_most_is_used():
    """By share, not by number; a limit of 0 is used up by anything."""
    assert worst([]) is None
    assert "b" == worst([Quota("a", 1_000, 100, 1), Quota("b", 10, 5, 1)]).rule
    assert "c" == worst([Quota("b", 10, 5, 1), Quota("c", 0, 1, 1)]).rule


def test_budgets_of_a_policy():
    """A rule without a rate has none; one without a burst has ten seconds of its rate (MS-23)."""
    policy = Policy(name="gold", requests_per_s=0.05, records_per_s=100, bytes_per_s=3, burst_bytes=7)

    assert {REQUESTS: (0.05, 1), RECORDS: (100, 1_000), BYTES: (3, 7)} == budgets_of(policy)
    assert {CATCH_UP: (5, 50)} == budgets_of(Policy(name="gold", catch_up_bytes_per_s=5))
    assert {} == budgets_of(OPEN) == budgets_of(STRICT)


CONTRADICTIONS = [
    ({"requests_burst": 5}, ["/requestsBurst"]),
    ({"records_burst": 5, "burst_bytes": 5, "catch_up_burst_bytes": 5},
     ["/recordsBurst", "/burstBytes", "/catchUpBurstBytes"]),
    ({"records_per_s": 0.001, "records_burst": 1_000_000}, ["/recordsBurst"]),
    ({"series_rate_bytes_per_s": 5}, ["/seriesBurstBytes"]),
    ({"series_burst_bytes": MB}, ["/seriesBurstBytes"]),
    ({"series_catch_up_burst_bytes": MB}, ["/seriesCatchUpBurstBytes"]),
    ({"series_rate_bytes_per_s": 5, "series_burst_bytes": MB - 1}, ["/seriesBurstBytes"]),
    ({"series_rate_bytes_per_s": 5, "series_burst_bytes": MB, "series_catch_up_burst_bytes": MB}, []),
    ({"requests_per_s": 5, "requests_burst": 1}, []),
]  # fmt: skip


@pytest.mark.parametrize(("members", "pointers"), CONTRADICTIONS)
def test_a_policy_that_contradicts_itself(members, pointers):
    """Each problem names the member that is to be changed."""
    assert pointers == [problem.pointer for problem in check_policy(Policy(name="gold", **members))]


@pytest.mark.parametrize("built_in", [OPEN, STRICT])
def test_the_built_in_policies_do_not(built_in):
    """They pass the check that own ones must pass."""
    assert [] == check_policy(built_in)
