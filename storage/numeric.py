"""Numbers ⇄ compressed bytes: constants, runs, decimals, pcodec for the rest (design 4.10, decision 0020).

An array's first byte names its codec; old codec numbers stay readable for ever:

    1 PCO       a pcodec file
    5 CONSTANT  value i64 · count u32
    6 DECIMALS  digits u8 · the array of integers that, divided by 10^digits, are the doubles
    7 RUNS      size u32 · the array of lengths, of that size · the array of one value a run
    8 RAW       values i64

What comes back has the same bits: doubles become integers only after the very division that reading does gave
each of them again.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from schemas.columns import Floats, Ints

_PCO, _CONSTANT, _DECIMALS, _RUNS, _RAW = 1, 5, 6, 7, 8
_CONSTANT_INT = struct.Struct("<BqI")
_RUNS_HEAD = struct.Struct("<BI")

DIGITS_MAX = 6
"""Decimals of a double that are looked for: what sensors and loggers write has fewer."""

_POWERS = tuple(10.0**digits for digits in range(DIGITS_MAX + 1))
_EXACT_MAX = 2.0**53
"""Above it not every integer is a double."""

RUN_ROWS_MIN = 16
"""Rows a run, on average, from which lengths and values take less than the rows."""

RAW_ROWS_MAX = 4
"""Integers that take less as they are than a pcodec file takes without any."""

PLANNED_ROWS_MIN, PLANNED_ROWS_MAX = 256, 2_048
"""Lengths of arrays for which the order of differences is chosen here: pcodec's own search takes longer than
the packing. Below, looking takes longer than it saves; above, the search pays: it also finds what repeats."""

SAMPLE_ROWS = 256
"""Rows by which an order is chosen."""

VALUES_MAX = 8 * 1024 * 1024
"""No array of ours is longer; a longer one is corruption, not a reason to allocate."""

_FLOAT_CONFIG = ChunkConfig(compression_level=4)
_INT_LEVEL = 6
"""1 to 3 % smaller than level 4; with the order given, as fast."""
_INT_CONFIG = ChunkConfig(compression_level=_INT_LEVEL)
_ORDERS = (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1), DeltaSpec.try_consecutive(2))
_PLANNED = tuple(ChunkConfig(compression_level=_INT_LEVEL, delta_spec=order) for order in _ORDERS)


def pack_ints(values: Ints) -> bytes:
    """Pack N integers; one value throughout takes 13 bytes."""
    rows = len(values)
    changes = np.count_nonzero(values[1:] != values[:-1])
    if rows and not changes:
        return _CONSTANT_INT.pack(_CONSTANT, int(values[0]), rows)
    if rows <= RAW_ROWS_MAX:
        return bytes((_RAW,)) + values.astype("<i8").tobytes()
    if RUN_ROWS_MIN * (changes + 1) <= rows:
        return _pack_runs(values)
    planned = PLANNED_ROWS_MIN <= rows <= PLANNED_ROWS_MAX
    return _pack_pco(values, _PLANNED[_order_of(values[:SAMPLE_ROWS])] if planned else _INT_CONFIG)


def pack_times(time_ms: Ints) -> bytes:
    """Pack N ascending times, as multiples of their interval and what is over where that varies less.

    Read with `unpack_ints`. Clocks that wake each second and are read some milliseconds later: 2.1 bits a row
    where differences take 2.8.
    """
    rows = len(time_ms)
    if rows < PLANNED_ROWS_MIN:
        return pack_ints(time_ms)
    sample = time_ms[: SAMPLE_ROWS + 1]
    steps = np.sort(sample[1:] - sample[:-1])
    interval = int(steps[len(steps) // 2])
    if interval > 1:
        over = time_ms[:: max(1, rows // SAMPLE_ROWS)] % interval
        if int(over.max()) - int(over.min()) < int(steps[-1]) - int(steps[0]):
            multiples = ModeSpec.try_int_mult(interval)
            return _pack_pco(time_ms, ChunkConfig(_INT_LEVEL, mode_spec=multiples, delta_spec=_ORDERS[1]))
    return _pack_pco(time_ms, _PLANNED[1] if rows <= PLANNED_ROWS_MAX else _INT_CONFIG)


def unpack_ints(packed: bytes | memoryview) -> Ints:
    """Give back what `pack_ints` or `pack_times` took; ValueError, RuntimeError or struct.error if not."""
    if packed[0] == _CONSTANT:
        _, value, rows = _CONSTANT_INT.unpack_from(packed)
        _require_length(rows)
        return np.full(rows, value, "<i8")
    if packed[0] == _RUNS:
        lengths, values = _split_runs(packed)
        return np.repeat(unpack_ints(values), lengths)
    if packed[0] == _RAW:
        return np.frombuffer(packed, "<i8", offset=1).copy()
    return _unpack_pco(packed, np.dtype("<i8"))  # type: ignore[return-value]


def pack_floats(values: Floats) -> bytes:
    """Pack N doubles; as integers where all of them are decimals with at most `DIGITS_MAX` digits."""
    if len(values) >= PLANNED_ROWS_MIN:
        found = _as_decimals(values)
        if found is not None:
            digits, scaled = found
            return bytes((_DECIMALS, digits)) + pack_ints(scaled)
    return _pack_pco(values, _FLOAT_CONFIG)


def unpack_floats(packed: bytes | memoryview) -> Floats:
    """Give back the bits that `pack_floats` took; ValueError, RuntimeError or struct.error if not."""
    if packed[0] == _DECIMALS:
        digits = packed[1]
        if digits > DIGITS_MAX:
            message = f"decimals of {digits} digits are from a newer release, or damaged"
            raise ValueError(message)
        return unpack_ints(packed[2:]) / _POWERS[digits]
    return _unpack_pco(packed, np.dtype("<f8"))  # type: ignore[return-value]


def _as_decimals(values: Floats) -> tuple[int, Ints] | None:
    """Find digits and integers that give each of N > 0 doubles again, bit by bit; None where there are none.

    A few values say how many digits there may be, so that what is no decimal costs almost nothing.
    """
    digits = 0
    for at in (0, len(values) // 2, -1):
        more = _digits_of(values.item(at), digits)
        if more is None:
            return None
        digits = more
    bits = values.view("<i8")
    with np.errstate(over="ignore", invalid="ignore"):
        while True:
            scaled = np.rint(values * _POWERS[digits]).astype("<i8")
            same = (scaled / _POWERS[digits]).view("<i8") == bits
            if same.all():
                return digits, scaled
            other = values.item(int(same.argmin()))
            # −0.0 is no integer, with however many digits; anything else may have more than were seen so far.
            more = _digits_of(other, digits + 1) if other else None
            if more is None:
                return None
            digits = more


def _digits_of(value: float, least: int) -> int | None:
    """Give the decimals that a double has, `least` or more; None if it has too many, or is not finite."""
    for digits in range(least, DIGITS_MAX + 1):
        scaled = value * _POWERS[digits]
        if not abs(scaled) < _EXACT_MAX:
            return None
        if round(scaled) / _POWERS[digits] == value:
            return digits
    return None


def _order_of(sample: Ints) -> int:
    """Choose values, differences, or differences of these: which spreads least."""
    shifted = (sample - sample[0]).astype(np.float64)
    once = shifted[1:] - shifted[:-1]
    twice = once[1:] - once[:-1]
    mean = float(shifted.sum()) / len(shifted)
    spreads = (
        float(shifted @ shifted) / len(shifted) - mean * mean,
        float(once @ once) / len(once),
        float(twice @ twice) / len(twice),
    )
    return spreads.index(min(spreads))


def _pack_runs(values: Ints) -> bytes:
    starts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    lengths = pack_ints(np.diff(starts, append=len(values)))
    return _RUNS_HEAD.pack(_RUNS, len(lengths)) + lengths + pack_ints(values[starts])


def _split_runs(packed: bytes | memoryview) -> tuple[Ints, memoryview]:
    """Give the lengths of the runs, and the packed values."""
    _, size = _RUNS_HEAD.unpack_from(packed)
    arrays = memoryview(packed)[_RUNS_HEAD.size :]
    lengths = unpack_ints(arrays[:size])
    _require_length(lengths.sum(dtype=np.float64))
    return lengths, arrays[size:]


def _require_length(rows: float) -> None:
    if not rows <= VALUES_MAX:
        message = f"an array of {rows:.0f} values is longer than any of ours"
        raise ValueError(message)


def _pack_pco(values: Floats | Ints, config: ChunkConfig) -> bytes:
    packed: bytes = standalone.simple_compress(np.ascontiguousarray(values), config)
    return bytes((_PCO,)) + packed


def _unpack_pco(packed: bytes | memoryview, kind: np.dtype[np.generic]) -> NDArray[np.generic]:
    if packed[0] != _PCO:
        message = f"an array of codec {packed[0]} is from a newer release, or damaged"
        raise ValueError(message)
    found = standalone.simple_decompress(bytes(packed[1:]))
    if found is None:
        return np.zeros(0, kind)
    if found.dtype != kind:
        message = f"an array of {found.dtype} where {kind} was written"
        raise ValueError(message)
    array: NDArray[np.generic] = found
    return array
