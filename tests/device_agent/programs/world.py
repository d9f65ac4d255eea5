"""Everything around a simulated board: true time, power, flash, sensors, radio, and its own log of samples.

Time is virtual and moves when somebody waits. What happens is drawn from a seed.
"""

from array import array

from agent.clock import time_text
from agent.journal import Journal
from agent.lights import JOINED, LOST
from nor_flash import PowerLoss

START_MS = 1_798_761_600_000
TICKS_PERIOD = 1 << 30
RECENT = 1024
"""Samples of which the log knows the time: no repeat is older."""


class Odds:
    """A source of chance with a seed; the same on every interpreter."""

    def __init__(self, seed):
        self._state = seed * 2 + 1

    def below(self, bound):
        """Draw from 0 to bound - 1."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self._state >> 33) % bound

    def one_in(self, count):
        return self.below(count) == 0

    def octets(self, count):
        return bytes(self.below(256) for _ in range(count))


class Log:
    """Of each sample: whether the journal accepted it, and the server stored it, once and in order."""

    def __init__(self, samples_max):
        self.accepted = bytearray(samples_max // 8 + 1)
        self.stored = bytearray(samples_max // 8 + 1)
        self.count = 0
        self.accepted_count = self.stored_count = self.repeats = self.told_lost = self.uncertain = 0
        self.health = self.health_stored = 0
        self.health_ms = 0
        self.last = -1
        self.last_ms = self.last_true = 0
        self.error_ms_max = 0
        self._recent = array("q", [0] * RECENT)

    def accept(self, counter):
        self.accepted[counter >> 3] |= 1 << (counter & 7)
        self.accepted_count += 1

    def store(self, counter, time_ms, true_ms, is_certain):
        slot, mark = counter % RECENT, 1 << (counter & 7)
        if self.stored[counter >> 3] & mark:
            assert counter > self.last - RECENT and self._recent[slot] == time_ms, "stored twice"
            self.repeats += 1
            return
        assert counter > self.last, "out of order"
        assert time_ms != self.last_ms, "two samples under one time"
        if is_certain and true_ms >= 0:
            error_ms = abs(time_ms - START_MS - true_ms)
            self.error_ms_max = max(self.error_ms_max, error_ms)
            assert error_ms <= 6_000, ("a wrong time", time_text(time_ms), time_ms - START_MS, true_ms)
        self.uncertain += 0 if is_certain else 1
        self.stored[counter >> 3] |= mark
        self._recent[slot] = time_ms
        self.last, self.last_ms = counter, time_ms
        self.stored_count += 1

    def store_health(self, time_ms):
        if time_ms > self.health_ms:
            self.health_ms = time_ms
            self.health_stored += 1


class World:
    """True time and what happens in it."""

    def __init__(self, seed, hours, flash, faults=True):
        self.odds = Odds(seed)
        self.flash = flash
        self.end_ms = int(hours * 3_600_000)
        self.faults = faults
        self.now_ms = 0
        self.log = Log(self.end_ms // 2_000 + 200)
        self.boots = 0
        self.booted_ms = 0
        self.drift_ppm = 30
        self.skew_ms = 0
        self.outages = self._outages() if faults else []
        self.is_up = True
        self.heap_max = 0
        self.heap_of = lambda: 0
        self.faults_seen = {}

    def _outages(self):
        """Draw when the radio is silent; once for a third of the run, which is more than the flash holds."""
        spans, at = [], 0
        while at < self.end_ms:
            at += 300_000 + self.odds.below(3_000_000)
            length = 1_000 + self.odds.below((5_000, 60_000, 900_000)[self.odds.below(3)])
            spans.append((at, at + length))
            at += length
        spans.append((self.end_ms // 3, self.end_ms // 3 * 2))
        return spans

    def saw(self, fault):
        """Count a fault, for the report."""
        self.faults_seen[fault] = self.faults_seen.get(fault, 0) + 1

    def is_silent(self):
        if self.now_ms >= self.end_ms:
            return False
        return any(begin <= self.now_ms < end for begin, end in self.outages)

    def wait(self, span_ms):
        """Let time pass."""
        self.now_ms += span_ms

    def boot(self):
        """Give the board power; its counter of milliseconds begins anywhere."""
        self.boots += 1
        self.wait(1_500)
        self.booted_ms = self.now_ms
        self.ticks_first = TICKS_PERIOD - self.odds.below(600_000)
        if self.faults and self.now_ms < self.end_ms:
            # A cut at any byte that is written from now on, some of them while the journal is opened.
            steps = self.odds.below((40, 2_000, 60_000)[self.odds.below(3)]) + 1
            self.flash.power = steps
        else:
            self.flash.power = None

    def ticks_ms(self):
        up_ms = self.now_ms - self.booted_ms
        return (self.ticks_first + up_ms + up_ms * self.drift_ppm // 1_000_000 + self.skew_ms) % TICKS_PERIOD

    @staticmethod
    def ticks_diff(later, earlier):
        return (later - earlier + TICKS_PERIOD // 2) % TICKS_PERIOD - TICKS_PERIOD // 2

    def perhaps_cut(self, chance):
        """Cut the power, once in so many times."""
        if self.faults and self.now_ms < self.end_ms and self.odds.one_in(chance):
            self.saw("power cut")
            raise PowerLoss


class WatchedJournal(Journal):
    """The journal, and the world's own log of what it accepted."""

    def __init__(self, world, flash, new_id):
        self._world = world
        super().__init__(flash, new_id)

    def append(self, source, quality, time_ms, values):
        number = super().append(source, quality, time_ms, values)
        if source == 0:
            self._world.log.accept(_counter_of(values))
        else:
            self._world.log.health += 1
        return number


