"""NOR flash in memory or in a file: bits are only cleared, sectors are erased, power may fail at any byte."""


class PowerLoss(Exception):
    """The board is off; what was touched is touched."""


class Flash:
    """A flash that counts its wear and dies after `power` steps: a byte written, or half a sector erased."""

    def __init__(self, sectors, sector_bytes, path=None):
        """Take its size, and the file that it is kept in, if it is to be kept outside of the heap."""
        self.sectors, self.sector_bytes = sectors, sector_bytes
        self.erased = [0] * sectors
        self.steps = 0
        self.power = None
        self._file = None
        self._octets = bytearray(0 if path else sectors * sector_bytes)
        if path:
            self._file = open(path, "w+b")  # noqa: SIM115
            for _ in range(sectors):
                self._file.write(b"\xff" * sector_bytes)
        else:
            for at in range(len(self._octets)):
                self._octets[at] = 0xFF

    def read(self, at, buffer):
        """Fill the buffer from here on."""
        if self._file:
            self._file.seek(at)
            self._file.readinto(buffer)
        else:
            buffer[:] = memoryview(self._octets)[at : at + len(buffer)]

    def program(self, at, octets):
        """Write into erased bytes; into others never: that would be no flash."""
        here = bytearray(len(octets))
        self.read(at, here)
        assert all(each == 0xFF for each in here), "a byte was programmed twice"
        count = self._spend(len(octets))
        self._put(at, octets[:count])
        if count < len(octets) or self.power == 0:  # also when all is written, and nobody hears of it
            raise PowerLoss

    def erase(self, sector):
        """Erase a sector, in two steps."""
        half = self.sector_bytes // 2
        count = self._spend(2)
        # The rear first: a header that is there says nothing of what is behind it.
        for step in range(count):
            self._put(sector * self.sector_bytes + half * (1 - step), b"\xff" * half)
        if count < 2:
            raise PowerLoss
        self.erased[sector] += 1

    def _spend(self, wanted):
        given = wanted if self.power is None else min(wanted, self.power)
        if self.power is not None:
            self.power -= given
        self.steps += given
        return given

    def _put(self, at, octets):
        if self._file:
            self._file.seek(at)
            self._file.write(octets)
            self._file.flush()
        else:
            self._octets[at : at + len(octets)] = octets
