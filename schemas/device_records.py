"""What a device measured, sorted out: samplings and routes → columns of each series, and what is refused.

A device knows data points, not variables: a payload has samplings, each a timestamp and values, all of them
texts (wire 6.3). Every value is converted by the type of the variable that it is for. A value that cannot be
stored does no harm to the others; it is refused with one reason, kept and shown. Pure.

Rows exist as objects only until `sort_out` has turned them into arrays by data point; work and memory are
linear in the payload, and in the payload times the targets of a data point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import chain
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.aspects import Variable
from schemas.cells import record_bytes
from schemas.columns import NO_QUALITY, Bools, Column, ColumnClass, Columns, Ints, Texts, Values
from schemas.device_values import converted, quality_codes
from schemas.devices.held import NOTHING_HELD, Held, spare
from schemas.devices.twins import demand_single
from schemas.diagnosis import Rules
from schemas.errors import Malformed, TooLarge
from schemas.limits import BODY_CELLS_MAX, RECORD_BYTES_MAX
from schemas.mappings import RoutedAspect, Routes
from schemas.times import parse_time, parse_times

Places: TypeAlias = NDArray[np.int64]
"""Of values in the payload, counted through all samplings."""


class DeviceValue(msgspec.Struct, rename="camel", gc=False):
    """One value of one data point."""

    data_point_id: str
    value: str
    quality_code: str | None = None


class Sampling(msgspec.Struct, gc=False):
    """What was measured at one time."""

    timestamp: str
    values: list[DeviceValue]


class _LooseValue(msgspec.Struct, rename="camel", gc=False):
    data_point_id: str
    value: str | int | float | bool
    quality_code: str | int | None = None


class _LooseSampling(msgspec.Struct, gc=False):
    timestamp: str
    values: list[_LooseValue]


_strict = msgspec.json.Decoder(list[Sampling])
_loose = msgspec.json.Decoder(list[_LooseSampling])


class Reason(IntEnum):
    """Why a value is not stored."""

    STORED = 0
    NO_MAPPING = 1
    INVALID_MAPPING = 2
    """At least one of its mappings is not valid; by the others it is stored all the same."""
    VALUE = 3
    QUALITY = 4
    TIMESTAMP = 5
    WINDOW = 6
    SIZE = 7
    CONFIGURATION = 8
    HELD = 9
    """In a replay: its cell has another value by now; where its other mappings bring it, it is stored."""


class Share(NamedTuple):
    """What one series gets of a payload."""

    aspect: RoutedAspect
    columns: Columns
    """Rows merge, one a time, ascending (design 3.2)."""
    values: int
    """Of the payload, so many."""


class Sorted(NamedTuple):
    """A payload, sorted out."""

    samplings: Sequence[Sampling]
    values: Sequence[DeviceValue]
    """Of all samplings, in order."""
    reasons: NDArray[np.uint8]
    """Of each value a `Reason`: STORED, or why it must be kept elsewhere."""
    shares: list[Share]

    @property
    def refused(self) -> int:
        """Count the values that are not stored, or not wherever they should be."""
        return int(np.count_nonzero(self.reasons))


def read_samplings(payload: bytes) -> list[Sampling]:
    """Read the JSON of a payload; Malformed for what is none, and where a member stands twice.

    Numbers and booleans that stand for themselves count as the texts that they are.
    """
    samplings = _read(payload)
    rows = len(samplings)
    values = sum(len(each.values) for each in samplings)
    codes = sum(value.quality_code is not None for each in samplings for value in each.values)
    of_rows = {b'"timestamp"': rows, b'"values"': rows}
    demand_single(payload, {**of_rows, b'"dataPointId"': values, b'"value"': values, b'"qualityCode"': codes})
    return samplings


def _read(payload: bytes) -> list[Sampling]:
    try:
        return _strict.decode(payload)
    except msgspec.ValidationError:
        pass  # well-formed so far
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the payload is not JSON: {error}") from None
    try:
        loose = _loose.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the payload has no samplings: {error}") from None
    return [Sampling(each.timestamp, [_tight(value) for value in each.values]) for each in loose]


def sort_out(
    samplings: Sequence[Sampling], routes: Routes, rules: Rules, held: Held = NOTHING_HELD
) -> Sorted:
    """Find the series of every value and convert it; over what is `held` nothing is written.

    TooLarge where columns for all would be out of proportion to a body (`BODY_CELLS_MAX`).
    """
    values = list(chain.from_iterable([sampling.values for sampling in samplings]))
    of_sampling = np.repeat(np.arange(len(samplings)), [len(sampling.values) for sampling in samplings])
    times_ms, faults = _times([sampling.timestamp for sampling in samplings], rules)
    if _is_ascending(times_ms):
        rows_ms, rows = times_ms, of_sampling
    else:
        rows_ms, row_of = np.unique(times_ms, return_inverse=True)
        rows = row_of[of_sampling]
    payload = _Payload(values, rows, faults[of_sampling])
    gathered: dict[int, list[_Cells]] = {}
    is_timely = not faults.any()
    for name, places in payload.by_data_point(routes):
        timely = places if is_timely else places[payload.reasons[places] == Reason.STORED]
        for route in routes.by_point.get(name, ()) if len(timely) else ():
            cells = payload.cells(route.variable, timely)
            if route.place in held and len(cells.places):
                cells = payload.spared(cells, held[route.place], rows_ms)
            if len(cells.places):
                gathered.setdefault(route.place, []).append(cells)
        if name in routes.faults:
            payload.refuse(places, Reason.INVALID_MAPPING)
    shares = _shares(gathered, routes, rows_ms, payload)
    return Sorted(samplings, values, payload.reasons, shares)


def refuse_all(samplings: Sequence[Sampling], reason: Reason) -> Sorted:
    """Refuse every value of a payload, whatever it is."""
    values = list(chain.from_iterable([sampling.values for sampling in samplings]))
    return Sorted(samplings, values, np.full(len(values), reason, np.uint8), [])


def refused_samplings(found: Sorted) -> bytes:
    """Write the values that were refused as a payload of their own; `[]` where there is none."""
    left: list[Sampling] = []
    place = 0
    flags = (found.reasons != Reason.STORED).tolist()
    for sampling in found.samplings:
        end = place + len(sampling.values)
        values = [value for value, flag in zip(sampling.values, flags[place:end], strict=True) if flag]
        if values:
            left.append(Sampling(sampling.timestamp, values))
        place = end
    return msgspec.json.encode(left)


class _Cells(NamedTuple):
    """Converted values of one variable."""

    variable: Variable
    places: Places
    rows: Ints
    """Of each value; the later one counts where two have one time."""
    values: NDArray[np.generic] | list[str]
    quality: Ints | None

    def picked(self, kept: Ints) -> _Cells:
        """Give some of the values."""
        values = self.values
        some = [values[row] for row in kept.tolist()] if isinstance(values, list) else values[kept]
        quality = None if self.quality is None else self.quality[kept]
        return self._replace(places=self.places[kept], rows=self.rows[kept], values=some, quality=quality)


class _Payload:
    """The values, and what has been found out about each."""

    def __init__(self, values: Sequence[DeviceValue], rows: Ints, reasons: NDArray[np.uint8]) -> None:
        self._values = values
        self._rows = rows
        """Of each value its time, as a place among the different times."""
        self.reasons = reasons

    def by_data_point(self, routes: Routes) -> Iterator[tuple[str, Places]]:
        """Give the values of each data point that has a mapping, ascending; refuse the others at once.

        A payload may name as many data points as it has values, an agent has few that are mapped.
        """
        unmapped: list[int] = []
        found: dict[str, list[int]] = {}
        for place, value in enumerate(self._values):
            name = value.data_point_id
            if (places := found.get(name)) is not None:
                places.append(place)
            elif name in routes.by_point or name in routes.faults:
                found[name] = [place]
            else:
                unmapped.append(place)
        if unmapped:
            self.refuse(np.array(unmapped, np.int64), Reason.NO_MAPPING)
        for name, places in found.items():
            yield name, np.array(places, np.int64)

    def refuse(self, places: Places, reason: Reason) -> None:
        """Note why these values are not stored; what was noted first stays."""
        free = places[self.reasons[places] == Reason.STORED]
        self.reasons[free] = reason

    def cells(self, variable: Variable, places: Places) -> _Cells:
        """Convert these values; those that do not convert are refused, empty ones left out."""
        sent = [self._values[place] for place in places.tolist()]
        values, given, faulty = converted(variable, [value.value for value in sent])
        if faulty is not None:
            self.refuse(places[faulty], Reason.VALUE)
        quality = None
        if variable.quality_code:
            quality, no_codes = quality_codes([value.quality_code for value in sent])
            if no_codes is not None:
                self.refuse(places[no_codes], Reason.QUALITY)
                given = ~no_codes if given is None else given & ~no_codes
        if given is not None:
            kept = np.flatnonzero(given)
            values = [values[row] for row in kept.tolist()] if isinstance(values, list) else values[kept]
            places, quality = places[kept], None if quality is None else quality[kept]
        return _Cells(variable, places, self._rows[places], values, quality)

    def spared(self, cells: _Cells, held: Columns, rows_ms: Ints) -> _Cells:
        """Leave out the values whose cells have other ones, and refuse them."""
        times_ms = rows_ms[cells.rows]
        left_out, refused = spare(held, cells.variable.id, times_ms, cells.values, cells.quality)
        self.refuse(cells.places[refused], Reason.HELD)
        return cells.picked(np.flatnonzero(~left_out)) if left_out.any() else cells


def _times(texts: Sequence[str], rules: Rules) -> tuple[Ints, NDArray[np.uint8]]:
    """Read the time of each sampling, and why it is not taken."""
    faults = np.zeros(len(texts), np.uint8)
    times_ms = parse_times(texts) if texts else np.zeros(0, np.int64)
    if times_ms is None:
        times_ms = np.zeros(len(texts), np.int64)
        for place, text in enumerate(texts):
            try:
                times_ms[place] = parse_time(text)
            except Malformed:
                faults[place] = Reason.TIMESTAMP
    outside = (times_ms < rules.least_ms) | (times_ms > rules.most_ms)
    faults[outside & (faults == Reason.STORED)] = Reason.WINDOW
    return times_ms, faults


def _shares(
    gathered: dict[int, list[_Cells]], routes: Routes, rows_ms: Ints, payload: _Payload
) -> list[Share]:
    room = BODY_CELLS_MAX
    shares = []
    for place, found in gathered.items():
        rows = _rows_of(found)
        room -= len(rows) * len(found)
        if room < 0:
            raise TooLarge("The payload spreads over too many variables and times; send it in several.")
        columns = _columns(found, rows, rows_ms)
        aspect = routes.aspects[place]
        if aspect.type.record_bytes_max > RECORD_BYTES_MAX:
            columns = _without_large_rows(found, rows, columns, payload)
        if columns.rows:
            shares.append(Share(aspect, columns, sum(len(cells.places) for cells in found)))
    return shares


def _rows_of(found: Sequence[_Cells]) -> Ints:
    """Give the rows in which at least one variable has a value, ascending; mostly each has one in all."""
    first = found[0].rows
    if _is_ascending(first) and all(_are_same(cells.rows, first) for cells in found):
        return first
    return np.unique(np.concatenate([cells.rows for cells in found]))


def _is_ascending(numbers: Ints) -> bool:
    return bool((numbers[1:] > numbers[:-1]).all())


def _are_same(one: Ints, other: Ints) -> bool:
    return one is other or (len(one) == len(other) and bool((one == other).all()))


def _columns(cells: Sequence[_Cells], rows: Ints, rows_ms: Ints) -> Columns:
    found: dict[int, Column] = {}
    for each in cells:
        if _are_same(each.rows, rows):
            found[each.variable.id] = _whole(each)
            continue
        at = np.searchsorted(rows, each.rows)
        present = np.zeros(len(rows), np.bool_)
        present[at] = True
        quality = None
        if each.quality is not None:
            quality = np.full(len(rows), NO_QUALITY, np.int64)
            quality[at] = each.quality
        found[each.variable.id] = Column(
            _spread(each, at, len(rows)), None if present.all() else present, None, _codes(quality)
        )
    return Columns(rows_ms[rows], found, np.ones(len(rows), np.bool_))


def _whole(cells: _Cells) -> Column:
    """Make the column of a variable that has one value in each row, in their order."""
    values = Texts.of(cells.values) if isinstance(cells.values, list) else cells.values
    return Column(values, None, None, _codes(cells.quality))  # type: ignore[arg-type]


def _codes(quality: Ints | None) -> Ints | None:
    return None if quality is None or (quality == NO_QUALITY).all() else quality


def _spread(cells: _Cells, at: Ints, rows: int) -> Values:
    """Lay values out over all rows."""
    if isinstance(cells.values, list):
        texts = [""] * rows
        for row, text in zip(at.tolist(), cells.values, strict=True):
            texts[row] = text
        return Texts.of(texts)
    values: NDArray[np.generic] = np.zeros(rows, _DTYPES[cells.variable.type.column_class])
    values[at] = cells.values
    return values  # type: ignore[return-value]


_DTYPES = {ColumnClass.FLOAT: np.float64, ColumnClass.INTEGER: np.int64, ColumnClass.BOOLEAN: np.bool_}


def _without_large_rows(found: Sequence[_Cells], rows: Ints, columns: Columns, payload: _Payload) -> Columns:
    """Refuse the rows beyond the byte rule (MS-04)."""
    large: Bools = record_bytes([cells.variable for cells in found], columns) > RECORD_BYTES_MAX
    if not large.any():
        return columns
    for cells in found:
        payload.refuse(cells.places[large[np.searchsorted(rows, cells.rows)]], Reason.SIZE)
    return columns.take(np.flatnonzero(~large))


def _tight(loose: _LooseValue) -> DeviceValue:
    value, code = loose.value, loose.quality_code
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return DeviceValue(loose.data_point_id, text, str(code) if isinstance(code, int) else code)
