"""How long an outage a flash of 1.5 MB holds: samples are written until the first one is dropped.

capacity.py FILE
"""

import sys

from agent.frames import SYNCED
from agent.journal import Journal
from nor_flash import Flash

SECTORS, SECTOR_BYTES = 384, 4096
T = 1_798_761_600_000


def main():
    journal = Journal(Flash(SECTORS, SECTOR_BYTES, sys.argv[1]), 1)
    journal.begin()
    # As wide as weather gets: -20.0 °C, 100.0 %, 1 013.25 hPa, 3 000.0 m; and what a board says of itself.
    weather = [-200, 1_000, -203, 101_325, 30_000]
    health = [60_000, 50_000, 43_200, 100_000, 1_000, -3_600_000, -70, 100_000, 10_000, 10_203]
    time_ms, count = T, 0
    while journal._oldest() == 0:
        journal.append(0, SYNCED, time_ms, weather)
        count += 1
        if count % 150 == 0:
            journal.append(1, SYNCED, time_ms + 2, health)
        time_ms += 2_000
    sys.stdout.write("samples %d, bytes of flash %d\n" % (count, SECTORS * SECTOR_BYTES))
    sys.stdout.write("hours %.1f\nok\n" % ((time_ms - T) / 3_600_000))


main()
