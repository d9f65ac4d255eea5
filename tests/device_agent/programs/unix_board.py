"""A board that this machine stands in for: real sockets to a real door, sensors on a bus that is not there.

    unix_board.py FOLDER SECONDS [REBOOT_EVERY_S]

Time on the board runs ahead as fast as it can. The folder has `boarding.json`, as the operator put it there,
and keeps the flash. It ends when all is sent, and says which samples the journal accepted.
"""

import small_heap  # noqa: F401 - first

# isort: split

import gc
import os
import sys

from agent.clock import Clock
from agent.journal import Journal
from agent.lights import JOINED
from agent.sensors.am2320 import Am2320, crc16
from agent.sensors.bmp180 import Bmp180
from agent.sockets import Stream
from agent.start import composed
from agent.update import Update
from board_bus import Bus
from nor_flash import Flash
from slots import Slots
from store import Store


class Machine:
    """What `board.py` and `wifi.py` are on a board."""

    def __init__(self):
        self.up = 0
        self.peak = 0

    def memory(self):
        """Give what the heap has, and remember the most."""
        used, free = (gc.mem_alloc(), gc.mem_free()) if hasattr(gc, "mem_alloc") else (0, 1)
        self.peak = max(self.peak, used)
        return used, free

    def collect(self):
        self.memory()
        gc.collect()

    def ticks_ms(self):
        return self.up

    @staticmethod
    def ticks_diff(later, earlier):
        return later - earlier

    def sleep_ms(self, span_ms):
        self.up += max(span_ms, 1)

    def feed(self):
        """No watchdog waits."""

    def show(self, *lights):
        """No light is there."""

    def tend(self):
        """The network is there."""

    def state(self):
        return JOINED

    def rssi(self):
        return None

    def ntp_ms(self):
        return None

    def dial(self, base, tend):
        def looked():
            self.memory()
            tend()

        return Stream(base, None, looked)


class Warming(Bus):
    """The bus of a day that warms up by a tenth with each sample."""

    tenths = 100

    def writeto(self, address, octets):
        if octets == b"\x00":
            self.tenths += 1
            answer = b"\x03\x04\x01\xf4" + self.tenths.to_bytes(2, "big")
            crc = crc16(answer)
            self.am2320 = bytearray(answer + bytes((crc & 0xFF, crc >> 8)))
        super().writeto(address, octets)


def main():
    folder, seconds = sys.argv[1], int(sys.argv[2])
    reboot_s = int(sys.argv[3]) if len(sys.argv) > 3 else seconds
    store, flash, bus = Store(folder), Flash(32, 4096, folder + "/flash"), Warming()
    lived_s = accepted = peak = 0
    while lived_s < seconds:
        machine, journal = Machine(), Journal(flash, 0x11)
        clock = Clock(machine.ticks_ms, machine.ticks_diff, journal.last_ms)
        update = Update(folder + "/", Slots(store), None, 1)
        sensors = (Am2320(bus, machine.sleep_ms), Bmp180(bus, machine.sleep_ms))
        agent = composed(machine, machine, sensors, journal, clock, store, os.urandom, update)
        lived_s += reboot_s
        while machine.up < reboot_s * 1000 or (lived_s >= seconds and journal.backlog):
            machine.up += max(agent.turn(), 1)
            assert machine.up < reboot_s * 1000 + 600_000, (journal.backlog, agent._uplink.failures)
        accepted, peak = journal.next, max(peak, machine.peak)
    sys.stdout.write("accepted %d, sampled %d, boots %d, " % (accepted, bus.tenths - 100, journal.boots))
    sys.stdout.write("peak %d bytes of heap\nok\n" % peak)


main()
