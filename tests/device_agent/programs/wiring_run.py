"""The two hardware files and `main.py` with modules in the place of those that only a board has.

Each stand-in takes what MicroPython's own for the ESP32 takes, and no more; then the watchdog ends it.
"""

import small_heap  # noqa: F401 - first

# isort: split

import sys

from agent.journal import Journal
from board_bus import Bus
from nor_flash import Flash

FEEDS = 30


class Enough(BaseException):
    """The board has lived long enough."""


class Module:
    """Stands for a module."""


class Pin:
    OUT = 3
    made = {}

    def __init__(self, number, mode=None, value=None):
        Pin.made[number] = self
        self.values = [value]

    def value(self, level):
        assert level in (0, 1)
        self.values.append(level)


class Watchdog:
    fed = 0

    def __init__(self, timeout):
        assert timeout == 30_000

    def feed(self):
        Watchdog.fed += 1
        if Watchdog.fed == FEEDS:
            raise Enough


class Partition:
    TYPE_DATA = 1
    flash = Flash(8, 4096)

    @classmethod
    def find(cls, kind, label):
        assert (kind, label) == (1, "journal")
        return [cls()]

    def info(self):
        return (1, 0x40, 0x280000, 8 * 4096, "journal", False)

    def readblocks(self, block, buffer, offset):
        self.flash.read(block * 4096 + offset, buffer)

    def writeblocks(self, block, octets, offset):
        self.flash.program(block * 4096 + offset, octets)

    def ioctl(self, what, block):
        assert what == 6
        self.flash.erase(block)


class Wlan:
    made = []

    def __init__(self, kind):
        self.kind = kind
        Wlan.made.append(self)

    def active(self, is_on):
        self.is_on = is_on

    def connect(self, *given):
        raise AssertionError("a board that was told no network joins none")

    def isconnected(self):
        return False

    def status(self, name):
        raise AssertionError("nothing is asked of a radio that is not joined")


def i2c(number, scl, sda, freq):
    assert (number, freq) == (1, 100_000)
    return Bus()


def main():
    machine, network, esp32 = Module(), Module(), Module()
    machine.Pin, machine.WDT, machine.I2C = Pin, Watchdog, i2c
    machine.reset, machine.unique_id = None, lambda: b"\x24\x0a\xc4\x01\x02\x03"
    network.WLAN, network.STA_IF, network.AP_IF = Wlan, 0, 1
    esp32.Partition = Partition
    sys.modules["machine"], sys.modules["network"], sys.modules["esp32"] = machine, network, esp32
    import main as board

    board.HOLD = sys.argv[1] + "/hold"
    open(board.HOLD, "w").close()
    board.main()
    assert not Pin.made and not Wlan.made, "a board that is held touches nothing"
    try:
        board.main()
    except Enough:
        pass
    assert sorted(Pin.made) == [14, 25, 26, 27, 33]
    assert len(Pin.made[14].values) == FEEDS - 1 and 1 in Pin.made[27].values
    assert [each.kind for each in Wlan.made] == [0, 1] and Wlan.made[0].is_on
    journal = Journal(Partition.flash, 0)
    reader, found = journal.reader(), []
    while reader.read():
        found.append((reader.source, reader.values[0]))
    assert found[0] == (0, 250) and found[1][0] == 1 and journal.boots == 1, found
    sys.stdout.write("ok: %d samples\n" % len(found))


main()
