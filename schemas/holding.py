"""Step hold: for how long values of each class hold in each interval, and their integral (design 8.28).

A value holds from its time until the next one of the variable, at most `hold_ms`, and never beyond what is
known to have passed. Partials hold what lies inside a group; here what reaches over the ends of groups is
divided among the intervals that it crosses, intervals without a value included.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schemas.columns import Bools, Floats, Ints
from schemas.limits import HOLD_MS_DEFAULT_MAX
from schemas.partials import ClassPartials, Partials, ends_in
from schemas.quality import Quality

_MEDIANS = 3
"""Three times the usual distance: two values may be missing before a gap is one (design 8.28)."""


class Before(NamedTuple):
    """The last value before the first interval."""

    time_ms: int
    value: float
    quality: Quality


class Held(NamedTuple):
    """By interval: milliseconds that values of each class held, and ∫ v·dt in value times milliseconds."""

    good_ms: Ints
    uncertain_ms: Ints
    bad_ms: Ints
    good_integral: Floats
    uncertain_integral: Floats


class _Spans(NamedTuple):
    """From the last value of a group on: pieces of holding, each inside one interval."""

    owners: Ints
    """Place of the group; the value before the first interval is place 0 where there is one."""
    intervals: Ints
    lasting_ms: Ints


def default_hold_ms(time_ms: Ints) -> int:
    """Give the maximum hold where none is declared: from the times of some values, ascending."""
    if len(time_ms) < 2:
        return HOLD_MS_DEFAULT_MAX
    return min(max(int(_MEDIANS * np.median(np.diff(time_ms))), 1), HOLD_MS_DEFAULT_MAX)


def held_in(
    partials: Partials, borders_ms: Ints, before: Before | None, *, hold_ms: int, until_ms: int
) -> Held:
    """Give what held in each interval; the partials' groups are places among the borders, made for `hold_ms`.

    Nothing holds beyond `until_ms`, the present.
    """
    intervals = len(borders_ms) - 1
    classes, values = _ends(partials, before)
    spans = _spans(partials, borders_ms, before, hold_ms=hold_ms, until_ms=until_ms)
    of_class, lasting = classes[spans.owners], spans.lasting_ms
    integrals = values[spans.owners] * lasting

    def summed(chosen: Bools, amounts: Ints | Floats) -> Floats:
        found = np.bincount(spans.intervals[chosen], amounts[chosen].astype(np.float64), intervals)
        return found.astype(np.float64, copy=False)

    parts = {Quality.GOOD: partials.good, Quality.UNCERTAIN: partials.uncertain}
    held = {quality: summed(of_class == quality, lasting).astype(np.int64) for quality in Quality}
    integral = {quality: summed(of_class == quality, integrals) for quality in parts}
    for quality, part in parts.items():
        if part is not None:
            held[quality][partials.groups] += part.held_ms
            integral[quality][partials.groups] += part.integral
    held[Quality.BAD][partials.groups] += partials.bad_held_ms
    return Held(
        held[Quality.GOOD], held[Quality.UNCERTAIN], held[Quality.BAD],
        integral[Quality.GOOD], integral[Quality.UNCERTAIN],
    )  # fmt: skip


def _ends(partials: Partials, before: Before | None) -> tuple[Ints, Floats]:
    """Give class and value of what holds on from each group; of a bad value the value does not matter."""
    classes = np.full(len(partials), int(Quality.BAD))
    values = np.zeros(len(partials))
    for quality, part in ((Quality.GOOD, partials.good), (Quality.UNCERTAIN, partials.uncertain)):
        if part is not None:
            _put_ends(partials, part, quality, classes, values)
    if before is not None:
        classes = np.insert(classes, 0, before.quality)
        values = np.insert(values, 0, 0.0 if before.quality is Quality.BAD else before.value)
    return classes, values


def _put_ends(
    partials: Partials, part: ClassPartials, quality: Quality, classes: Ints, values: Floats
) -> None:
    ends = ends_in(partials, part)
    classes[ends] = quality
    values[ends] = part.last[ends]


def _spans(
    partials: Partials, borders_ms: Ints, before: Before | None, *, hold_ms: int, until_ms: int
) -> _Spans:
    end_ms = min(int(borders_ms[-1]), until_ms)
    firsts, begins = partials.first_ms, partials.last_ms
    if before is not None:
        firsts, begins = np.insert(firsts, 0, before.time_ms), np.insert(begins, 0, before.time_ms)
    nexts = np.append(firsts, end_ms)[1:]
    ends = np.minimum(np.minimum(nexts, begins + hold_ms), end_ms)
    begins = np.maximum(begins, borders_ms[0])
    owners = np.flatnonzero(ends > begins)
    begins, ends = begins[owners], ends[owners]
    first = np.searchsorted(borders_ms, begins, side="right") - 1
    counts = np.searchsorted(borders_ms, ends, side="left") - first
    places = np.repeat(np.arange(len(owners)), counts)
    intervals = first[places] + np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.maximum(begins[places], borders_ms[intervals])
    lasting = np.minimum(ends[places], borders_ms[intervals + 1]) - starts
    return _Spans(owners[places], intervals, lasting)
