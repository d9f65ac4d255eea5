"""Damage is found, named and contained (integrity): reads are loud, the rest stays readable."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from schemas.durations import DAY_MS, HOUR_MS
from schemas.errors import Corrupt
from storage import blocks
from storage.heads import HeadContent, encode_head
from storage.memory import MemorySeriesStore
from storage.port import Delta, Head, SliceId, Turn
from storage.reader import read_series
from storage.retention import retain
from storage.sealing import seal
from storage.spans import EVERYTHING, Wanted
from storage.sqlite.series import SqliteSeriesStore
from storage.summary_reader import read_cells
from storage.verifying import Seen, verify_series
from tests.storage.laying import FIRST_MS, SLICE, head_of, ids, lay, sealed_through, walk
from tests.storage.series import SERIES


async def filled() -> MemorySeriesStore:
    """Make a slice of three blocks, summaries included, with a delta on it."""
    store = MemorySeriesStore()
    await lay(store, 1, walk(1000 * np.arange(30_000)))
    await sealed_through(store, 1, ids())
    await lay(store, 2, walk(1000 * np.arange(40_000, 40_100)))
    return store


async def findings(store: MemorySeriesStore) -> list[str]:
    """Verify the series."""
    return [finding.text for finding in await verify_series(store, SERIES, Seen())]


def flip(store: MemorySeriesStore, block_id: bytes, variable: int) -> None:
    """Damage one bit of one stored row."""
    rows = store.blocks[SLICE, 0]
    body = bytearray(rows[block_id, variable])
    body[len(body) // 2] ^= 4
    rows[block_id, variable] = bytes(body)


async def test_a_sound_store_has_no_findings():
    """What sealing, retention and a purge that is still to come leave is sound; notes are no damage."""
    store = await filled()
    seen = Seen()

    assert [] == await verify_series(store, SERIES, seen)
    assert (1, 3, 1, 30_000) == (seen.slices, seen.blocks, seen.deltas, seen.rows)

    await retain(store, SLICE, FIRST_MS + 11_000_000, lambda: b"r" * 16)
    found = await verify_series(store, SERIES, seen)
    assert [True] == [finding.harmless for finding in found]


@pytest.mark.parametrize("variable", [blocks.SUMMARY, blocks.TIME, 2])
async def test_a_damaged_row_is_named_and_the_rest_is_readable(variable):
    """The error names series, slice, block and variable; other blocks and variables are read as before."""
    store = await filled()
    damaged = (await head_of(store)).blocks[1]
    flip(store, damaged.block_id, variable)
    named = (
        f"series {SERIES.text}, slice {SLICE.start_ms}: block {damaged.block_id.hex()}, variable {variable}:"
    )

    [found] = await findings(store)
    assert found.startswith(named)

    beside = [Wanted(FIRST_MS, damaged.from_ms), Wanted(damaged.to_ms + 1, 2**60)]
    assert [10_000, 10_100] == [(await read_series(store, SERIES, wanted)).rows for wanted in beside]
    if variable == blocks.SUMMARY:
        assert 30_100 == (await read_series(store, SERIES, EVERYTHING)).rows
        hours = np.arange(FIRST_MS // HOUR_MS, FIRST_MS // HOUR_MS + 12) * HOUR_MS
        with pytest.raises(Corrupt, match=named):
            [item async for item in read_cells(store, SERIES, EVERYTHING, hours)]
        return
    with pytest.raises(Corrupt, match=named):
        await read_series(store, SERIES, EVERYTHING)
    if variable == 2:
        others = Wanted(-(2**62), 2**62, frozenset({1, 3}))
        assert 30_100 == (await read_series(store, SERIES, others)).rows


async def test_every_kind_of_damage_is_found():
    """Missing rows, damaged deltas and heads, disorder, rows of other slices: each is a line of its own."""
    store = await filled()
    head = await head_of(store)
    first, second, third = head.blocks
    del store.blocks[SLICE, 0][first.block_id, 3]
    del store.blocks[SLICE, 0][second.block_id, blocks.SUMMARY]
    store.deltas[SLICE].append(Delta(SLICE, 3, 3, b"rubbish"))
    far = walk([40 * DAY_MS])
    store.deltas[SLICE].append(Delta(SLICE, 4, 4, (await _body_of(far))))
    twisted = HeadContent(head.sealed_through, (second, first, third))
    version = store.heads[SLICE].version
    store.heads[SLICE] = Head(version, encode_head(twisted))
    store.slices[SERIES][SLICE.start_ms + DAY_MS] = DAY_MS

    found = "\n".join(await findings(store))

    assert 6 == len(found.splitlines())
    for words in (
        f"block {first.block_id.hex()}, variable 3: the row is missing",
        f"block {second.block_id.hex()}, variable -1: the row is missing",
        "delta 3 to 3: a delta of 7 bytes",
        "delta 4 to 4 has rows of another slice",
        f"block {first.block_id.hex()} begins before block {second.block_id.hex()} ends",
        f"slice {SLICE.start_ms + DAY_MS}: it overlaps the slice",
    ):
        assert words in found

    store.heads[SLICE] = Head(version, b"\x02rubbish")
    assert any("a head of 8 bytes" in line for line in await findings(store))


async def _body_of(rows):
    other = MemorySeriesStore()
    await lay(other, 4, rows)
    return other.deltas[SLICE][0].body


async def test_a_wrong_summary_is_found():
    """A summary that counts other values than its rows have is damage, whatever its checksum says."""
    store = await filled()
    first, second, _ = (await head_of(store)).blocks
    stolen = blocks.encode_block(
        blocks.Place(SLICE, 0, 0), second.block_id, walk(1000 * np.arange(10_000, 19_999)), 1
    )[1]
    [summary] = [row.body for row in stolen if row.variable == blocks.SUMMARY]
    store.blocks[SLICE, 0][second.block_id, blocks.SUMMARY] = summary

    found = await findings(store)

    assert 3 == len(found)
    assert all("its summary counts other values" in line for line in found)
    assert first.block_id.hex() not in "".join(found)


async def test_the_command_prints_a_line_a_finding_and_ends_with_1(tmp_path, monkeypatch):
    """`aspectstore verify` walks a store beside a service: 1, with a line for each damage, or 0."""
    monkeypatch.chdir(tmp_path)
    store = await SqliteSeriesStore.open(tmp_path / "series.db")
    await lay(store, 1, walk(1000 * np.arange(12_000)))
    await seal(store, SLICE, 1, ids())
    other = SliceId(SERIES, SLICE.start_ms - 32 * DAY_MS)
    await store.write_turn(Turn((other,)))
    arguments = ["verify", "--data", str(tmp_path)]

    sound = await _run(arguments)
    assert (0, "2 slices, 2 blocks of 12,000 rows, 0 deltas: 0 damaged") == (
        sound.exit_code,
        sound.stdout.strip(),
    )
    assert "verify: 1 of 1 series (100 %)" in sound.stderr

    def damage(connection):
        connection.execute("UPDATE blocks SET body = zeroblob(40) WHERE variable = 1 AND rowid < 5")
        connection.execute("DELETE FROM pieces WHERE variable = 1 AND rowid < 5")

    await store.database.write(damage)
    broken = await _run(arguments)
    assert 1 == broken.exit_code
    lines = broken.stdout.splitlines()
    assert 2 == len(lines)
    assert "variable 1: a row of 40 bytes fails its checksum" in lines[0]
    await store.close()


async def _run(arguments):
    """Call the command as a process of its own would, beside the open store."""
    return await asyncio.to_thread(CliRunner().invoke, main, arguments)
