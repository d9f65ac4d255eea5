"""An ESP32: pins, bus, watchdog, flash partition. One of the two files that know the hardware."""

import gc
import os
import time

import esp32
import machine

PIN_WIFI, PIN_SENSORS, PIN_REQUESTS = 14, 27, 33
PIN_CLOCK, PIN_DATA = 26, 25
WATCHDOG_MS = 30_000
"""Three times what a connection may take to begin."""

JOURNAL = "journal"
"""Label of the partition; see `partitions.csv`."""


class Flash:
    """The partition of the journal, byte by byte; writing does not erase."""

    sector_bytes = 4096

    def __init__(self):
        """Find it; OSError where the board has none."""
        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label=JOURNAL)
        if not found:
            raise OSError("no partition " + JOURNAL)
        self._partition = found[0]
        self.sectors = self._partition.info()[3] // self.sector_bytes

    def read(self, at, buffer):
        """Fill the buffer from here on."""
        self._partition.readblocks(at // self.sector_bytes, buffer, at % self.sector_bytes)

    def program(self, at, octets):
        """Write into erased bytes of one sector."""
        self._partition.writeblocks(at // self.sector_bytes, octets, at % self.sector_bytes)

    def erase(self, sector):
        """Erase one."""
        self._partition.ioctl(6, sector)


class Board:
    """The rest of it."""

    def __init__(self):
        """Set the pins and the bus."""
        self._lights = [
            machine.Pin(pin, machine.Pin.OUT, value=0) for pin in (PIN_WIFI, PIN_SENSORS, PIN_REQUESTS)
        ]
        self.bus = machine.I2C(1, scl=machine.Pin(PIN_CLOCK), sda=machine.Pin(PIN_DATA), freq=100_000)
        self._watchdog = None
        self.sleep_ms = time.sleep_ms
        self.collect = gc.collect
        self.random = os.urandom
        self.restart = machine.reset

    def feed(self):
        """Tell the watchdog that all is well; the first time wakes it."""
        if self._watchdog is None:
            self._watchdog = machine.WDT(timeout=WATCHDOG_MS)
        self._watchdog.feed()

    def memory(self):
        """Give the bytes of the heap that are used, and those that are free."""
        return gc.mem_alloc(), gc.mem_free()

    def show(self, *lights):
        """Set the three lights."""
        for place, light in enumerate(lights):
            self._lights[place].value(1 if light else 0)

    def name(self):
        """Give a name for people: the whole of what the chip was given, not half of it (TB-60)."""
        return "board-" + machine.unique_id().hex()
