"""When a shard is trimmed (design 3.6)."""

from workers.trims import KEPT_BYTES_MAX, Trims


def test_nothing_is_trimmed_before_its_time_and_many_turns_are_trimmed_at_once():
    """Applied entries stay for the delay, and for a twelfth of it more at the most."""
    trims = Trims(60.0)
    for turn in range(100):
        trims.note(8, turn, 100, 1_000.0)
    for turn in range(100):
        trims.note(7, turn, 100, 1_000.0 + turn / 10)

    found = [(now_s, due) for now_s in range(1_055, 1_080) if (due := trims.due(float(now_s)))]

    assert [(1_060, {7: 0, 8: 99}), (1_065, {7: 50}), (1_070, {7: 99})] == found
    assert {} == trims.due(2_000.0)


def test_without_a_delay_a_turn_is_trimmed_at_once():
    """What tests and drills ask for."""
    trims = Trims(0.0)
    trims.note(7, 1, 100, 5.0)
    trims.note(7, 2, 100, 5.0)

    assert {7: 2} == trims.due(5.0)


def test_much_is_trimmed_before_its_time_the_oldest_first():
    """The stream server holds so many bytes of what the store has, whatever the rate (design 3.6)."""
    trims = Trims(60.0)
    piece = KEPT_BYTES_MAX // 12
    for turn in range(1, 25):
        trims.note(turn % 2, turn, piece, 1_000.0)

    assert {0: 12, 1: 11} == trims.due(1_000.0)
    assert {} == trims.due(1_000.0)
    assert {0: 24, 1: 23} == trims.due(1_065.0)