def _counter_of(values):
    return values[3] if values[3] is not None else values[0] + values[1] * 10_000


class Sensor:
    """A sensor that says how many samples there were; both count, so that either may fail."""

    def __init__(self, world, channels):
        self._world, self.channels = world, channels
        self._silent_until_ms = 0

    def read(self, values):
        world = self._world
        if self.channels[0] == 0:
            self._next()
        if world.now_ms < self._silent_until_ms:
            return False
        if world.faults and world.odds.one_in(400):
            world.saw("sensor silent")
            self._silent_until_ms = world.now_ms + world.odds.below(60_000)
            return False
        counter = world.log.count
        if self.channels[0] == 0:
            values[0], values[1] = counter % 10_000, counter // 10_000
        else:
            values[2], values[3], values[4] = 215, counter, world.now_ms
        return True

    def _next(self):
        self._world.log.count += 1


class Network:
    """The radio, and a time server that is now and then far off."""

    def __init__(self, world, dialled):
        self._world, self._dialled = world, dialled

    def dial(self, address, tend):
        """Reach the server."""
        assert address == "http://door"
        return self._dialled(tend)

    def tend(self):
        """Notice whether the radio is there."""

    def state(self):
        return LOST if self._world.is_silent() else JOINED

    def rssi(self):
        return -60

    def ntp_ms(self):
        world = self._world
        world.wait(20)
        true_ms = START_MS + world.now_ms
        if world.faults and world.odds.one_in(4):
            world.saw("time server wrong")
            kind = world.odds.below(3)
            return (
                None
                if kind == 0
                else true_ms + (world.odds.below(7_200_000) - 3_600_000 if kind == 1 else 60)
            )
        return true_ms


class Board:
    """Power, memory and lights; the watchdog bites who does not feed it for half a minute."""

    WATCHDOG_MS = 30_000

    def __init__(self, world, memory, collect):
        self._world, self.memory, self._collect = world, memory, collect
        self._fed_ms = world.now_ms

    def sleep_ms(self, span_ms):
        self._world.wait(max(span_ms, 1))

    def feed(self):
        world = self._world
        assert world.now_ms - self._fed_ms <= self.WATCHDOG_MS, "the watchdog bit"
        self._fed_ms = world.now_ms
        if world.faults and world.odds.one_in(60_000):
            world.saw("counter jumps")
            world.skew_ms += world.odds.below(1_500)

    def collect(self):
        self._world.heap_max = max(self._world.heap_max, self.memory()[0])
        self._collect()

    def show(self, network, sensors, requests):
        """A light is on or off."""
        assert network in (True, False) and sensors in (True, False) and requests in (True, False)


class Flashed:
    """The store, which dies as flash does: before or after it was written."""

    def __init__(self, world, store):
        self._world, self._store = world, store
        self.load = store.load

    def save(self, name, value):
        self._world.perhaps_cut(4)
        self._store.save(name, value)
        self._world.perhaps_cut(4)
