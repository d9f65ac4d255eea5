"""The one loop of a board: what does not answer must not hold up what is measured (TB-59, TB-63)."""

from agent.clock import SANE_MS, Clock
from agent.config import Settings
from agent.lights import JOINED
from agent.loop import Agent
from checks import run

HOUR_MS = 3_600_000


class Parts:
    """Board, network, sensor, journal, uplink and update of a board that is not there."""

    channels = (0,)
    is_updated = is_sending = urgent = is_trial = False
    backlog = lost = boots = failures_ever = firmware = 0

    def __init__(self, answers):
        self.now, self.answers = 0, answers
        self.asked, self.sampled, self.fed = [], [], 0
        self.settings, self.slots = Settings(), self

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier

    def feed(self):
        self.fed += 1

    def show(self, *lights):
        assert len(lights) == 3

    def memory(self):
        return 1, 1

    collect = tend = mend = lambda self, *given: None

    def state(self):
        return JOINED

    def rssi(self):
        return None

    def ntp_ms(self):
        self.asked.append(self.now)
        self.now += 1_000  # as long as a board waits
        return self.answers.pop(0) if self.answers else None

    def read(self, values):
        values[0] = 1
        return True

    def append(self, source, quality, time_ms, values):
        if source == 0:
            self.sampled.append(self.now)

    def step(self):
        return 60_000


def lived(parts, span_ms):
    """Let a board live."""
    clock = Clock(parts.ticks_ms, parts.ticks_diff, 0)
    agent = Agent(parts, parts, (parts,), parts, clock, parts, parts)
    while parts.now < span_ms:
        parts.now += max(agent.turn(), 1)
    return clock


def check_time_servers_that_do_not_answer_are_asked_seldom():
    """Five times at first, then once a minute: in an hour nearly every sample is taken at its time."""
    parts = Parts([])
    lived(parts, HOUR_MS)
    asked = parts.asked
    pauses = [asked[place + 1] - asked[place] for place in range(len(asked) - 1)]
    assert all(pause < 4_000 for pause in pauses[:4]) and min(pauses[5:]) >= 60_000, pauses[:8]
    assert len(parts.sampled) >= 1_795, len(parts.sampled)
    late = [each % 2_000 for each in parts.sampled if each % 2_000 > 100]
    assert len(late) <= len(parts.asked), len(late)


def check_two_answers_that_agree_set_the_clock_for_an_hour():
    """The second is asked for at once, and then nobody for an hour."""
    parts = Parts([SANE_MS + 10, SANE_MS + 3_010])
    clock = lived(parts, HOUR_MS)
    assert clock.is_settled() and len(parts.asked) == 2, parts.asked


def check_an_answer_after_a_long_silence_is_confirmed_at_once():
    """What comes late is believed as soon as a second one agrees."""
    parts = Parts([None] * 8 + [SANE_MS + 10, SANE_MS + 3_010])
    clock = lived(parts, HOUR_MS)
    assert clock.is_settled() and parts.asked[9] - parts.asked[8] < 4_000, parts.asked


run(globals())
