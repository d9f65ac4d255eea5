"""Power fails at every byte of a long run: nothing accepted is lost or there twice (TB-52, TB-62)."""

import sys

from agent.frames import SYNCED, UNSYNCED
from agent.journal import HEADER_BYTES, Journal
from nor_flash import Flash, PowerLoss

SECTORS, SECTOR_BYTES, SAMPLES = 4, 300, 60


class Run:
    """What was done, as one who is outside of the board knows it."""

    def __init__(self):
        self.flash = Flash(SECTORS, SECTOR_BYTES)
        self.accepted = []
        self.sent = 0
        self.at = 0
        self.begun = None

    def go(self):
        """Do the rest of the run on a board that starts."""
        journal = Journal(self.flash, 7)
        self.check(journal)
        journal.begin()
        while self.at < SAMPLES:
            self.act(journal)
            self.at += 1
        return journal

    def act(self, journal):
        place = self.at
        self.begun = [place, -place, None, place * 1000 + 3]
        journal.append(0, SYNCED, 1_700_000_000_000 + place * 2000, self.begun)
        self.accepted.append(self.begun)
        self.begun = None
        if place % 7 == 6 and place < 30:  # then an outage, until the flash is full
            reader = journal.reader()
            number, lost, expected = journal.sent, 0, journal.sent
            for _ in range(5):
                if reader.read():
                    lost += reader.number - expected
                    number = expected = reader.number + 1
            journal.acknowledge(number, journal.lost + lost)

    def check(self, journal):
        """Compare what is there with what was accepted."""
        if self.begun is not None and journal.next > len(self.accepted):
            self.accepted.append(self.begun)  # it was whole; only nobody was told
            self.at += 1
        self.begun = None
        assert journal.next == len(self.accepted), (journal.next, len(self.accepted))
        reader = journal.reader()
        expected = None
        while reader.read():
            assert reader.values[:4] == self.accepted[reader.number], reader.number
            assert expected is None or reader.number == expected, "a hole in the middle"
            assert reader.time_ms == 1_700_000_000_000 + self.accepted[reader.number][0] * 2000
            expected = reader.number + 1
        # At least what fits into all sectors but the two that are being turned is there.
        assert expected is None or expected == journal.next
        assert journal.backlog == sum(1 for _ in self.there(journal))
        assert journal.backlog >= min(journal.next - journal.sent, (SECTORS - 2) * 8)

    def there(self, journal):
        reader = journal.reader()
        while reader.read():
            yield reader.number


def steps_of_whole_run():
    run = Run()
    run.check(run.go())
    wear = run.flash.erased
    assert max(wear) - min(wear) <= 1 and min(wear) >= 1, wear
    return run.flash.steps


def cut_at(step, again):
    run = Run()
    run.flash.power = step
    try:
        run.go()
    except PowerLoss:
        pass
    run.flash.power = again
    try:
        run.go()
    except PowerLoss:
        run.flash.power = None
        run.go()
    run.flash.power = None
    run.check(Journal(run.flash, 8))
    assert run.at == SAMPLES


def guessed_times():
    """Times that were guessed before the clock was set are mended, for ever; others stay guesses."""
    flash = Flash(8, 512)
    journal = Journal(flash, 7)
    journal.begin()
    journal.append(0, UNSYNCED, 1000, [1])
    journal = Journal(flash, 7)
    journal.begin()
    journal.append(0, UNSYNCED, 3000, [2])
    journal.mend(5_000_000)
    journal.append(0, SYNCED, 5_006_000, [3])
    journal = Journal(flash, 7)
    reader, found = journal.reader(), []
    while reader.read():
        found.append((reader.values[0], reader.time_ms, reader.quality))
    assert found == [(1, 1000, UNSYNCED), (2, 5_003_000, SYNCED), (3, 5_006_000, SYNCED)], found
    assert journal.last_ms == 5_006_000, journal.last_ms


def rot():
    """A byte that goes bad takes its own sample only."""
    flash = Flash(4, 512)
    journal = Journal(flash, 7)
    for place in range(10):
        journal.append(0, SYNCED, place * 2000, [place, place])
    flash._octets[HEADER_BYTES + 9 * 4 + 20] ^= 0x10
    journal = Journal(flash, 7)
    reader, found = journal.reader(), []
    while reader.read():
        found.append(reader.number)
    assert journal.next == 10, "a number would be given twice"
    assert len(found) == 9 and found == sorted(found), found


def main():
    guessed_times()
    rot()
    steps = steps_of_whole_run()
    stride = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    for step in range(0, steps, stride):
        cut_at(step, 100 + step % 211)
    sys.stdout.write("ok: %d cuts\n" % len(range(0, steps, stride)))


main()
