"""One start of this firmware on a board."""

import time

from agent.board import Board, Flash
from agent.clock import Clock
from agent.firmware import FIRMWARE
from agent.journal import Journal
from agent.sensors.am2320 import Am2320
from agent.sensors.bmp180 import Bmp180
from agent.start import composed
from agent.update import Update
from agent.wifi import Wifi

CA, KEY = "/ca.pem", "/firmware.key"


def run(store, slots):
    """Put the parts together and go on for ever."""
    board = Board()
    board.feed()  # from here on a firmware that hangs is left behind
    journal = Journal(Flash(), int.from_bytes(board.random(4), "little"))
    clock = Clock(time.ticks_ms, time.ticks_diff, journal.last_ms)
    network = Wifi(store, clock, board.random, _read(CA), board.name(), board.restart)
    sensors = (Am2320(board.bus, board.sleep_ms), Bmp180(board.bus, board.sleep_ms))
    update = Update("/", slots, _read(KEY), FIRMWARE)
    composed(board, network, sensors, journal, clock, store, board.random, update).run()


def _read(path):
    """Read what was put on the board with it; None where it was not."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None
