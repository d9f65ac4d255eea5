"""The stored formats: pinned by golden files, and loud about damage (design 3.2, 4.10, integrity)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from schemas.changes import Attach, Clear, Upsert
from schemas.column_codec import decode_columns, encode_columns
from schemas.columns import Column, Columns, Texts
from schemas.errors import Corrupt
from storage import blocks
from storage.deltas import decode_delta, encode_delta
from storage.heads import BlockRef, HeadContent, decode_head, encode_head, encode_refs
from storage.port import SliceId
from streams.entries import SeriesEntry, decode_entry, encode_entry
from tests.storage.layers import serial
from tests.storage.series import SERIES

GOLDEN = Path(__file__).parent / "golden"


def sample(rows: int) -> Columns:
    """Make rows of every class, with every bitmap."""
    numbers = np.arange(rows)
    return Columns(
        1_767_225_600_000 + 1000 * numbers,
        {
            1: Column(numbers / 4, present=numbers % 3 > 0, removed=numbers % 3 == 0),
            2: Column(numbers * 10**12, quality=np.where(numbers % 2, 192, -1)),
            7: Column(numbers % 2 == 0),
            300: Column(Texts.of([f"°C {number}" for number in numbers])),
        },
        numbers % 5 > 0,
    )


REF = BlockRef(bytes(range(16)), 1, 4096, 5, 9, 3, 77, (1, 2), 32)

WRITTEN = {
    "columns-v1": lambda: encode_columns(sample(11)),
    "entry-upsert-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Upsert(sample(2)))),
    "entry-clear-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Clear(-5, 2**60))),
    "entry-attach-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Attach(encode_refs((REF,))))),
    "delta-raw-v1": lambda: encode_delta(Upsert(sample(5))),
    "delta-packed-v1": lambda: encode_delta(Upsert(sample(100))),
    "delta-clear-v1": lambda: encode_delta(Clear(1, 2)),
    "head-v1": lambda: encode_head(HeadContent(99, (REF,))),
}
"""Compressed bytes may differ with a library's version; what they decode to may not."""

READ = {
    "columns-v1": lambda octets: serial([decode_columns(octets)]),
    "entry-upsert-v1": lambda octets: serial([decode_entry(octets).content.columns]),
    "entry-clear-v1": decode_entry,
    "entry-attach-v1": decode_entry,
    "delta-raw-v1": lambda octets: serial([decode_delta(octets).columns]),
    "delta-packed-v1": lambda octets: serial([decode_delta(octets).columns]),
    "delta-clear-v1": decode_delta,
    "head-v1": decode_head,
}


@pytest.mark.parametrize("name", WRITTEN)
def test_bytes_of_the_first_release_are_read_for_ever(name):
    """A golden file, written once, decodes to what today's encoder would be asked to write."""
    golden = (GOLDEN / f"{name}.bin").read_bytes()

    assert READ[name](WRITTEN[name]()) == READ[name](golden)


@pytest.mark.parametrize("name", [name for name in WRITTEN if not name.startswith("delta-")])
def test_uncompressed_formats_do_not_drift(name):
    """Without a compressor in between, today's bytes are the golden ones."""
    assert (GOLDEN / f"{name}.bin").read_bytes() == WRITTEN[name]()


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.startswith(("entry", "delta"))])
def test_a_flipped_bit_is_found_anywhere(name):
    """Each byte of an entry or delta is covered: by its checksum, or by what it must be."""
    octets = WRITTEN[name]()
    for place in range(len(octets)):
        damaged = bytearray(octets)
        damaged[place] ^= 0x10
        with pytest.raises(Corrupt):
            READ[name](bytes(damaged))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_cut_or_empty_body_is_corrupt_and_never_a_crash(name):
    """Truncation at any place is reported as corruption, except an empty head, which is none."""
    octets = WRITTEN[name]()
    for size in range(0 if name != "head-v1" else 1, len(octets), 7):
        with pytest.raises(Corrupt):
            READ[name](octets[:size])


def test_a_block_row_under_another_id_is_refused():
    """Each stored row repeats its block's id, so a row in the wrong place is not believed (design 4.2)."""
    place = blocks.Place(SliceId(SERIES, 0), 0, built_on=4)
    _, rows = blocks.encode_block(place, b"a" * 16, Columns(np.arange(3)), 9)
    stolen = {(b"b" * 16, row.variable): row.body for row in rows}

    assert blocks.built_on(b"a" * 16, rows[0].body) == 4
    with pytest.raises(Corrupt, match="62626262"):
        blocks.decode_block(BlockRef(b"b" * 16, 0, 1, 0, 2, 3, 9), stolen, ())


def test_packed_columns_take_few_bytes():
    """A thousand rows of a sensor's walk take about a byte, its time included (design 3)."""
    walk = np.round(20 + np.cumsum(np.random.default_rng(1).normal(0, 0.05, 1000)), 2)
    rows = Columns(1000 * np.arange(1000), {1: Column(walk)})

    assert len(encode_delta(Upsert(rows))) < 1_100
