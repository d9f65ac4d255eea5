"""When a shard is trimmed (design 3.6)."""

from workers.trims import Trims


def test_nothing_is_trimmed_before_its_time_and_many_turns_are_trimmed_at_once():
    """Applied entries stay for the delay, and for a twelfth of it more at the most."""
    trims = Trims(60.0)
    for turn in range(100):
        trims.note(7, turn, 1_000.0 + turn / 10)
        trims.note(8, turn, 1_000.0)

    found = [(now_s, due) for now_s in range(1_055, 1_080) if (due := trims.due(float(now_s)))]

    assert [(1_060, {7: 0, 8: 99}), (1_065, {7: 50}), (1_070, {7: 99})] == found
    assert {} == trims.due(2_000.0)


def test_without_a_delay_a_turn_is_trimmed_at_once():
    """What tests and drills ask for."""
    trims = Trims(0.0)
    trims.note(7, 1, 5.0)
    trims.note(7, 2, 5.0)

    assert {7: 2} == trims.due(5.0)
