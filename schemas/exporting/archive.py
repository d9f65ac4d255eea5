"""One download out of many files, written from front to back: a zip archive, or the only file as it is.

Bytes are given back as they come about and never looked at again; where the writing stands can be kept
(`Standing`) and gone on from. A file of the archive is made of runs, each compressed for itself and ended on
a byte, so that a stretch of bytes between two runs needs nothing of what was before it. Sizes stand behind
each file and in the directory at the end, always in the wide form: nobody knows them before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

LEVEL: Final = 1
"""Measured on readings: 65 MB/s; level 6 takes eight times as long for a fifth less."""

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR: Final = struct.Struct("<4sIQQ")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END_64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END: Final = struct.Struct("<4sHHHHIIH")
_WIDE_SIZES: Final = struct.Struct("<HHQQ")
_WIDE_ALL: Final = struct.Struct("<HHQQQ")

_VERSION: Final = 45
"""4.5: sizes of 64 bits."""
_FLAGS: Final = 0x0808
"""Sizes follow the file; names are UTF-8."""
_STORED, _DEFLATED = 0, 8
_NO_SIZE: Final = 0xFFFF_FFFF
_NO_COUNT: Final = 0xFFFF
_REGULAR_FILE: Final = 0o100644 << 16
_LAST_RUN: Final = b"\x03\x00"
"""An empty last block of deflate."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is being written."""

    file: int
    """Which of the plan's; what is no file of the plan counts on from them."""
    name: str
    offset: int
    """Where it begins in the download."""
    packed_from: int
    """Where its bytes begin there."""
    is_packed: bool
    crc: int = 0
    size: int = 0
    packed: int = 0


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is written."""

    file: int
    name: str
    offset: int
    is_packed: bool
    crc: int
    size: int
    packed: int


class Archive:
    """A zip archive on its way out."""

    def __init__(self, time_ms: int, written: int = 0, begun: Begun | None = None) -> None:
        """Go on after so many bytes, within a file or between two; all files are of one instant."""
        moment = datetime.fromtimestamp(max(time_ms // 1_000, 315_532_800), UTC)
        self._date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
        self._time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
        self.written = written
        self.begun = begun

    def begin(self, file: int, name: str, *, packed: bool) -> bytes:
        """Begin a file."""
        octets = name.encode()
        method = _DEFLATED if packed else _STORED
        head = _LOCAL.pack(
            b"PK\x03\x04", _VERSION, _FLAGS, method, self._time, self._date, 0, _NO_SIZE, _NO_SIZE,
            len(octets), _WIDE_SIZES.size,
        )  # fmt: skip
        head += octets + _WIDE_SIZES.pack(1, 16, 0, 0)
        offset = self.written
        self.written += len(head)
        self.begun = Begun(file=file, name=name, offset=offset, packed_from=self.written, is_packed=packed)
        return head

    def add(self, octets: bytes, run: bytes) -> bytes:
        """Add bytes to the file, of which `run` is what `packed` makes, or they themselves."""
        begun = self.begun
        assert begun is not None
        self.begun = msgspec.structs.replace(
            begun,
            crc=zlib.crc32(octets, begun.crc),
            size=begun.size + len(octets),
            packed=begun.packed + len(run),
        )
        self.written += len(run)
        return run

    def end(self) -> tuple[bytes, Ended]:
        """End the file."""
        assert self.begun is not None
        last = self.add(b"", _LAST_RUN) if self.begun.is_packed else b""
        begun = self.begun
        tail = last + _DESCRIPTOR.pack(b"PK\x07\x08", begun.crc, begun.packed, begun.size)
        self.written += _DESCRIPTOR.size
        self.begun = None
        return tail, Ended(
            file=begun.file, name=begun.name, offset=begun.offset, is_packed=begun.is_packed,
            crc=begun.crc, size=begun.size, packed=begun.packed,
        )  # fmt: skip

    def finish(self, files: Sequence[Ended]) -> bytes:
        """Write the directory, which ends the archive."""
        directory = b"".join(map(self._entry, files))
        count, start, size = len(files), self.written, len(directory)
        wide = _END_64.pack(
            b"PK\x06\x06", _END_64.size - 12, 3 << 8 | _VERSION, _VERSION, 0, 0, count, count, size, start
        )
        locator = _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
        short = min(count, _NO_COUNT)
        end = _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, _NO_SIZE), min(start, _NO_SIZE), 0)
        octets = directory + wide + locator + end
        self.written += len(octets)
        return octets

    def _entry(self, file: Ended) -> bytes:
        octets = file.name.encode()
        extra = _WIDE_ALL.pack(1, 24, file.size, file.packed, file.offset)
        return _CENTRAL.pack(
            b"PK\x01\x02", 3 << 8 | _VERSION, _VERSION, _FLAGS, _DEFLATED if file.is_packed else _STORED,
            self._time, self._date, file.crc, _NO_SIZE, _NO_SIZE, len(octets), len(extra), 0, 0, 0,
            _REGULAR_FILE, _NO_SIZE,
        ) + octets + extra  # fmt: skip


class Bare:
    """The only file, as it is; has the form of an archive."""

    def __init__(self, written: int = 0, begun: Begun | None = None) -> None:
        """Go on after so many bytes."""
        self.written = written
        self.begun = begun

    def begin(self, file: int, name: str, *, packed: bool) -> bytes:
        """Begin the file."""
        self.begun = Begun(file=file, name=name, offset=0, packed_from=0, is_packed=False)
        return b""

    def add(self, octets: bytes, run: bytes) -> bytes:
        """Add bytes."""
        assert self.begun is not None
        size = self.begun.size + len(octets)
        self.begun = msgspec.structs.replace(self.begun, size=size, packed=size)
        self.written += len(octets)
        return octets

    def end(self) -> tuple[bytes, Ended]:
        """End the file."""
        begun = self.begun
        assert begun is not None
        self.begun = None
        return b"", Ended(
            file=begun.file, name=begun.name, offset=0, is_packed=False, crc=0, size=begun.size,
            packed=begun.size,
        )  # fmt: skip

    def finish(self, files: Sequence[Ended]) -> bytes:
        """Write nothing: the file has ended."""
        return b""


def packed(octets: bytes) -> bytes:
    """Compress one run of a file."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return packer.compress(octets) + packer.flush(zlib.Z_FULL_FLUSH)
