"""What a rule of retention refuses and what it lets be taken (design 4.13)."""

from __future__ import annotations

import pytest

from schemas.durations import DAY_MS
from schemas.retention import KEEP_ALL, MARGIN_MS, Rule

NOW_MS = 1_767_225_600_000


def test_without_a_rule_everything_lives():
    """Nothing is refused, nothing taken."""
    assert KEEP_ALL.live_from_ms(NOW_MS) is None
    assert KEEP_ALL.taken_before_ms(NOW_MS) is None


@pytest.mark.parametrize("behind_ms", [0, MARGIN_MS // 2, MARGIN_MS])
def test_what_is_taken_lies_a_day_behind_what_is_refused(behind_ms):
    """What was admitted after the applied time lives, also by a clock or a check up to a day behind."""
    rule = Rule(10, NOW_MS - 30 * DAY_MS)
    earliest = rule.live_from_ms(NOW_MS - behind_ms)
    taken = rule.taken_before_ms(NOW_MS)

    assert NOW_MS - 10 * DAY_MS - behind_ms == earliest
    assert taken == NOW_MS - 11 * DAY_MS <= earliest


def test_a_rule_takes_nothing_in_its_first_day():
    """Doors may still admit by the one before it."""
    rule = KEEP_ALL.changed(10, NOW_MS)

    assert rule.taken_before_ms(NOW_MS + DAY_MS - 1) is None
    assert NOW_MS - 10 * DAY_MS == rule.taken_before_ms(NOW_MS + DAY_MS)


@pytest.mark.parametrize("days", [0, 11, 400])
def test_what_a_rule_may_have_taken_stays_closed(days):
    """A longer rule, or none, opens nothing before the horizon of the one before."""
    rule = Rule(10, 0).changed(days, NOW_MS)
    horizon_ms = NOW_MS - 10 * DAY_MS

    assert horizon_ms == rule.live_from_ms(NOW_MS)
    later_ms = NOW_MS + 800 * DAY_MS
    assert (later_ms - days * DAY_MS if days else horizon_ms) == rule.live_from_ms(later_ms)
    assert horizon_ms == rule.changed(500, NOW_MS + DAY_MS).live_from_ms(NOW_MS + DAY_MS)
