"""Rows of text out of columns of words: how thousands of values become JSON or CSV without a loop over cells.

The text of a column is a sequence of parts, each either bytes that all rows share or *words*: one
little-endian unsigned integer of 1, 2, 4 or 8 characters a row, with NUL where a text is shorter. All rows
are laid into one matrix of bytes, a part at a time, and the NULs are taken out at the end: NUL is in no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.columns import Bools, Floats, Ints, Texts

Words = NDArray[np.unsignedinteger]
Text = Sequence[Words | bytes]
"""The parts of one column's texts, in their order."""

TEXT_BYTES_MAX = 64
"""Longer strings would make every row of the matrix as wide as the longest."""

_EXACT_BELOW = 1e15
"""Two decimals of up to 15 digits never share a double, so one that reads back is the shortest."""
_SMALLEST_PLAIN = 1e-5
"""Below it (and from 1e16 on) JSON numbers are written with an exponent."""
_DECIMALS = (0, 1, 2, 3, 6)
_SAMPLE = 32
"""Rows of which the number of decimals is guessed; the others are checked."""
_CHUNK = 10_000
_LONGEST_DOUBLE = 24

_encoder = msgspec.json.Encoder()


class Cell(NamedTuple):
    """One member of every row."""

    text: Text
    opening: bytes = b""
    closing: bytes = b""
    present: Bools | None = None
    """Rows without the member lack opening and closing, too; None: every row has it."""


def lay(rows: int, cells: Sequence[Cell | bytes]) -> bytes:
    """Write the rows end to end."""
    template = b"".join(cell if isinstance(cell, bytes) else _room(cell) for cell in cells)
    width = len(template)
    matrix = np.empty((rows, width), np.uint8)
    matrix[:] = np.frombuffer(template, np.uint8)
    place = 0
    for cell in cells:
        if isinstance(cell, bytes):
            place += len(cell)
            continue
        start, place = place, place + len(cell.opening)
        for part in cell.text:
            if isinstance(part, bytes):
                place += len(part)
            else:
                np.ndarray(rows, part.dtype, matrix, place, (width,))[:] = part
                place += part.itemsize
        place += len(cell.closing)
        if cell.present is not None:
            matrix[np.flatnonzero(~cell.present), start:place] = 0
    return _without_nul(matrix)


def _room(cell: Cell) -> bytes:
    room = (part if isinstance(part, bytes) else bytes(part.itemsize) for part in cell.text)
    return cell.opening + b"".join(room) + cell.closing


def _without_nul(matrix: NDArray[np.uint8]) -> bytes:
    text = matrix.tobytes()
    # The one leaps from NUL to NUL, the other looks at each byte: measured, they meet at one in twenty.
    if matrix.size - np.count_nonzero(matrix) < matrix.size // 20:
        return text.replace(b"\0", b"")
    return text.translate(None, b"\0")


# -- numbers ---------------------------------------------------------------------------------------


def _table(texts: Iterable[bytes], dtype: str) -> Words:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(b"".join(text.ljust(size, b"\0") for text in texts), dtype)


@lru_cache(maxsize=1)
def _chunks() -> Words:
    """Four digits each: plain, then padded with zeros, then nothing."""
    plain = _table((b"%d" % number for number in range(_CHUNK)), "<u4")
    padded = _table((b"%04d" % number for number in range(_CHUNK)), "<u4")
    return np.concatenate((plain, padded, np.zeros(1, "<u4")))


@lru_cache(maxsize=len(_DECIMALS))
def _fractions(digits: int) -> Words:
    """Give `.d…` for every fraction of so many digits, the zeros at its end cut off, but for one."""
    texts = (b"." + (b"%0*d" % (digits, number)).rstrip(b"0") for number in range(10**digits))
    return _table((text if len(text) > 1 else b".0" for text in texts), "<u4")


@lru_cache(maxsize=1)
def _long_fractions() -> tuple[Words, Words]:
    """Give the parts of six decimals: `.ddd` whole, and the digits behind it with the zeros cut off."""
    whole = _table((b".%03d" % number for number in range(1_000)), "<u4")
    rest = _table(((b"%03d" % number).rstrip(b"0") for number in range(1_000)), "<u4")
    return whole, rest


def integer_text(values: Ints) -> Text:
    """Write integers of any size in decimal digits."""
    negative = values < 0
    # Minus the least one is itself, and as an unsigned number it is what it should be.
    magnitude = np.where(negative, -values, values).view(np.uint64)
    sign: list[Words | bytes] = [_signs(negative)] if negative.any() else []
    return [*sign, *_digits(magnitude, np.ones(len(values), np.bool_))]


