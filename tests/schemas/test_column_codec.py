"""Raw columns: what is written is read, alone and stacked (design 3.2)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.column_codec import decode_columns, encode_columns, stack_rows
from schemas.columns import Column, Columns, Texts
from tests.storage.layers import cells, random_rows, serial, upserts

MERGING = st.sampled_from([None, True, False])


@given(upserts())
def test_what_is_written_is_read(rows):
    """Any rows come back as they were, unsorted, repeated and merging ones too."""
    assert serial([rows]) == serial([decode_columns(encode_columns(rows))])


@st.composite
def alike(draw):
    """Draw single rows that differ in values only."""
    merging = draw(MERGING)
    count = draw(st.integers(1, 5))
    shape = draw(cells(1, [bool(merging)]))
    shape.pop(2, None)
    merges = None if merging is None else np.array([merging])
    return [Columns(np.array([draw(st.integers(0, 9))]), _shaken(draw, shape), merges) for _ in range(count)]


def _shaken(draw, shape):
    kinds = {"f": st.floats(allow_nan=False), "i": st.integers(-(2**63), 2**63 - 1), "b": st.booleans()}
    return {
        variable: Column(
            np.array([draw(kinds[column.values.dtype.kind])], column.values.dtype),
            column.present,
            column.removed,
            column.quality,
        )
        for variable, column in shape.items()
    }


@given(alike())
def test_stacking_single_rows_is_decoding_each(rows):
    """Bodies that differ in values only are read in one go, with the same outcome."""
    bodies = [encode_columns(row) for row in rows]

    stacked = stack_rows(bodies)

    assert stacked is not None
    assert [serial([row]) for row in rows] == [
        serial([stacked.part(place, place + 1)]) for place in range(len(rows))
    ]


def test_what_differs_in_more_than_values_is_not_stacked():
    """Other variables, other sizes, several rows and texts are left to the ordinary reader."""
    one = encode_columns(Columns(np.array([1]), {1: Column(np.array([1.0]))}))
    other = encode_columns(Columns(np.array([1]), {2: Column(np.array([1.0]))}))
    whole = encode_columns(Columns(np.array([1]), {1: Column(np.array([1]))}))
    more = encode_columns(random_rows(1, 2))
    text = encode_columns(Columns(np.array([1]), {1: Column(Texts.of(["a"]))}))

    for bodies in ([one, other], [one, whole], [one, more], [more], [text], [b""], [one[:-8]]):
        assert stack_rows(bodies) is None


def test_a_part_is_a_run_of_rows():
    """`part` gives the rows between two places, in any class."""
    rows = random_rows(3, 20)

    assert serial([rows.take(np.arange(4, 9))]) == serial([rows.part(4, 9)])
