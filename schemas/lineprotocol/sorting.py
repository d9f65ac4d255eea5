"""Groups of lines → the columns of each series, and what is refused. Pure.

Rows merge: lines of one series and one time are one row, whichever order their fields come in; of two values
for one cell the later line's stands, as in InfluxDB. A line that cannot be stored whole is refused whole, and
does no harm to the others (design 3.2, IX-08, IX-09).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import Bools, Column, ColumnClass, Columns, Ints, Texts, Values
from schemas.diagnosis import Rules
from schemas.errors import Malformed, TooLarge
from schemas.ids import SeriesId
from schemas.lineprotocol.body import Body, Group, Words
from schemas.lineprotocol.inlets import Inlet
from schemas.lineprotocol.limits import LINES_CELLS_MAX
from schemas.lineprotocol.values import converted, kind_of, looks_like

BEYOND: Final = "points beyond retention policy: the time is outside of what the tenant's policy takes"
TWO_FIELDS: Final = (
    "two fields of the line become the variable {!r}; name one of them in the rule of the inlet"
)

_TYPE_NAMES: Final = {
    VariableType.BOOLEAN: "boolean",
    VariableType.INT: "integer",
    VariableType.LONG: "integer",
    VariableType.DOUBLE: "float",
    VariableType.STRING: "string",
    VariableType.BIG_STRING: "string",
    VariableType.TIMESTAMP: "timestamp",
}


class Addressed(NamedTuple):
    """Lines of one head, and where they go by the rule of the inlet."""

    group: Group
    label: str
    """Of the asset."""
    aspect: str
    fields: dict[str, tuple[str, Words]]
    """By what the client calls it: its variable and its words; tags that are stored are among them."""


class Target(NamedTuple):
    """A series and the lines that go to it."""

    series: SeriesId
    type: AspectType
    lines: list[Addressed]


class Share(NamedTuple):
    """What one series gets."""

    target: Target
    columns: Columns
    """Rows merge, one a time, ascending."""
    lines: int
    """So many."""


def addressed(body: Body, inlet: Inlet, reasons: dict[int, str]) -> list[Addressed]:
    """Say where lines go by the rule; notes by line why some go nowhere."""
    found = []
    for group in body.groups:
        try:
            label, over = inlet.label_of(group.tags), inlet.left_over(group.tags)
        except Malformed as error:
            refuse(reasons, group.lines, error.message)
            continue
        every = np.arange(len(group.lines))
        fields = {name: (inlet.variable_of(name), words) for name, words in group.fields.items()}
        for name, value in over.items():
            fields.setdefault(
                f"tag {name}", (inlet.variable_of(name), Words(every, [f'"{value}"'] * len(every)))
            )
        found.append(Addressed(group, label, inlet.aspect_of(group.measurement), fields))
    return found


def refuse(reasons: dict[int, str], lines: Iterable[int] | Ints, reason: str) -> None:
    """Note why lines are not stored; what was noted first stays."""
    for line in lines:
        reasons.setdefault(int(line), reason)


def lacking(each: Addressed, known: AspectType | None) -> dict[str, VariableType]:
    """Give the variables that lines name and an aspect has not, as they look in the first line."""
    return {
        name: looks
        for name, words in each.fields.values()
        if (known is None or known.variable(name) is None)
        and (looks := looks_like(words.words[0])) is not None
    }


def sort_out(targets: Sequence[Target], rules: Rules, reasons: dict[int, str]) -> list[Share]:
    """Make the columns of every series; notes by line why some are not stored.

    TooLarge where columns would be out of proportion to a body (`LINES_CELLS_MAX`).
    """
    room = LINES_CELLS_MAX
    shares = []
    for target in targets:
        room -= sum(len(each.group.lines) for each in target.lines) * max(
            len(each.fields) for each in target.lines
        )
        if room < 0:
            raise TooLarge("The body spreads over too many fields and times; send it in several.")
        share = _Series(target).share(rules, reasons)
        if share is not None:
            shares.append(share)
    return shares


class _Cells(NamedTuple):
    variable: Variable
    rows: Ints
    """Places among the lines of the series."""
    values: NDArray[np.generic] | list[str]


class _Series:
    """The lines of one series."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._variables = {variable.name: variable for variable in target.type.variables}
        self._lines = np.concatenate([each.group.lines for each in target.lines])
        self._times = np.concatenate([each.group.time_ms for each in target.lines])
        self._bad: Bools = np.zeros(len(self._lines), np.bool_)

    def share(self, rules: Rules, reasons: dict[int, str]) -> Share | None:
        """Convert everything, leave out what is refused, and merge."""
        outside = (self._times < rules.least_ms) | (self._times > rules.most_ms)
        self._refuse(np.flatnonzero(outside), BEYOND, reasons)
        cells: dict[int, list[_Cells]] = {}
        offset = 0
        for each in self._target.lines:
            for name, (variable_name, words) in each.fields.items():
                variable = self._variables.get(variable_name)
                rows = words.rows + offset
                if variable is None:
                    reason = f"field {name!r}: the aspect {each.aspect} has no variable {variable_name!r}"
                    self._refuse(rows, reason, reasons)
                    continue
                found = converted(variable, words.words)
                if found.faulty is not None:
                    for place in np.flatnonzero(found.faulty).tolist():
                        self._refuse(
                            rows[place : place + 1],
                            _conflict(each.group.measurement, name, words.words[place], variable),
                            reasons,
                        )
                cells.setdefault(variable.id, []).append(_Cells(variable, rows, found.values))
            offset += len(each.group.lines)
        joined = [self._joined(found, reasons) for found in cells.values()]
        return self._merged(joined)

    def _refuse(self, rows: Ints, reason: str, reasons: dict[int, str]) -> None:
        if len(rows):
            self._bad[rows] = True
            refuse(reasons, self._lines[rows], reason)

    def _joined(self, found: list[_Cells], reasons: dict[int, str]) -> _Cells:
        """Put the values of one variable together; two of one line are refused."""
        variable = found[0].variable
        rows = np.concatenate([cells.rows for cells in found]) if len(found) > 1 else found[0].rows
        counts = np.bincount(rows)
        if counts.max() > 1:
            self._refuse(np.flatnonzero(counts > 1), TWO_FIELDS.format(variable.name), reasons)
        if len(found) == 1:
            return found[0]
        if isinstance(found[0].values, list):
            return _Cells(variable, rows, [text for cells in found for text in cells.values])
        return _Cells(variable, rows, np.concatenate([np.asarray(cells.values) for cells in found]))

    def _merged(self, joined: list[_Cells]) -> Share | None:
        kept = np.flatnonzero(~self._bad)
        if not len(kept):
            return None
        rows_ms, inverse = np.unique(self._times[kept], return_inverse=True)
        row_of = np.full(len(self._lines), -1)
        row_of[kept] = inverse
        columns: dict[int, Column] = {}
        for cells in joined:
            good = np.flatnonzero(row_of[cells.rows] >= 0)
            if len(good):
                # Of two for one row the later line's is assigned last.
                order = good[np.argsort(self._lines[cells.rows[good]], kind="stable")]
                columns[cells.variable.id] = _spread(cells, order, row_of[cells.rows[order]], len(rows_ms))
        merged = Columns(rows_ms, columns, np.ones(len(rows_ms), np.bool_))
        return Share(self._target, merged, len(kept))


