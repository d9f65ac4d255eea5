"""How long a turn of the writer lasts (design 3.6)."""

from __future__ import annotations

TAU_S_MIN = 0.2
"""A turn at least this long lets requests gather; shorter ones store more, smaller deltas."""

TAU_S_MAX = 60.0
"""A turn at most this long bounds lag; a store that needs more is too slow for its series."""

INSERTS_PER_S_MIN = 1_000.0
"""Below it large deltas make a turn long, not many; to wait for more of them would not make it shorter."""


def tau_s(series: int, inserts_per_s: float) -> float:
    """Give the length of a turn: what half of the writer's speed needs for this many series."""
    speed = max(inserts_per_s, INSERTS_PER_S_MIN) / 2
    return min(max(series / speed, TAU_S_MIN), TAU_S_MAX)
