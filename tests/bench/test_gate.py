"""The gate of design 4 at tiny size: both forms are stored whole, and a run that lost something is no run."""

import os

import pytest

from bench import gate
from storage.cassandra.session import Address

TABLE_HEAD = "| deltas and blocks, sealing included |"


def address(cassandra, name):
    """Give a keyspace of this test."""
    return Address([cassandra.host], cassandra.port, f"test_gate_{name}_{os.getpid()}")


async def test_both_forms_are_stored_whole_and_compared(cassandra):
    """Every record of a run stands in Cassandra twice, and the section names ratio and surroundings."""
    measured = await gate.measure(address(cassandra, "whole"), gate.TINY)

    assert (1, 1) == (len(measured.deltas), len(measured.rows))
    assert measured.ratio == pytest.approx(measured.deltas[0] / measured.rows[0])
    text = gate.report(measured, gate.TINY)
    assert TABLE_HEAD in text
    assert f"Ratio **{measured.ratio:.1f}**" in text


async def test_a_run_that_lost_records_measures_nothing(cassandra, monkeypatch):
    """A batch that is not stored ends the measurement, however fast it was."""
    whole = gate.Load.batches
    monkeypatch.setattr(gate.Load, "batches", lambda *arguments: whole(*arguments)[:-1])

    with pytest.raises(gate.NotStored, match="1500 records in deltas and blocks, 1400 rows"):
        await gate.measure(address(cassandra, "lost"), gate.TINY)


def test_the_entries_are_those_of_the_workload():
    """Each turn holds one entry of every series, positions ascend, and the rows are the same records."""
    load = gate.Load(gate.TINY)
    turns = load.turns(7)

    positions = [entry.position for turn in turns for entry in turn]
    assert sorted(set(positions)) == positions
    assert [gate.TINY.assets] * 3 == [len(turn) for turn in turns]
    assert gate.TINY.rows == sum(len(batch.rows) for batch in load.batches(7))
