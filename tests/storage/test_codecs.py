"""The stored formats: pinned by golden files, and loud about damage (design 3.2, 4.10, integrity)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.changes import Attach, Clear, Undo, Upsert
from schemas.column_codec import decode_columns, encode_columns
from schemas.columns import Column, Columns, Texts
from schemas.errors import Corrupt
from storage import blocks, merge, summaries
from storage.deltas import decode_delta, encode_delta
from storage.heads import BlockRef, HeadContent, decode_head, decode_refs, encode_head, encode_refs
from storage.pins import Pinned, decode_pin, encode_pin
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
"""As the first release named a block."""
REF_V2 = msgspec.structs.replace(REF, raw_bytes=9000, summary=b"whole", cells=True, summary_only=True)
"""As the next ones did."""
REF_V3 = msgspec.structs.replace(REF_V2, merges=True)
BLOCK_ID = bytes(range(16, 32))


def block_rows() -> bytes:
    """Write the stored rows of a block, summary included, by variable."""
    rows = merge.state([sample(6_000)])
    _, stored = blocks.encode_block(blocks.Place(SliceId(SERIES, 0), 0, built_on=4), BLOCK_ID, rows, 9)
    return msgspec.msgpack.encode({row.variable: row.body for row in stored})


def read_block(octets: bytes) -> object:
    """Read the rows of a block, and all that its summary says."""
    bodies = {(BLOCK_ID, name): body for name, body in msgspec.msgpack.decode(octets, strict=False).items()}
    ref = BlockRef(BLOCK_ID, 0, 0, 0, 0, 6_000, 9)
    variables = [name for _, name in bodies if name > 0]
    cells = summaries.decode_summaries([blocks.open_summary(ref, bodies)])
    said = {name: (found.groups.tolist(), found.good.count.tolist()) for name, found in cells.items()}
    return serial([blocks.decode_block(ref, bodies, variables)]), said


WRITTEN = {
    "columns-v1": lambda: encode_columns(sample(11)),
    "entry-upsert-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Upsert(sample(2)))),
    "entry-clear-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Clear(-5, 2**60))),
    "entry-attach-v3": lambda: encode_entry(SeriesEntry(SERIES, 3, Attach(encode_refs((REF_V3,))))),
    "delta-raw-v1": lambda: encode_delta(Upsert(sample(5))),
    "delta-packed-v1": lambda: encode_delta(Upsert(sample(100))),
    "entry-clear-undo-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Clear(-5, 2**60, 7 * 86_400))),
    "entry-undo-v1": lambda: encode_entry(SeriesEntry(SERIES, 3, Undo(2**52, -5, 2**60))),
    "delta-clear-v1": lambda: encode_delta(Clear(1, 2)),
    "delta-attach-part-v2": lambda: encode_delta(Attach(encode_refs((REF_V3,)), -5, 2**60)),
    "entry-attach-undo-v2": lambda: encode_entry(
        SeriesEntry(SERIES, 3, Attach(encode_refs((REF_V3,)), undo_s=7 * 86_400))
    ),
    "delta-restore-v2": lambda: encode_delta(Attach(encode_refs((REF_V3,)), -5, 2**60, clears=True)),
    "pin-import-v2": lambda: encode_pin(
        Pinned(-5, 2**60, encode_head(HeadContent(99, (REF_V3,), 5)), encode_refs((REF_V3,)))
    ),
    "pin-v2": lambda: encode_pin(Pinned(-5, 2**60, encode_head(HeadContent(99, (REF_V3,), 5)))),
    "head-v3": lambda: encode_head(HeadContent(99, (REF_V3,), 5)),
    "block-v1": block_rows,
}
"""Compressed bytes may differ with a library's version; what they decode to may not."""

READ = {
    "columns-v1": lambda octets: serial([decode_columns(octets)]),
    "entry-upsert-v1": lambda octets: serial([decode_entry(octets).content.columns]),
    "entry-clear-v1": decode_entry,
    "entry-attach-v3": decode_entry,
    "delta-raw-v1": lambda octets: serial([decode_delta(octets).columns]),
    "delta-packed-v1": lambda octets: serial([decode_delta(octets).columns]),
    "entry-clear-undo-v1": decode_entry,
    "entry-undo-v1": decode_entry,
    "delta-clear-v1": decode_delta,
    "delta-attach-part-v2": decode_delta,
    "entry-attach-undo-v2": decode_entry,
    "delta-restore-v2": decode_delta,
    "pin-import-v2": decode_pin,
    "pin-v2": decode_pin,
    "head-v3": decode_head,
    "block-v1": read_block,
}

OLDER = {
    "entry-attach-v1": (lambda octets: decode_refs(decode_entry(octets).content.blocks), (REF,)),
    "entry-attach-v2": (lambda octets: decode_refs(decode_entry(octets).content.blocks), (REF_V2,)),
    "entry-attach-undo-v1": (lambda octets: decode_refs(decode_entry(octets).content.blocks), (REF_V2,)),
    "delta-attach-part-v1": (lambda octets: decode_refs(decode_delta(octets).blocks), (REF_V2,)),
    "delta-restore-v1": (lambda octets: decode_refs(decode_delta(octets).blocks), (REF_V2,)),
    "head-v1": (decode_head, HeadContent(99, (REF,))),
    "head-v2": (decode_head, HeadContent(99, (REF_V2,), 5)),
    "pin-v1": (lambda octets: decode_head(decode_pin(octets).head), HeadContent(99, (REF_V2,), 5)),
    "pin-import-v1": (lambda octets: decode_refs(decode_pin(octets).attached), (REF_V2,)),
}
"""Formats that nobody writes any more: how they are read, and what they say."""


@pytest.mark.parametrize("name", OLDER)
def test_bytes_of_older_releases_are_read_for_ever(name):
    """What a newer release added has its default where an older one did not write it."""
    read, said = OLDER[name]

    assert said == read((GOLDEN / f"{name}.bin").read_bytes())


@pytest.mark.parametrize("name", WRITTEN)
def test_bytes_once_written_are_read_for_ever(name):
    """A golden file, written once, decodes to what today's encoder would be asked to write."""
    golden = (GOLDEN / f"{name}.bin").read_bytes()

    assert READ[name](WRITTEN[name]()) == READ[name](golden)


@pytest.mark.parametrize("name", [name for name in WRITTEN if not name.startswith(("delta-", "block-"))])
def test_uncompressed_formats_do_not_drift(name):
    """Without a compressor in between, today's bytes are the golden ones."""
    assert (GOLDEN / f"{name}.bin").read_bytes() == WRITTEN[name]()


@pytest.mark.parametrize("name", [name for name in WRITTEN if name.startswith(("entry", "delta", "head"))])
def test_a_flipped_bit_is_found_anywhere(name):
    """Each byte of an entry or delta is covered: by its checksum, or by what it must be."""
    octets = WRITTEN[name]()
    for place in range(len(octets)):
        damaged = bytearray(octets)
        damaged[place] ^= 0x10
        with pytest.raises(Corrupt):
            READ[name](bytes(damaged))


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "block-v1"])
def test_a_cut_or_empty_body_is_corrupt_and_never_a_crash(name):
    """Truncation at any place is reported as corruption, except an empty head, which is none."""
    octets = WRITTEN[name]()
    for size in range(0 if not name.startswith("head") else 1, len(octets), 7):
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
