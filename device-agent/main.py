"""Starts the agent on a board: MicroPython runs this file after every reset.

What goes wrong is written to the console, and the board starts again; the journal knows how far it was, and a
firmware on trial has one start less. A file `hold` keeps it from starting, once.
"""

import gc
import os
import sys

from slots import Slots
from store import Store

GARBAGE_BYTES_MAX = 16_384
"""Between two collections: a heap that is never full has room for a TLS handshake in one piece."""

HOLD = "hold"
"""Copying files takes longer than the agent's watchdog waits, and nothing stops that once it is awake."""


def is_held():
    """Tell whether this start is to be left to whoever is at the console; the next one is not."""
    try:
        os.remove(HOLD)
    except OSError:
        return False
    return True


def main():
    """Choose a firmware and let it run, for ever."""
    if is_held():
        print("held: reset the board to start its agent")
        return
    # Before anything is compiled: what that leaves would lie between what stays, and no large piece be free.
    gc.threshold(GARBAGE_BYTES_MAX)
    store = Store("")
    slots = Slots(store)
    sys.path.insert(0, "/" + slots.choose())
    try:
        from agent.run import run  # noqa: PLC0415 - which one it is has just been chosen

        run(store, slots)
    except Exception as error:  # noqa: BLE001 - it is written, and a board that stopped measures nothing
        sys.print_exception(error)
    sys.exit()  # which is a soft reset


if __name__ == "__main__":
    main()
