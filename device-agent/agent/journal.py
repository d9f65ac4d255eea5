"""What was measured and is not sent yet, in flash: append-only, safe at every byte, bounded, worn evenly.

The flash is a ring of sectors that are erased one at a time and only when they are needed again, so that
each is erased once a round. `flash` is any object with `sectors`, `sector_bytes`, `read(at, buffer)`,
`program(at, buffer)` (which can only clear bits) and `erase(sector)`.

    sector    header, frames, erased bytes
    header    magic, journal, number, first, sent, lost, base_ms, boot, fixes, CRC-32 (little endian)
    frame     length, kind | quality << 4, number mod 256, body, CRC-32 seeded with the sector

A sample is accepted when `append` returns: its frame is in the flash then. A frame that power cut short has
no right CRC; reading goes on at the next byte that begins one that has, writing behind the last byte that was
touched. A header repeats everything that must be known, so that opening reads all headers and one sector.

Samples are numbered without holes. What a full flash dropped, or a bad sector took, therefore needs no note
of its own that could be lost as well: it is the hole between the last sample that was sent and the next one
that is there, and whoever reads tells it. A note of what was sent (`sent`) is a frame like any other.
"""

import struct
from array import array
from binascii import crc32

from agent.frames import (
    BOOT,
    ERASED,
    FIX,
    FRAME_BYTES_MAX,
    SENT,
    SOURCES_MAX,
    UNSYNCED,
    find,
    put_varint,
    seed_of,
    unzigzag,
    varint_at,
    zigzag,
)
from agent.reader import Reader

FIXES_MAX = 8
"""Starts whose times were mended later and that may still have unsent samples; older guesses stay guesses."""

_MAGIC = b"ASJ1"
_HEADER = "<4sIIIIIqH" + "Hq" * FIXES_MAX
HEADER_BYTES = struct.calcsize(_HEADER) + 4
_ABSENT = 0xFFFFFFFF