def _spread(cells: _Cells, order: Ints, at: Ints, rows: int) -> Column:
    """Lay values out over all rows."""
    present: Bools = np.zeros(rows, np.bool_)
    present[at] = True
    values: Values
    if isinstance(cells.values, list):
        texts: list[str | None] = [None] * rows
        for row, place in zip(at.tolist(), order.tolist(), strict=True):
            texts[row] = cells.values[place]
        values = Texts.of(texts)
    else:
        laid: NDArray[np.generic] = np.zeros(rows, _DTYPES[cells.variable.type.column_class])
        laid[at] = cells.values[order]
        values = laid  # type: ignore[assignment]
    return Column(values, None if present.all() else present)


_DTYPES = {ColumnClass.FLOAT: np.float64, ColumnClass.INTEGER: np.int64, ColumnClass.BOOLEAN: np.bool_}


def _conflict(measurement: str, field: str, word: str, variable: Variable) -> str:
    """Say in the words of InfluxDB that a field has another type."""
    known, sent = _TYPE_NAMES[variable.type], kind_of(word)
    if known == sent:
        beyond = f"{word[:40]} is beyond what {variable.type.value} holds"
        return f"field {field!r} on measurement {measurement!r}: {beyond}"
    return (
        f'field type conflict: input field "{field}" on measurement "{measurement}" is type {sent}, '
        f"already exists as type {known}"
    )
