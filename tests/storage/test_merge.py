"""The order rule as arrays equals the order rule row by row (design 4.4, 4.5, 3.2, MS-24, MS-26)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.changes import Clear, Upsert
from schemas.columns import Column, Columns
from storage import blocks, merge
from storage.deltas import decode_delta, encode_delta
from storage.port import SliceId
from tests.storage.layers import layers, random_rows, serial
from tests.storage.series import SERIES


@given(layers())
def test_the_state_of_layers_is_serial_execution(changes):
    """Whatever is laid over whatever, the state is what one row after the other would leave."""
    assert serial(changes) == serial([merge.state(changes)])


@given(layers())
def test_the_state_ascends_with_one_row_a_time(changes):
    """A state is sorted, holds each time once and wants nothing from below."""
    state = merge.state(changes)

    assert (np.diff(state.time_ms) > 0).all()
    assert state.merges is None
    assert all(column.removed is None for column in state.cells.values())


@given(layers(), st.data())
def test_folding_first_changes_nothing(changes, data):
    """Neighbouring upserts may be folded into one delta, stored and read back, wherever one likes."""
    stored: list[Columns | Clear] = []
    for change in changes:
        joins = stored and not isinstance(stored[-1], Clear) and not isinstance(change, Clear)
        if joins and data.draw(st.booleans()):
            stored[-1] = merge.fold([stored[-1], change])
        else:
            stored.append(change if isinstance(change, Clear) else merge.fold([change]))

    read = [_through_a_delta(layer) for layer in stored]

    assert serial(changes) == serial([merge.state(read)])


def _through_a_delta(layer):
    change = layer if isinstance(layer, Clear) else Upsert(layer)
    back = decode_delta(encode_delta(change))
    return back.columns if isinstance(back, Upsert) else back


@given(st.integers(0, 2**32), st.integers(1, 700))
def test_a_block_gives_back_the_state_that_was_put_in(seed, rows):
    """Blocks keep whole rows exactly, in any mix of types, presence and quality."""
    state = merge.state([random_rows(seed, rows)])
    ref, stored = blocks.encode_block(blocks.Place(SliceId(SERIES, 0), 0), bytes(16), state, 7)
    bodies = {(row.block_id, row.variable): row.body for row in stored}

    read = blocks.decode_block(ref, bodies, ref.variables)

    assert serial([state]) == serial([read])
    assert (int(state.time_ms[0]), int(state.time_ms[-1]), state.rows) == (ref.from_ms, ref.to_ms, ref.rows)


@given(st.integers(0, 2**32), st.integers(1, 700), layers())
def test_a_block_that_merges_is_laid_on_as_a_patch(seed, rows, below):
    """Parts of records come out of a block as they went in, and say nothing of values in a summary (3.2)."""
    state = merge.state([random_rows(seed, rows)])
    parts = Columns(state.time_ms, state.cells, np.ones(state.rows, bool))
    ref, stored = blocks.encode_block(blocks.Place(SliceId(SERIES, 0), 0), bytes(16), parts, 7)
    bodies = {(row.block_id, row.variable): row.body for row in stored}

    read = blocks.decode_block(ref, bodies, ref.variables)

    assert (True, False, b"") == (ref.merges, ref.cells, ref.summary)
    assert serial([*below, parts]) == serial([merge.state([*below, read])])


def test_a_value_without_its_code_clears_the_old_code():
    """A value and its quality code are one cell: merging x without x_qc leaves no code (design 3.2)."""
    with_code = Columns(np.array([5]), {1: Column(np.array([1.0]), quality=np.array([192]))})
    without = Columns(np.array([5]), {1: Column(np.array([2.0]))}, np.array([True]))

    state = merge.state([with_code, without])

    assert {5: {1: (2.0, -1)}} == serial([state])


def test_rows_are_the_same_however_a_block_holds_them():
    """Columns, bitmaps and codes that only rows beside them need make no difference (design 4.14)."""
    times = np.array([1, 2])
    plain = Columns(times, {1: Column(np.array([3, 4]))})
    none, every = np.array([False, False]), np.array([True, True])
    quality = np.array([-1, -1])
    held = Columns(times, {1: Column(np.array([3.0, 4.0]), every, quality=quality), 2: Column(times, none)})

    assert merge.same(plain, held)
    assert not merge.same(plain, Columns(times, {1: Column(np.array([3, 5]))}))
    assert not merge.same(plain, Columns(times, {1: Column(np.array([3, 4]), np.array([True, False]))}))
    assert not merge.same(plain, Columns(times, {1: Column(np.array([3, 4]), quality=np.array([-1, 192]))}))
    assert not merge.same(plain, Columns(times, {1: Column(np.array([True, True]))}))


def test_integers_widen_where_a_type_was_widened():
    """Old LONG rows and new DOUBLE rows of one variable are read together as doubles (design 8.12)."""
    old = Columns(np.array([1]), {1: Column(np.array([3]))})
    new = Columns(np.array([2]), {1: Column(np.array([4.5]))})

    state = merge.state([old, new])

    assert [3.0, 4.5] == state.cells[1].values.tolist()
