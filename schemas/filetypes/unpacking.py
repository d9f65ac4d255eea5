"""Archives → the files in them: `.gz`, `.xz`, `.zst` and `.zip`, also encrypted (SM-11, S9).

What a file is, its first bytes say, not its name. Members are unpacked piece by piece and counted: one that
unpacks to far more than it takes is refused in the middle, and so is an archive inside an archive. Nothing
is written anywhere, so the names of members are names only.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import zstandard

from schemas.errors import Malformed, Refused, TooLarge
from schemas.filetypes import zip_aes
from schemas.filetypes.chunks import Seekable, Source
from schemas.filetypes.limits import (
    MEMBER_NAME_CHARACTERS_MAX,
    MEMBERS_MAX,
    PARQUET_HELD_BYTES_MAX,
    UNPACKED_BYTES_MAX,
    UNPACKED_FREE_BYTES,
    UNPACKED_RATIO_MAX,
    WINDOW_BYTES_MAX,
)

_MARKS = (
    (b"\x1f\x8b", "gz"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zst"),
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!", "rar"),
    (b"BZh", "bz2"),
)  # fmt: skip
_MARK_BYTES = 8
_PIECE_BYTES = 65_536
_ZSTD_PIECE_BYTES = 512
"""What one call is given: it gives all that is in it, and four bytes can tell a block of 128 KiB."""
_END, _END_BYTES, _COMMENT_BYTES_MAX = b"PK\x05\x06", 22, 65_535
_DIRECTORY_BYTES_MAX = 1_000 * MEMBERS_MAX
_ENCRYPTED = 1
_DAMAGED = (
    BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, OverflowError, ValueError, struct.error,
)  # fmt: skip
"""What the library raises for bytes that no archive has: the last ones for names, places and sizes."""


class Member(NamedTuple):
    """One file, unpacked; its pieces must be read before the next member is asked for."""

    name: str
    pieces: Iterator[bytes]


class Meter:
    """Counts what goes in and what comes out, and ends what unpacks to too much (S9)."""

    def __init__(self, bytes_max: int = UNPACKED_BYTES_MAX) -> None:
        """Take how much may come out of everything together."""
        self._bytes_max = bytes_max
        self.bytes_in = self.bytes_out = 0

    def out(self, piece: bytes) -> bytes:
        """Count a piece that came out; TooLarge beyond the limits."""
        self.bytes_out += len(piece)
        if self.bytes_out > self._bytes_max:
            raise TooLarge(f"The archive unpacks to more than {self._bytes_max} bytes.")
        if self.bytes_out > UNPACKED_FREE_BYTES + UNPACKED_RATIO_MAX * self.bytes_in:
            raise TooLarge(f"The archive unpacks to more than {UNPACKED_RATIO_MAX} times its size: a bomb.")
        return piece


def unpack(
    name: str, source: Source, passwords: Sequence[bytes] = (), bytes_max: int = UNPACKED_BYTES_MAX
) -> Iterator[Member]:
    """Give every file of an archive, or the file itself if it is none.

    Malformed names what is truncated, damaged, nested or locked; TooLarge a bomb.
    """
    meter = Meter(bytes_max)
    start, pieces = _peeked(_pieces(source))
    kind = _kind(start)
    if kind is None:
        yield Member(_last_name(name), pieces)
    elif kind == "zip":
        yield from _unzip(name, source if isinstance(source, Seekable) else _held(pieces), passwords, meter)
    elif kind in _STREAMS:
        unpacked = _STREAMS[kind](pieces, meter)
        yield Member(_last_name(name).removesuffix(f".{kind}"), _no_archive(unpacked, name))
    else:
        raise Malformed(f"{_last_name(name)} is a .{kind}; .gz, .xz, .zst and .zip are read.")


def _pieces(source: Source) -> Iterator[bytes]:
    if not isinstance(source, Seekable):
        yield from source
        return
    source.seek(0)
    while piece := source.read(_PIECE_BYTES):
        yield piece


def _peeked(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Give the first bytes, and all of them once more."""
    start = b""
    while len(start) < _MARK_BYTES and (piece := next(pieces, None)) is not None:
        start += piece
    return start, chain([start] if start else [], pieces)


def _kind(start: bytes) -> str | None:
    return next((kind for mark, kind in _MARKS if start.startswith(mark)), None)