def _signs(negative: Bools) -> Words:
    return negative.view(np.uint8) * np.uint8(ord("-"))


def _digits(magnitude: NDArray[np.uint64], shown: Bools) -> list[Words | bytes]:
    """Write whole numbers, or nothing where one is not shown."""
    chunks: list[NDArray[np.uint64]] = []
    rest = magnitude
    while True:
        higher = rest // np.uint64(_CHUNK)
        chunks.append(rest - higher * np.uint64(_CHUNK))
        if not higher.any():
            break
        rest = higher
    parts: list[Words | bytes] = []
    begun = np.zeros(len(magnitude), np.bool_)
    for place, chunk in enumerate(reversed(chunks)):
        index = chunk.view(np.int64) + begun * _CHUNK
        begun = begun | (chunk > 0)
        written = shown if place == len(chunks) - 1 else begun
        words = _chunks()[np.where(written, index, 2 * _CHUNK)]
        parts += _cut(words, len(str(int(chunk.max(initial=0)))) if place == 0 else 4)
    return parts


def _cut(words: Words, width: int) -> list[Words]:
    """Keep so many of four characters: every NUL less is a place less to be taken out."""
    if width == 4:
        return [words]
    if width == 3:
        return [words.astype("<u2"), (words >> np.uint32(16)).astype("u1")]
    return [words.astype(f"<u{width}")]


def double_text(values: Floats) -> Text:
    """Write finite doubles, each as the shortest decimal that reads back the same."""
    size = np.minimum(np.abs(values), _EXACT_BELOW)
    digits = _decimals_of(size[:_SAMPLE])
    scaled = np.rint(size * 10**digits)
    exact = (scaled / 10**digits == size) & (scaled < _EXACT_BELOW)
    exact &= (size >= _SMALLEST_PLAIN) | (size == 0)
    if not exact.any():
        return _any_doubles(values)
    negative = np.signbit(values)
    others: Text = []
    shown = np.ones(len(values), np.bool_)
    if not exact.all():
        shown, rows = exact, np.flatnonzero(~exact)
        negative &= exact
        others = [_spread(words, rows, len(values)) for words in _any_doubles(values[rows])]
        scaled = np.where(exact, scaled, 0)
    number = scaled.astype(np.uint64)
    whole = number // np.uint64(10**digits)
    fraction = (number - whole * np.uint64(10**digits)).view(np.int64)
    sign = [_signs(negative)] if negative.any() else []
    return [*sign, *_digits(whole, shown), *_fraction(fraction, digits, shown), *others]


def _decimals_of(size: Floats) -> int:
    for digits in _DECIMALS:
        if (np.rint(size * 10**digits) / 10**digits == size).all():
            return digits
    return _DECIMALS[-1]


def _fraction(fraction: Ints, digits: int, shown: Bools) -> list[Words]:
    if digits <= 3:
        parts = _cut(_fractions(digits)[fraction], max(digits, 1) + 1)
    else:
        high = fraction // 1_000
        low = fraction - high * 1_000
        whole, rest = _long_fractions()
        parts = [np.where(low > 0, whole[high], _fractions(3)[high]), *_cut(rest[low], 3)]
    return parts if shown.all() else [np.where(shown, part, part.dtype.type(0)) for part in parts]


def _any_doubles(values: Floats) -> list[Words]:
    texts = _encoder.encode(values.tolist())[1:-1].split(b",")
    matrix = np.array(texts, f"S{_LONGEST_DOUBLE}").view("<u8").reshape(len(texts), -1)
    return [words for words in matrix.T if words.any()]


def _spread(words: Words, rows: Ints, size: int) -> Words:
    spread = np.zeros(size, words.dtype)
    spread[rows] = words
    return spread


# -- the rest --------------------------------------------------------------------------------------

_BOOLEANS = _table((b"fals", b"true"), "<u4")
_LAST_OF_FALSE = _table((b"e", b""), "u1")


def boolean_text(values: Bools) -> Text:
    """Write `true` and `false`."""
    index = values.view(np.uint8)
    return [_BOOLEANS[index], _LAST_OF_FALSE[index]]


def string_text(values: Texts, special: Bools) -> Text | None:
    """Write strings as they are; None if one is too long or has one of the 256 `special` bytes."""
    begin, end = int(values.offsets[0]), int(values.offsets[-1])
    octets = values.octets[begin:end]
    lengths = np.diff(values.offsets)
    longest = int(lengths.max(initial=0))
    if longest > TEXT_BYTES_MAX or special[octets].any():
        return None
    width = -(-longest // 8) * 8
    matrix = np.zeros((len(values), width), np.uint8)
    matrix[np.arange(width) < lengths[:, None]] = octets
    return list(matrix.view("<u8").T)
