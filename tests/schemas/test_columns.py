"""Columns gather rows without needing many times the memory of what they hold."""

from __future__ import annotations

import tracemalloc

import numpy as np

from schemas.columns import LONG_TEXT_BYTES, Texts


def test_strings_of_any_length_are_gathered_alike():
    """Short ones, long ones, empty ones, in any order, some twice, none at all."""
    rows = np.array([3, 0, 0, 2, 1])
    for length in (1, LONG_TEXT_BYTES * 4):
        strings = ["é" * length, "", "b" * length, "c"]
        taken = Texts.of(strings).take(rows)
        assert [strings[row] for row in rows] == taken.to_list()
        assert [] == Texts.of(strings).take(rows[:0]).to_list()


def test_gathering_long_strings_takes_their_own_memory():
    """A page of the longest strings is 200 MB; turned round it may be twice that, not twenty times."""
    texts = Texts.of(["x" * 100_000] * 20)
    tracemalloc.start()
    try:
        texts.take(np.arange(20)[::-1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 * len(texts.octets)
