"""A board that this machine stands in for, with MicroPython for Unix: everything but the two hardware files.

    micropython device-agent/desk.py FOLDER MINUTES

FOLDER is what the flash of a board is: `boarding.json`, put there by the operator, then what the agent keeps,
and the journal. The board measures for so many minutes without a network; its time runs ahead as fast as it
can. Then it joins, learns what time it is, mends the times that it had guessed, and ends when all is sent.
"""

import gc
import os
import sys

from agent.clock import Clock
from agent.journal import Journal
from agent.lights import JOINED, LOST
from agent.sockets import Stream
from agent.start import composed
from agent.update import Update
from slots import Slots
from store import Store

SECTORS, SECTOR_BYTES = 64, 4_096
PATIENCE_MS = 3_600_000
"""How long the server may be out of reach, in the board's own time."""

TENTHS = (150, 550, 160, 101_325, 12)
"""Where the channels of the weather source begin, scaled as they are."""
SWING = 60
"""Samples from the coolest to the warmest."""


class Flash:
    """The journal's flash as a file, which outlives the program as flash does the power."""

    sectors, sector_bytes = SECTORS, SECTOR_BYTES

    def __init__(self, path):
        """Open what is there, or begin with erased sectors."""
        try:
            self._file = open(path, "r+b")  # noqa: SIM115 - it lives as long as the board
        except OSError:
            self._file = open(path, "w+b")  # noqa: SIM115
            for sector in range(SECTORS):
                self.erase(sector)

    def read(self, at, buffer):
        """Fill the buffer from here on."""
        self._file.seek(at)
        self._file.readinto(buffer)

    def program(self, at, octets):
        """Write into erased bytes."""
        self._file.seek(at)
        self._file.write(octets)
        self._file.flush()

    def erase(self, sector):
        """Erase one."""
        self.program(sector * SECTOR_BYTES, b"\xff" * SECTOR_BYTES)


class Weather:
    """The sensors: a room that warms up and cools down."""

    channels = (0, 1, 2, 3, 4)

    def __init__(self):
        """Begin at the coolest."""
        self.count = 0

    def read(self, values):
        """Fill in what the next sample has."""
        warmth = abs(self.count % (2 * SWING) - SWING)
        for place in range(len(TENTHS)):
            values[place] = TENTHS[place] + SWING - warmth
        self.count += 1
        return True


class Desk:
    """What `board.py` and `wifi.py` are on a board."""

    def __init__(self, offline_ms):
        """Begin without a network, for so long."""
        self._offline_ms = offline_ms
        self.up = 0
        self.collect, self.random = gc.collect, os.urandom

    def memory(self):
        """Give the bytes of the heap that are used, and those that are free."""
        return gc.mem_alloc(), gc.mem_free()

    def ticks_ms(self):
        """Count the board's own milliseconds."""
        return self.up

    @staticmethod
    def ticks_diff(later, earlier):
        """Take two counts apart; these never wrap."""
        return later - earlier

    def sleep_ms(self, span_ms):
        """Let time go on."""
        self.up += max(span_ms, 1)

    def feed(self):
        """No watchdog waits."""

    def show(self, *lights):
        """No light is there."""

    def restart(self):
        """End; whoever runs this starts it again."""
        sys.exit()

    def tend(self):
        """Nothing is to be done for the network."""

    def state(self):
        """Tell whether the network is there."""
        return JOINED if self.up >= self._offline_ms else LOST

    def rssi(self):
        """Give no strength: there is no radio."""

    def ntp_ms(self):
        """Give no answer, so that the server is asked what time it is."""

    def dial(self, base, tend):
        """Reach the server."""
        return Stream(base, None, tend)


def main():
    """Live until all is sent."""
    folder, minutes = sys.argv[1], int(sys.argv[2])
    store, desk, weather = Store(folder), Desk(minutes * 60_000), Weather()
    journal = Journal(Flash(folder + "/journal"), int.from_bytes(desk.random(4), "little"))
    clock = Clock(desk.ticks_ms, desk.ticks_diff, journal.last_ms)
    update = Update(folder + "/", Slots(store), None, 1)
    agent = composed(desk, desk, (weather,), journal, clock, store, desk.random, update)
    while desk.state() != JOINED or journal.backlog:
        desk.sleep_ms(agent.turn())
        if desk.up > minutes * 60_000 + PATIENCE_MS:
            sys.exit("nothing was sent: is boarding.json there, and the server in reach?")
    print("%d samples measured, all of them sent" % weather.count)


if __name__ == "__main__":
    main()
