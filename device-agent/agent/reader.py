"""Reads what a journal has not sent; a friend of the journal, whose page in memory it shares."""

import struct

from agent.frames import BOOT, SOURCES_MAX, SYNCED, UNSYNCED, unzigzag, varint_at


class Reader:
    """Reads samples in order; `number`, `source`, `quality`, `time_ms`, `values` are those of the last."""

    def __init__(self, journal, number):
        """Stand before this sample of the journal."""
        self._journal = journal
        self._wanted = number
        self._sector = journal._sector_of(number)
        self._at = -1
        self._boot = 0
        self._next = 0
        self.number = self.source = self.quality = self.time_ms = 0
        self.values = [None] * 16

    def read(self):
        """Go to the next sample that is there; False at the end. Numbers that are left out are lost."""
        journal = self._journal
        while self._sector <= journal._number:
            if not journal._load(self._sector):
                self._sector, self._at = self._sector + 1, -1
                continue
            if self._at < 0:
                self._at, self._boot = journal.header_bytes, journal._page_boot
                self._next = struct.unpack_from("<I", journal._page, 12)[0]
            is_newest = self._sector == journal._number
            at = journal._find(self._at, journal._at if is_newest else journal._size)
            if at < 0:
                if is_newest:
                    return False
                self._sector, self._at = self._sector + 1, -1
                continue
            self._at = at + journal._page[at]
            if self._took(at):
                return True
        return False

    def _took(self, at):
        page = self._journal._page
        kind = page[at + 1] & 0xF
        if kind >= SOURCES_MAX:
            if kind == BOOT:
                self._boot = varint_at(page, at + 3)[0]
            return False
        self.number = self._next + ((page[at + 2] - self._next) & 0xFF)
        self._next = self.number + 1
        if self.number < self._wanted:
            return False
        self.source, self.quality = kind, page[at + 1] >> 4
        offset, at = varint_at(page, at + 3)
        self.time_ms = self._journal._page_base + unzigzag(offset)
        if self.quality == UNSYNCED:
            delta_ms = self._journal._fix_of(self._boot)
            if delta_ms is not None:
                self.time_ms += delta_ms
                self.quality = SYNCED
        mask, at = varint_at(page, at)
        for channel in range(len(self.values)):
            value = None
            if mask >> channel & 1:
                value, at = varint_at(page, at)
                value = unzigzag(value)
            self.values[channel] = value
        return True
