"""What waits for the writers, as one door knows it."""

from api.limits.backlogs import STEP_US, Backlog


def test_what_is_applied_waits_no_more():
    """Each shard by itself, up to the position that was applied."""
    backlog = Backlog()
    for position in (1, STEP_US + 1, 3 * STEP_US):
        backlog.add(7, position, 100)
    backlog.add(8, 5, 30)
    assert (330, {7, 8}) == (backlog.total_bytes, backlog.shards)

    backlog.settle({7: STEP_US + 1, 8: 4})

    assert (130, {7, 8}) == (backlog.total_bytes, backlog.shards)
    backlog.settle({7: 10 * STEP_US, 8: 10 * STEP_US, 9: 1})
    assert (0, set(), False) == (backlog.total_bytes, backlog.shards, bool(backlog))


def test_a_step_is_let_go_when_all_of_it_is_applied():
    """Entries of a quarter of a second are one number: it waits until the last of them is applied."""
    backlog = Backlog()
    for position in range(1_000, 2_000):
        backlog.add(1, position, 1)

    backlog.settle({1: 1_998})
    assert 1_000 == backlog.total_bytes
    backlog.settle({1: 1_999})
    assert 0 == backlog.total_bytes


def test_a_long_backlog_takes_little_room():
    """A million entries of a minute are 240 numbers."""
    backlog = Backlog()
    for number in range(100_000):
        backlog.add(1, number * 600, 1)

    assert (100_000, True) == (backlog.total_bytes, len(backlog._waiting[1]) <= 241)
