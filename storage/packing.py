"""Columns ⇄ compressed bytes, each array by the codec that measures best for its kind (design 4.10).

Numbers are packed by `storage.numeric`, booleans are bits, strings a dictionary and codes where that is
smaller. An array's first byte names its codec; a column is a small header and up to four arrays, each behind
its length. Old codec numbers stay readable for ever.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

import numpy as np
import zstandard

from schemas.column_codec import unpacked_bits
from schemas.columns import Bools, Column, ColumnClass, Floats, Ints, Texts, Values
from schemas.errors import Corrupt
from storage.numeric import pack_floats, pack_ints, unpack_floats, unpack_ints

_BITS, _TEXTS, _DICTIONARY = 2, 3, 4
"""Codec numbers are shared with `storage.numeric`."""

_COLUMN = struct.Struct("<BBI")
_LENGTH = struct.Struct("<I")
_PRESENT, _REMOVED, _QUALITY = 1, 2, 4

ZSTD_LEVEL = 3
"""Strings and bitmaps: level 3 is zstandard's own balance point."""

UNPACKED_BYTES_MAX = 64 * 1024 * 1024
"""No array of ours is larger raw; a length above it is corruption, not a reason to allocate."""

_compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
_decompressors: deque[zstandard.ZstdDecompressor] = deque()
"""Those that nobody uses: two threads must not use one at once, and a new one takes 30 µs."""


def compress(raw: bytes) -> bytes:
    """Compress octets of no known shape."""
    return _compressor.compress(raw)


def decompress(packed: bytes | memoryview) -> bytes:
    """Give back what `compress` took; Corrupt if it cannot."""
    try:
        decompressor = _decompressors.pop()
    except IndexError:
        decompressor = zstandard.ZstdDecompressor()
    try:
        return decompressor.decompress(packed, max_output_size=UNPACKED_BYTES_MAX)
    except zstandard.ZstdError as broken:
        message = f"{len(packed)} compressed bytes do not unpack: {broken}"
        raise Corrupt(message) from broken
    finally:
        _decompressors.append(decompressor)


def pack_column(column: Column) -> bytes:
    """Pack values, presence, removals and quality codes of one variable."""
    flags = (
        (_PRESENT if column.present is not None else 0)
        | (_REMOVED if column.removed is not None else 0)
        | (_QUALITY if column.quality is not None else 0)
    )
    arrays = [_pack_values(column.values, column.present)]
    arrays += [_pack_bits(flags_of) for flags_of in (column.present, column.removed) if flags_of is not None]
    if column.quality is not None:
        arrays.append(pack_ints(column.quality))
    head = _COLUMN.pack(column.column_class, flags, len(column.values))
    return head + b"".join(_LENGTH.pack(len(array)) + array for array in arrays)


def unpack_column(packed: bytes | memoryview) -> Column:
    """Give back what `pack_column` took; Corrupt if it cannot."""
    try:
        view = memoryview(packed)
        column_class, flags, rows = _COLUMN.unpack_from(view)
        arrays = _split(view[_COLUMN.size :])
        values = _unpack_values(next(arrays), ColumnClass(column_class), rows)
        present = _unpack_bits(next(arrays), rows) if flags & _PRESENT else None
        removed = _unpack_bits(next(arrays), rows) if flags & _REMOVED else None
        quality = unpack_ints(next(arrays)) if flags & _QUALITY else None
        return Column(values, present, removed, quality)
    except (struct.error, ValueError, IndexError, RuntimeError, StopIteration) as broken:
        message = f"a column of {len(packed)} bytes does not unpack: {broken}"
        raise Corrupt(message) from broken


def _split(view: memoryview) -> Iterator[memoryview]:
    while view:
        (size,) = _LENGTH.unpack_from(view)
        yield view[4 : 4 + size]
        view = view[4 + size :]


def _pack_values(values: Values, present: Bools | None) -> bytes:
    if isinstance(values, Texts):
        return _pack_texts(values)
    if values.dtype.kind == "b":
        return _pack_bits(values)  # type: ignore[arg-type]
    if present is not None:
        values = _filled(values, present)  # type: ignore[arg-type]
    if values.dtype.kind == "i":
        return pack_ints(values)  # type: ignore[arg-type]
    return pack_floats(values)  # type: ignore[arg-type]


def _filled(values: Floats | Ints, present: Bools) -> Floats | Ints:
    """Repeat the last present value where there is none, or the first one: it costs the least to pack."""
    if not len(values):
        return values
    last = np.maximum.accumulate(np.where(present, np.arange(len(values)), present.argmax()))
    return values[last]


def _unpack_values(packed: memoryview, column_class: ColumnClass, rows: int) -> Values:
    if column_class is ColumnClass.FLOAT:
        return unpack_floats(packed)
    if column_class is ColumnClass.INTEGER:
        return unpack_ints(packed)
    if column_class is ColumnClass.BOOLEAN:
        return _unpack_bits(packed, rows)
    return _unpack_texts(packed)


def _pack_bits(flags: Bools) -> bytes:
    raw = np.packbits(flags, bitorder="little").tobytes()
    return bytes([_BITS]) + (compress(raw) if len(raw) > 64 else raw)


def _unpack_bits(packed: memoryview, rows: int) -> Bools:
    raw = packed[1:] if rows <= 64 * 8 else decompress(packed[1:])
    bits = np.frombuffer(raw, np.uint8)
    return unpacked_bits(bits, rows)


def _pack_texts(texts: Texts) -> bytes:
    """Choose between all strings and (distinct strings, a code a row)."""
    strings = texts.to_list()
    distinct = list(dict.fromkeys(strings))
    if 2 * len(distinct) <= len(strings):
        codes = {text: code for code, text in enumerate(distinct)}
        dictionary = _pack_texts_plain(Texts.of(distinct))
        rows = pack_ints(np.fromiter((codes[text] for text in strings), "<i8", len(strings)))
        return bytes([_DICTIONARY]) + _LENGTH.pack(len(dictionary)) + dictionary + rows
    return _pack_texts_plain(texts)


def _pack_texts_plain(texts: Texts) -> bytes:
    lengths = pack_ints(np.diff(texts.offsets))
    octets = compress(texts.octets[: texts.offsets[-1]].tobytes())
    return bytes([_TEXTS]) + _LENGTH.pack(len(lengths)) + lengths + octets


def _unpack_texts(packed: memoryview) -> Texts:
    (size,) = _LENGTH.unpack_from(packed, 1)
    first, second = packed[5 : 5 + size], packed[5 + size :]
    if packed[0] == _DICTIONARY:
        return _unpack_texts(first).take(unpack_ints(second))
    lengths = unpack_ints(first)
    offsets = np.zeros(len(lengths) + 1, "<i8")
    np.cumsum(lengths, out=offsets[1:])
    return Texts(offsets, np.frombuffer(decompress(second), np.uint8))
