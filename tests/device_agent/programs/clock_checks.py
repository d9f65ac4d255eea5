"""The clock: guesses that are mended, answers that must agree, steps, and no time given twice (TB-59)."""

import struct

from agent.clock import HELD_AFTER_MS, SANE_MS, Clock, ntp_ms, ntp_request
from agent.frames import HELD, SYNCED, UNSYNCED
from checks import run

PERIOD = 1 << 30


class Ticks:
    """A counter that wraps."""

    def __init__(self, now=PERIOD - 5):
        self.now = now

    def ms(self):
        return self.now % PERIOD

    def diff(self, later, earlier):
        return (later - earlier + PERIOD // 2) % PERIOD - PERIOD // 2


def started(floor_ms=1000):
    ticks = Ticks()
    return ticks, Clock(ticks.ms, ticks.diff, floor_ms)


def check_time_before_the_first_answer_goes_on_from_the_journal():
    """A board without a network counts on from the last time it knows, over a wrap of its counter."""
    ticks, clock = started(1000)
    ticks.now += 500
    assert not clock.is_set() and clock.quality() == UNSYNCED
    assert clock.stamp() == 1502 and clock.up_ms() == 500


def check_the_first_answer_needs_a_second_that_agrees():
    """One wrong answer is not believed; two that agree are."""
    ticks, clock = started()
    assert clock.offer(SANE_MS + 5_000_000, False) is None and not clock.is_set()
    ticks.now += 2000
    assert clock.offer(SANE_MS + 2_000, False) is None and not clock.is_set()
    ticks.now += 2000
    delta_ms = clock.offer(SANE_MS + 4_100, False)
    assert delta_ms is not None and delta_ms % 2 == 0
    assert abs(clock.now_ms() - SANE_MS - 4_100) <= 1 and clock.quality() == SYNCED


def check_the_servers_own_time_is_believed_at_once():
    """It comes over a connection that is proven; but nothing before 2026 is true."""
    _, clock = started()
    assert clock.offer(SANE_MS - 1, True) is None and not clock.is_set()
    assert clock.offer(SANE_MS + 10, True) is not None and clock.is_set()


def check_a_single_wrong_answer_later_does_not_move_it():
    """A time server that errs once, by an hour, changes nothing."""
    ticks, clock = started()
    clock.offer(SANE_MS, True)
    ticks.now += 10_000
    before = clock.now_ms()
    clock.offer(before + 3_600_000, False)
    assert clock.now_ms() == before and not clock.is_settled()
    clock.offer(before + 3, False)
    assert abs(clock.now_ms() - before) <= 3 and clock.is_settled()


def check_no_time_is_given_twice():
    """Over steps back, large and small, no two samples have one time."""
    ticks, clock = started()
    clock.offer(SANE_MS + 10_000_000, True)
    seen = set()
    for step in range(3000):
        ticks.now += 2 if step % 5 else 0
        stamp = clock.stamp()
        assert stamp not in seen
        seen.add(stamp)
        if step == 1000:
            clock.offer(clock.now_ms() - 1_500, True)
        if step == 2000:
            clock.offer(clock.now_ms() - 2_200, True)


def check_guesses_that_were_ahead_are_mended_into_times_that_are_free():
    """Where the journal's last time was wrong, and ahead, mended times do not meet those given before."""
    ticks, clock = started(SANE_MS + 10_000_000)
    guess = clock.stamp()
    delta_ms = clock.offer(SANE_MS, True)
    assert delta_ms < 0 and delta_ms % 2 == 1 and (guess + delta_ms) % 2 == 1
    ticks.now += 1_000
    assert clock.stamp() % 2 == 1


def check_time_that_was_set_long_ago_is_held():
    """After a day without an answer times say so."""
    ticks, clock = started()
    clock.offer(SANE_MS, True)
    for _ in range(5):
        ticks.now += HELD_AFTER_MS // 5 + 1
        clock.up_ms()
    assert clock.quality() == HELD


def answer(cookie, mode=4, stratum=2, leap=0, seconds=4_000_000_000):
    head = bytes((leap << 6 | 4 << 3 | mode, stratum)) + bytes(22)
    return head + cookie + struct.pack(">IIII", seconds, 1 << 31, seconds, 1 << 31)


def check_answers_of_time_servers():
    """An answer counts with its cookie, mode and stratum; half of the trip is added; 2036 is no end."""
    cookie = b"12345678"
    assert ntp_request(cookie)[0] == 0x23 and len(ntp_request(cookie)) == 48
    expected = (4_000_000_000 - 2_208_988_800) * 1000 + 500 + 20
    assert ntp_ms(answer(cookie), cookie, 40) == expected
    assert ntp_ms(answer(cookie, seconds=100), cookie, 40) == (100 + (1 << 32) - 2_208_988_800) * 1000 + 520
    for wrong in (
        answer(b"87654321"),
        answer(cookie, mode=3),
        answer(cookie, stratum=0),
        answer(cookie, leap=3),
        b"",
    ):
        assert ntp_ms(wrong, cookie, 40) is None
    assert ntp_ms(answer(cookie), cookie, 5_000) is None


run(globals())