def _no_archive(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Refuse an archive in an archive: it is how bombs are built."""
    start, pieces = _peeked(pieces)
    kind = _kind(start)
    if kind is not None:
        raise Malformed(f"{_last_name(name)} holds another archive (.{kind}); unpack the outer one first.")
    yield from pieces


def _last_name(name: str) -> str:
    last = name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return "".join(filter(str.isprintable, last))[:MEMBER_NAME_CHARACTERS_MAX] or "file"


def _gunzip(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    """Unpack every member of a gzip file, one after the other."""
    unpacker = zlib.decompressobj(31)
    begun = False
    for piece in pieces:
        meter.bytes_in += len(piece)
        rest = piece
        while rest:
            if unpacker.eof:
                rest = rest.lstrip(b"\0")  # tapes pad with zeros
                if not rest:
                    break
                unpacker = zlib.decompressobj(31)
            begun = True
            yield meter.out(unpacker.decompress(rest, _PIECE_BYTES))
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while begun and not unpacker.eof and (more := unpacker.decompress(b"", _PIECE_BYTES)):
        yield meter.out(more)
    if not unpacker.eof:
        raise Malformed("The gzip file is truncated.")


def _unxz(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    def fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW_BYTES_MAX)

    unpacker = fresh()
    for piece in pieces:
        meter.bytes_in += len(piece)
        rest = piece
        while rest or not (unpacker.needs_input or unpacker.eof):
            if unpacker.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                unpacker = fresh()
            yield meter.out(unpacker.decompress(rest, _PIECE_BYTES))
            rest = unpacker.unused_data
    if not unpacker.eof:
        raise Malformed("The xz file is truncated.")


def _unzstd(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    factory = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    unpacker = factory.decompressobj()
    for piece in pieces:
        for begin in range(0, len(piece), _ZSTD_PIECE_BYTES):
            rest = piece[begin : begin + _ZSTD_PIECE_BYTES]
            meter.bytes_in += len(rest)
            while rest:
                if unpacker.eof:
                    unpacker = factory.decompressobj()
                yield meter.out(unpacker.decompress(rest))
                rest = unpacker.unused_data if unpacker.eof else b""
    if not unpacker.eof:
        raise Malformed("The zstd file is truncated.")


def _translated(
    unpacker: Callable[[Iterator[bytes], Meter], Iterator[bytes]], word: str
) -> Callable[[Iterator[bytes], Meter], Iterator[bytes]]:
    """Say in our words what a library says of damaged bytes."""

    def unpack_all(pieces: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
        try:
            yield from unpacker(pieces, meter)
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise Malformed(f"The {word} file is damaged or asks for too much memory: {error}.") from None

    return unpack_all


_STREAMS = {
    "gz": _translated(_gunzip, "gzip"),
    "xz": _translated(_unxz, "xz"),
    "zst": _translated(_unzstd, "zstd"),
}


def _held(pieces: Iterable[bytes]) -> io.BytesIO:
    """Hold a zip file that cannot be sought, for its directory stands at its end."""
    held = io.BytesIO()
    for piece in pieces:
        held.write(piece)
        if held.tell() > PARQUET_HELD_BYTES_MAX:
            raise TooLarge(
                f"A zip file of more than {PARQUET_HELD_BYTES_MAX} bytes is read from a file only."
            )
    return held


def _unzip(name: str, file: Seekable, passwords: Sequence[bytes], meter: Meter) -> Iterator[Member]:
    size = file.seek(0, 2)
    _check_directory(file, size)
    meter.bytes_in = size
    try:
        archive = ZipFile(file)
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise Malformed(f"{_last_name(name)} is no whole zip file: {error}.") from None
    for info in archive.infolist():
        if not info.is_dir() and not info.filename.startswith("__MACOSX/"):
            pieces = _member(archive, file, info, passwords, meter)
            yield Member(_last_name(info.filename), _no_archive(pieces, name))


def _check_directory(file: Seekable, size: int) -> None:
    """Refuse a directory of too many members before it is read into memory."""
    file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES_MAX))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        raise Malformed("The zip file is truncated: it has no directory at its end.")
    members, directory_bytes = struct.unpack_from("<HI", tail, at + 10)
    if members > MEMBERS_MAX or directory_bytes > _DIRECTORY_BYTES_MAX:
        raise TooLarge(f"The zip file has more than {MEMBERS_MAX} members, or is of the form for huge ones.")


def _member(
    archive: ZipFile, file: Seekable, info: ZipInfo, passwords: Sequence[bytes], meter: Meter
) -> Iterator[bytes]:
    name = _last_name(info.filename)
    try:
        if info.compress_type == zip_aes.METHOD:
            pieces = _sealed(file, info, passwords)
        else:
            pieces = _opened(archive, info, passwords)
        for piece in pieces:
            yield meter.out(piece)
    except _DAMAGED as error:
        locked = " or the password is wrong" if info.flag_bits & _ENCRYPTED else ""
        raise Malformed(f"{name} in the zip file is damaged{locked}: {error}.") from None
    except NotImplementedError:
        raise Malformed(f"{name} in the zip file is packed in a way that is not read.") from None


def _opened(archive: ZipFile, info: ZipInfo, passwords: Sequence[bytes]) -> Iterator[bytes]:
    """Read a member that is plain, or encrypted in zip's first way."""
    tried: Sequence[bytes | None] = [None]
    if info.flag_bits & _ENCRYPTED:
        tried = passwords
    for password in tried:
        try:
            member = archive.open(info, pwd=password)
        except RuntimeError:
            continue
        with member:
            while piece := member.read(_PIECE_BYTES):
                yield piece
        return
    raise _locked(info, passwords)


def _sealed(file: Seekable, info: ZipInfo, passwords: Sequence[bytes]) -> Iterator[bytes]:
    """Read a member that is encrypted with AES."""
    sealing = zip_aes.sealing_of(info)
    for password in passwords:
        pieces = zip_aes.decrypt(file, info, password, sealing)
        if pieces is None:
            continue
        if sealing.compression == ZIP_STORED:
            yield from pieces
        elif sealing.compression == ZIP_DEFLATED:
            yield from _inflated(pieces)
        else:
            raise NotImplementedError
        return
    raise _locked(info, passwords)


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-15)
    for piece in pieces:
        rest = piece
        while rest:
            yield unpacker.decompress(rest, _PIECE_BYTES)
            rest = unpacker.unconsumed_tail
    while not unpacker.eof and (more := unpacker.decompress(b"", _PIECE_BYTES)):
        yield more
    if not unpacker.eof:
        raise EOFError("it ends too early")


def _locked(info: ZipInfo, passwords: Sequence[bytes]) -> Refused:
    name = _last_name(info.filename)
    if passwords:
        return Malformed(f"No password that is known opens {name} in the zip file.")
    return Malformed(f"{name} in the zip file is encrypted; name its key.")
