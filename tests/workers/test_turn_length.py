"""How long a turn collects: long enough for the writer, short enough for its lag (design 3.6)."""

from __future__ import annotations

import pytest

from workers.turn_length import INSERTS_PER_S_MIN, TAU_S_MAX, TAU_S_MIN, tau_s


@pytest.mark.parametrize(
    ("series", "inserts_per_s", "seconds"),
    [
        (0, 2_000.0, TAU_S_MIN),
        (100, 2_000.0, TAU_S_MIN),
        (1_000, 2_000.0, 1.0),
        (1_000, 8_000.0, 0.25),
        (10_000_000, 2_000.0, TAU_S_MAX),
    ],
)
def test_a_turn_lasts_as_long_as_half_of_the_writers_speed_needs(series, inserts_per_s, seconds):
    """Half of the time is left for what comes meanwhile; never below 0.2 s, never above a minute."""
    assert tau_s(series, inserts_per_s) == seconds


def test_large_deltas_do_not_make_turns_of_small_ones_long():
    """A history load brings the average down; a fleet of devices must not wait for it."""
    assert tau_s(1_000, 10.0) == tau_s(1_000, INSERTS_PER_S_MIN) == 2.0