class Journal:
    """The journal of one board; one object at a time."""

    header_bytes = HEADER_BYTES

    def __init__(self, flash, new_id):
        """Open what is there, or begin anew with this number as the journal's own name."""
        self._flash = flash
        self._size = flash.sector_bytes
        self._firsts = array("I", [_ABSENT] * flash.sectors)
        self._page = bytearray(self._size)
        self._view = memoryview(self._page)
        self._page_number = -1
        self._page_boot = self._page_base = self._seed = 0
        self._out = bytearray(FRAME_BYTES_MAX)
        self._out_view = memoryview(self._out)
        self.id = new_id
        self.next = 0
        """Number of the next sample."""
        self.sent = 0
        """Every sample before it is stored by the server, or told as lost."""
        self.lost = 0
        """Samples that were told as lost, since ever."""
        self.boots = 0
        self.last_ms = 0
        """The latest time in the newest sector; 0 if there is none."""
        self._fixes = []
        self._number = -1
        self._base_ms = 0
        self._at = self._size
        self._open()

    # Writing.

    def begin(self):
        """Note a start of the board."""
        self.boots = self.boots % 0xFFFF + 1
        self._note(BOOT, self.boots, 0)

    def append(self, source, quality, time_ms, values):
        """Accept a sample: integers or None by channel. On return it is in the flash; give its number."""
        length = self._encoded(source, quality, time_ms, values)
        if self._at + length > self._size:
            self._turn(time_ms)
            length = self._encoded(source, quality, time_ms, values)
        number = self.next
        self._write(source | quality << 4, number & 0xFF, length)
        self.next = number + 1
        self.last_ms = max(self.last_ms, time_ms)
        return number

    def acknowledge(self, number, lost):
        """Forget every sample before this one: the server has them, or was told of their loss."""
        self.sent, self.lost = number, lost
        self._note(SENT, number, lost)

    def mend(self, delta_ms):
        """Say by how much the guessed times of this start were wrong."""
        self._know_fix(self.boots, delta_ms)
        self.last_ms += delta_ms
        self._note(FIX, self.boots, zigzag(delta_ms))

    # Reading.

    @property
    def backlog(self):
        """Count the samples that are there and not sent."""
        return self.next - max(self.sent, self._firsts[self._oldest() % len(self._firsts)])

    def reader(self):
        """Give what reads the samples that are not sent, the oldest first."""
        return Reader(self, self.sent)

    # Inside: sectors.

    def _open(self):
        numbers = array("I", [_ABSENT] * len(self._firsts))
        newest = None
        for place in range(len(numbers)):
            head = self._header(place)
            if head is None or head[2] % len(numbers) != place:
                continue
            numbers[place] = head[2]
            self._firsts[place] = head[3]
            if newest is None or head[2] > newest[2]:
                newest = head
        if newest is None:
            self._turn(0)
            return
        self._number = newest[2]
        for place, number in enumerate(numbers):
            if number != _ABSENT and number + len(numbers) <= self._number:
                self._firsts[place] = _ABSENT
        self._recall(newest)
        self._continue()

    def _header(self, place):
        """Read the header of a place; None where there is none that is whole."""
        head = self._out_view[:HEADER_BYTES]
        self._flash.read(place * self._size, head)
        size = HEADER_BYTES - 4
        if head[:4] != _MAGIC or struct.unpack_from("<I", head, size)[0] != crc32(head[:size]):
            return None
        return struct.unpack_from(_HEADER, head, 0)

    def _recall(self, head):
        self.id, self.next, self.sent, self.lost, self._base_ms = head[1], head[3], head[4], head[5], head[6]
        self.boots = head[7]
        self.last_ms = head[6]
        self._fixes = [(head[at], head[at + 1]) for at in range(8, 8 + 2 * FIXES_MAX, 2) if head[at]]

    def _continue(self):
        """Read the newest sector: what was noted since its header, and where writing goes on."""
        self._load(self._number)
        boot, at = self._page_boot, HEADER_BYTES
        while True:
            at = self._find(at, self._size)
            if at < 0:
                break
            kind = self._page[at + 1] & 0xF
            if kind < SOURCES_MAX:
                self.next += ((self._page[at + 2] - self.next) & 0xFF) + 1
                time_ms = self._base_ms + unzigzag(varint_at(self._page, at + 3)[0])
                if self._page[at + 1] >> 4 == UNSYNCED:
                    time_ms += self._fix_of(boot) or 0
                self.last_ms = max(self.last_ms, time_ms)
            else:
                boot = self._noted(kind, at, boot)
            at += self._page[at]
        self.boots = boot
        self._at = self._touched()

    def _noted(self, kind, at, boot):
        one, rest = varint_at(self._page, at + 3)
        two = varint_at(self._page, rest)[0]
        if kind == SENT:
            self.sent, self.lost = one, two
        elif kind == FIX:
            self._know_fix(one, unzigzag(two))
            self.last_ms += unzigzag(two)
        elif kind == BOOT:
            return one
        return boot

    def _touched(self):
        at = self._size
        while at > HEADER_BYTES and self._page[at - 1] == ERASED:
            at -= 1
        end, found = at, HEADER_BYTES
        while found >= 0:  # a frame may end in bytes that look erased
            end = max(end, found)
            found = self._find(found, self._size)
            if found >= 0:
                found += self._page[found]
        return end

    def _turn(self, base_ms):
        """Begin the next sector of the ring; what it held is gone, sent or not."""
        number = self._number + 1
        place = number % len(self._firsts)
        self._firsts[place] = _ABSENT
        self._flash.erase(place)
        fixes = (self._fixes + [(0, 0)] * FIXES_MAX)[:FIXES_MAX]
        flat = [part for fix in fixes for part in fix]
        head = self._out_view[:HEADER_BYTES]
        struct.pack_into(
            _HEADER, head, 0,
            _MAGIC, self.id, number, self.next, self.sent, self.lost, base_ms, self.boots, *flat,
        )  # fmt: skip
        size = HEADER_BYTES - 4
        struct.pack_into("<I", head, size, crc32(head[:size]))
        self._flash.program(place * self._size, head)
        self._firsts[place] = self.next
        self._number, self._base_ms, self._at = number, base_ms, HEADER_BYTES

    def _oldest(self):
        """Give the number of the oldest sector that is there."""
        number = max(0, self._number - len(self._firsts) + 1)
        while self._firsts[number % len(self._firsts)] == _ABSENT:
            number += 1
        return number

    def _sector_of(self, number):
        """Give the newest sector that begins with this sample or before it, else the oldest one."""
        oldest, sector = self._oldest(), self._number
        while sector > oldest:
            first = self._firsts[sector % len(self._firsts)]
            if first != _ABSENT and first <= number:
                return sector
            sector -= 1
        return oldest

    def _load(self, sector):
        """Bring a sector into memory; False where it is not there."""
        if sector == self._page_number:
            return True
        place = sector % len(self._firsts)
        if sector > self._number or self._firsts[place] == _ABSENT:
            return False
        head = self._header(place)
        if head is None or head[2] != sector:
            return False
        self._flash.read(place * self._size, self._page)
        self._page_number, self._page_base, self._page_boot = sector, head[6], head[7]
        self._seed = seed_of(self.id, sector)
        return True

    # Inside: frames.

    def _find(self, at, end):
        return find(self._view, at, end, self._seed)

    def _encoded(self, source, quality, time_ms, values):
        at = put_varint(self._out, 3, zigzag(time_ms - self._base_ms))
        mask = 0
        for place, value in enumerate(values):
            if value is not None:
                mask |= 1 << place
        at = put_varint(self._out, at, mask)
        for value in values:
            if value is not None:
                at = put_varint(self._out, at, zigzag(value))
        return at + 4

    def _note(self, kind, one, two):
        length = put_varint(self._out, put_varint(self._out, 3, one), two) + 4
        if self._at + length > self._size:
            self._turn(self.last_ms)  # whose header says what was to be noted
        else:
            self._write(kind, 0, length)

    def _write(self, kind, number, length):
        out = self._out
        out[0], out[1], out[2] = length, kind, number
        seed = seed_of(self.id, self._number)
        struct.pack_into("<I", out, length - 4, crc32(self._out_view[: length - 4], seed))
        at = self._at
        # First, so that a write that fails halfway is never written over.
        self._at = at + length
        self._flash.program(self._number % len(self._firsts) * self._size + at, self._out_view[:length])
        if self._page_number == self._number:
            self._page[at : at + length] = self._out_view[:length]

    def _fix_of(self, boot):
        for known, delta_ms in self._fixes:
            if known == boot:
                return delta_ms
        return None

    def _know_fix(self, boot, delta_ms):
        self._fixes = [fix for fix in self._fixes if fix[0] != boot][1 - FIXES_MAX :] + [(boot, delta_ms)]
