"""Arrays of numbers: the same bits come back, from as few bytes as their kind allows (design 4.10)."""

from __future__ import annotations

import math
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Column
from schemas.errors import Corrupt
from storage import numeric, packing
from tests.storage.test_codecs import GOLDEN

ROWS = 1_000
TENTHS = np.round(20 + np.cumsum(np.random.default_rng(1).normal(0, 5, ROWS)), 1)
NAN_WITH_CONTENT = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0123))[0]


def jittered(rows: int) -> np.ndarray:
    """Make times of a clock that wakes each second and is read up to 3 ms later."""
    return 1_704_067_200_000 + 1000 * np.arange(rows) + np.random.default_rng(2).integers(0, 4, rows)


FLOATS = {
    "tenths": TENTHS,
    "held": np.repeat([20.5, 21.25, 19.0, 20.5], ROWS // 4),
    "drawn": np.random.default_rng(3).normal(size=ROWS),
}
INTS = {
    "walk": np.cumsum(np.random.default_rng(4).integers(-3, 4, ROWS)),
    "held": np.repeat([18, 24, 21, 2**62], ROWS // 4),
    "constant": np.full(ROWS, -7),
    "few": np.array([3, 1, 2]),
}
ARRAYS = {
    **{f"floats {name}": values for name, values in FLOATS.items()},
    **{f"ints {name}": values for name, values in INTS.items()},
    "times": jittered(ROWS),
}


def packed(name: str) -> bytes:
    """Pack one of `ARRAYS` as what it is."""
    if name == "times":
        return numeric.pack_times(ARRAYS[name])
    return (numeric.pack_floats if name.startswith("floats") else numeric.pack_ints)(ARRAYS[name])


def unpacked(name: str, octets: bytes) -> np.ndarray:
    """Read one of `ARRAYS` back."""
    return (numeric.unpack_floats if name.startswith("floats") else numeric.unpack_ints)(octets)


def bits_of(values: np.ndarray) -> list[int]:
    """Give doubles as their 64 bits: −0.0 is not 0.0, and a NaN is itself."""
    return values.astype("<f8").view("<i8").tolist()


def spread(values: list[float], rows: int) -> np.ndarray:
    """Repeat a few values, in turn, up to a length at which every codec is tried."""
    return np.resize(np.array(values, "<f8"), rows)


@pytest.mark.parametrize("release", ["v1", "v2"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_every_release_are_read_for_ever(release, name):
    """The first release knew pcodec and constants; the second decimals, runs and raw integers as well."""
    golden = msgspec.msgpack.decode((GOLDEN / f"numbers-{release}.bin").read_bytes())

    assert ARRAYS[name].tolist() == unpacked(name, golden[name]).tolist()


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_packed_comes_back(name):
    """Every kind of array comes back as it was, and of the type that it had."""
    found = unpacked(name, packed(name))

    assert ARRAYS[name].tolist() == found.tolist()
    assert ARRAYS[name].dtype == found.dtype


CODECS = {
    "floats tenths": 6, "floats held": 6, "floats drawn": 1, "ints walk": 1, "ints held": 7,
    "ints constant": 5, "ints few": 8, "times": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", CODECS)
def test_the_codec_fits_the_kind(name):
    """Decimals, runs, constants and a few integers have codecs of their own (decision 0020)."""
    assert CODECS[name] == packed(name)[0]


SIZES = {"floats tenths": 1_130, "floats held": 75, "ints held": 75, "ints constant": 13, "times": 330}


@pytest.mark.parametrize("name", SIZES)
def test_a_thousand_numbers_take_few_bytes(name):
    """A tenth of a unit is 9 bits where it is drawn at random; a held value costs nothing a row."""
    assert len(packed(name)) <= SIZES[name]


@given(
    value=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=7),
    rows=st.sampled_from([1, 59, 300, 3_000]),
)
def test_any_doubles_keep_their_bits(value, rows):
    """What a double is, infinities, NaN, −0.0 and the smallest ones included, no codec changes."""
    values = spread(value, rows)

    assert bits_of(values) == bits_of(numeric.unpack_floats(numeric.pack_floats(values)))


@given(
    scaled=st.lists(st.integers(-(2**53), 2**53), min_size=1, max_size=9),
    digits=st.integers(0, 8),
    other=st.sampled_from([None, -0.0, math.nan, NAN_WITH_CONTENT, math.inf, 1e300, 5e-324, math.pi]),
    at=st.integers(0, 299),
)
def test_decimals_keep_their_bits_whatever_is_among_them(scaled, digits, other, at):
    """One value that is no decimal, wherever it lies, is not made one."""
    values = spread([float(f"{number}e-{digits}") for number in scaled], 300)
    if other is not None:
        values[at] = other

    assert bits_of(values) == bits_of(numeric.unpack_floats(numeric.pack_floats(values)))


@given(
    values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=9),
    rows=st.sampled_from([1, 4, 5, 300, 3_000]),
    each=st.sampled_from([1, 40]),
)
def test_any_integers_come_back(values, rows, each):
    """The whole range of 64 bits, in any order, each once or held for a while; as times too."""
    array = np.resize(np.repeat(np.array(values, "<i8"), each), rows)

    assert array.tolist() == numeric.unpack_ints(numeric.pack_ints(array)).tolist()
    assert array.tolist() == numeric.unpack_ints(numeric.pack_times(array)).tolist()


@pytest.mark.parametrize("at", [0, 1, 499, 500, 999])
def test_digits_seen_late_are_found(at):
    """A value with more digits than the first ones had does not make the others doubles again."""
    values = np.resize([20.5, 21.0, 19.5], ROWS)
    values[at] = 20.123456

    assert numeric.pack_floats(values)[:2] == bytes((6, 6))


def test_more_digits_than_are_looked_for_stay_doubles():
    """Seven digits are a drawn number or a computed one."""
    assert numeric.pack_floats(np.resize([20.1234567], ROWS))[0] == 1


def test_drifting_times_are_packed_as_differences():
    """A clock that is a millisecond slower each second is no multiple of a second with something over."""
    drifting = 1_704_067_200_000 + 1001 * np.arange(ROWS) + np.random.default_rng(5).integers(0, 2, ROWS)

    assert len(numeric.pack_times(drifting)) < 260


def test_absent_cells_cost_no_decimals():
    """What lies under an absent cell is never read, so it may be what packs best."""
    present = np.arange(ROWS) % 3 == 1
    values = np.where(present, TENTHS, math.pi)
    octets = packing.pack_column(Column(values, present))
    found = packing.unpack_column(octets)

    assert TENTHS[present].tolist() == found.values[found.present].tolist()
    assert len(octets) < 1_000


DAMAGED = {
    "more digits than there are": bytes((6, 7)) + numeric.pack_ints(np.arange(9)),
    "an unknown codec": b"\x63" + numeric.pack_floats(TENTHS)[1:],
    "doubles for integers": b"\x06\x01" + numeric.pack_floats(FLOATS["drawn"]),
    "a constant without end": struct.pack("<BqI", 5, 1, 2**32 - 1),
    "runs without end": b"\x07\x0d\x00\x00\x00" + struct.pack("<Bqq", 8, 2**62, 2**62)[:13] + bytes(9),
    "runs shorter than nothing": struct.pack("<BI", 7, 17) + struct.pack("<BqqBqq", 8, -1, 3, 8, 1, 2),
    "one length too many": struct.pack("<BI", 7, 17) + struct.pack("<BqqBq", 8, 1, 3, 8, 1),
    "nothing": b"",
}
"""Arrays as they stand in a column of doubles."""


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_arrays_are_corrupt(name):
    """An array that is not what was written is said to be so, and allocates nothing (integrity)."""
    array = DAMAGED[name]
    if name.startswith(("runs", "one", "a constant")):
        array = b"\x06\x00" + array
    column = struct.pack("<BBI", 1, 0, 9) + struct.pack("<I", len(array)) + array

    with pytest.raises(Corrupt):
        packing.unpack_column(column)
