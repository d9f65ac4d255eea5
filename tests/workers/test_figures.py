"""What a writer counts is what it did, and every name of it is shown."""

import asyncio
import contextlib

import pytest

from runtime.metrics import FAMILIES, WRITER, decode_report, render
from tests.storage.series import OTHER, SERIES
from tests.workers.poison import GOOD, doubles, put_body
from tests.workers.world import START_MS, memory_world, step
from workers import figures


async def worked():
    """A writer that stored, set aside, sealed and purged."""
    world = memory_world()
    writer = world.writer()
    await step(writer)
    for number in range(3):
        await world.write(SERIES, doubles(START_MS + number))
        await world.write(OTHER, doubles(START_MS + number))
        world.clock.advance(50)
    put_body(world, GOOD[:-1])
    world.clock.advance(200)
    await step(writer)
    return world, writer


async def test_a_writer_counts_what_it_did():
    """Turns, entries, deltas, letters; lag from the oldest entry; what waits to be sealed."""
    world, writer = await worked()

    found = {sample.family: sample.value for sample in figures.report_of(writer, 5).samples}

    assert (1, 7, 2, 1) == tuple(
        found[f"writer_{name}"] for name in ("turns", "entries", "deltas", "dead_letters")
    )
    assert 0.35 == pytest.approx(found["writer_lag_seconds"])
    assert (2, 0, 4) == tuple(found[f"writer_{name}"] for name in ("slices_laid", "seals", "shards"))

    world.clock.advance(6_000)  # quiet: sealed
    await step(writer)
    world.clock.advance(3_000)  # grace: purged
    found = {sample.family: sample.value for sample in figures.report_of(writer, 5).samples}
    assert (2, 0, 2) == tuple(found[f"writer_{name}"] for name in ("seals", "slices_laid", "purges_waiting"))
    await step(writer)
    found = {sample.family: sample.value for sample in figures.report_of(writer, 5).samples}
    assert (2, 0) == (found["writer_purges"], found["writer_purges_waiting"])
    moved = tuple(found[f"writer_{name}_bytes"] for name in ("sealed", "seal_read", "seal_written"))
    assert moved[0] > 0 == moved[1] < moved[2]


async def test_every_figure_of_a_writer_is_shown():
    """A name that `/metrics` does not know would be lost without a word."""
    _, writer = await worked()
    report = figures.report_of(writer, 5)

    assert {sample.family for sample in report.samples} <= FAMILIES.keys()
    text = render({"writer-1": report}).decode()
    for family in FAMILIES:
        if family.startswith("writer_"):
            assert f"aspectstore_{family}" in text


async def test_figures_are_published_while_the_stream_comes_and_goes(monkeypatch):
    """A stream server that is away for a moment ends nothing."""
    world, writer = await worked()
    turns = []

    async def pause(_seconds):
        turns.append(await world.stream.published() if len(turns) != 1 else {})
        if len(turns) == 1:
            world.stream.stop()
        else:
            world.stream.start()
        if len(turns) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(figures.asyncio, "sleep", pause)
    with contextlib.suppress(asyncio.CancelledError):
        await figures.publish(writer, world.stream, world.clock)

    assert 3 == len(turns)
    [body] = turns[-1].values()
    assert WRITER == decode_report(body).kind
