"""Bytes of text → UTF-8 in blocks of whole lines, each line within its limit (SM-03, SM-10).

An encoding that is not declared is told from the first bytes: a mark, else strict UTF-8, else Windows-1252.
What was told is told back in the head, because a wrong guess is seen by people only. Every kind of line end
becomes a newline, except inside quoted cells that may go over several lines.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from schemas.columns import Ints
from schemas.errors import Malformed, TooLarge
from schemas.filetypes.limits import BLOCK_BYTES, DETECTION_BYTES_MAX, LINE_BYTES_MAX

UTF_8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_PARTS = {UTF_8, "utf-8-sig", "ascii"}


class Block(NamedTuple):
    """Whole lines of a text."""

    octets: bytes
    """UTF-8; ends with a newline, except perhaps at the end of the file."""
    first_line: int
    """The number of its first line, from 1."""
    bytes_in: int
    """Bytes of the source up to its end."""


def detect_encoding(start: bytes, *, is_all: bool = False) -> str:
    """Tell the encoding of a text from its first bytes; `is_all`: there are no more."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    sample = start[:DETECTION_BYTES_MAX]
    zeros = np.frombuffer(sample, np.uint8) == 0
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(zeros) >= 4 and zeros[place::2].mean() > 0.5 and not zeros[1 - place :: 2].any():
            return name
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(sample, final=is_all)
    except UnicodeDecodeError:
        return "cp1252"
    return UTF_8


_NOT_OF_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
"""Of names and of programs: they are not read piece by piece, some take time by the square."""


def is_encoding(name: str) -> bool:
    """Tell whether text of files can be read by this name."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        return False
    return found._is_text_encoding and found.name not in _NOT_OF_FILES


def read_blocks(
    pieces: Iterable[bytes], encoding: str, *, multiline: bool = False, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[str, Block]]:
    """Give the encoding and each block; TooLarge names a line that is too long, Malformed a wrong byte."""
    arriving = iter(pieces)
    start = b""
    for piece in arriving:
        start += piece
        if len(start) >= DETECTION_BYTES_MAX:
            break
    name = encoding or detect_encoding(start, is_all=len(start) < DETECTION_BYTES_MAX)
    cutter = _Cutter(name, multiline=multiline, block_bytes=block_bytes)
    yield from ((name, block) for block in cutter.take(start))
    for piece in arriving:
        yield from ((name, block) for block in cutter.take(piece))
    yield from ((name, block) for block in cutter.end())


class _Cutter:
    """Cuts what arrives into blocks at ends of lines."""

    def __init__(self, encoding: str, *, multiline: bool, block_bytes: int) -> None:
        self._encoding, self._multiline, self._block_bytes = encoding, multiline, block_bytes
        plain = codecs.lookup(encoding).name in _PARTS
        self._decoder = None if plain else codecs.getincrementaldecoder(encoding)()
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._line = 1
        self._bytes_in = 0

    def take(self, piece: bytes) -> Iterator[Block]:
        """Add bytes; give the blocks that are full with them."""
        if self._bytes_in == 0 and self._decoder is None:
            piece = piece.removeprefix(codecs.BOM_UTF8)
        for start in range(0, len(piece), self._block_bytes):
            part = piece[start : start + self._block_bytes]
            self._bytes_in += len(part)
            self._hold(self._decoded(part, final=False))
            if self._held_bytes >= self._block_bytes:
                yield from self._cut()

    def end(self) -> Iterator[Block]:
        """Give what is left."""
        self._hold(self._decoded(b"", final=True))
        rest = _with_newlines(b"".join(self._held), multiline=self._multiline)
        if rest:
            yield self._block(rest)

    def _decoded(self, part: bytes, *, final: bool) -> bytes:
        if self._decoder is None:
            return part
        try:
            return self._decoder.decode(part, final).encode("utf-8", "strict")
        except UnicodeError as error:
            raise self._wrong(error, b"".join(self._held).count(b"\n")) from None

    def _hold(self, part: bytes) -> None:
        self._held.append(part)
        self._held_bytes += len(part)

    def _cut(self) -> Iterator[Block]:
        held = b"".join(self._held)
        # A carriage return at the very end may be half of a line end.
        kept = b"\r" if held.endswith(b"\r") else b""
        text = _with_newlines(held.removesuffix(b"\r"), multiline=self._multiline)
        end = _last_end(text) if self._multiline else text.rfind(b"\n") + 1
        rest = text[end:] + kept
        if len(rest) > LINE_BYTES_MAX:
            raise self._too_long(text[:end].count(b"\n"))
        self._held, self._held_bytes = [rest], len(rest)
        if end:
            yield self._block(text[:end])

    def _block(self, octets: bytes) -> Block:
        ends = newlines(octets)
        starts = np.concatenate([np.zeros(1, np.int64), ends + 1])
        lengths = np.append(ends, len(octets)) - starts
        if int(lengths.max()) > LINE_BYTES_MAX:
            raise self._too_long(int(lengths.argmax()))
        if self._decoder is None and not octets.isascii():
            try:
                octets.decode()
            except UnicodeDecodeError as error:
                raise self._wrong(error, octets.count(b"\n", 0, error.start)) from None
        block = Block(octets, self._line, self._bytes_in)
        self._line += len(ends)
        return block

    def _too_long(self, lines_before: int) -> TooLarge:
        line = self._line + lines_before
        return TooLarge(f"Line {line} is longer than {LINE_BYTES_MAX} bytes; is this file of another format?")

    def _wrong(self, error: UnicodeError, lines_before: int) -> Malformed:
        line = self._line + lines_before
        reason = getattr(error, "reason", str(error))
        return Malformed(
            f"About line {line} the text is not {self._encoding} ({reason}); declare the encoding of the"
            " file, latin-1 or cp1252 for instance."
        )


def newlines(octets: bytes) -> Ints:
    """Give the places of all ends of lines."""
    return np.flatnonzero(np.frombuffer(octets, np.uint8) == _NEWLINE)


def ends_outside_quotes(octets: bytes) -> Ints:
    """Give the places of ends of lines that stand in no quoted cell: an even number of quotes before them."""
    array = np.frombuffer(octets, np.uint8)
    ends = np.flatnonzero(array == _NEWLINE)
    quotes = np.flatnonzero(array == _QUOTE)
    outside: Ints = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return outside


def _last_end(octets: bytes) -> int:
    ends = ends_outside_quotes(octets)
    return int(ends[-1]) + 1 if len(ends) else 0


def _with_newlines(text: bytes, *, multiline: bool) -> bytes:
    """Make a newline of every line end; what stands in quotes stays, where cells go over lines."""
    if b"\r" not in text:
        return text
    if not multiline:
        text = text.replace(b"\r\n", b"\n")
        return text.replace(b"\r", b"\n") if b"\r" in text else text
    array = np.append(np.frombuffer(text, np.uint8), np.zeros(1, np.uint8))
    returns = np.flatnonzero(array == _RETURN)
    quotes = np.flatnonzero(array == _QUOTE)
    outside = returns[np.searchsorted(quotes, returns) % 2 == 0]
    is_pair = array[outside + 1] == _NEWLINE
    array[outside[~is_pair]] = _NEWLINE
    return np.delete(array[:-1], outside[is_pair]).tobytes()
