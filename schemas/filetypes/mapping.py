"""Which series a column belongs to: the rules of a file type, asked column by column (SM-09, SM-20)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from schemas.aspects import QUALITY_SUFFIX, VariableType
from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, Problem
from schemas.filetypes.chunks import Head
from schemas.filetypes.model import FileType, NewColumns, Rule
from schemas.filetypes.patterns import Work
from schemas.filetypes.sparse import FIELD, MEASUREMENT, TAG
from schemas.sensors import Sensor, columns_of, variable_name

_PROBLEMS_MAX = 100
_NO_HEAD = Head()


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The variable that a column becomes."""

    asset: str = ""
    """An id or a name; empty: the file type's, or what the asset's column says."""
    aspect: str = ""
    """Empty: the file type's, or what the aspect's column says."""
    variable: str
    type: VariableType | None = None
    """None: the variable's own; of a new one, as it looks."""
    unit: str = ""
    is_new: bool = False
    """No rule placed it: it extends the aspect (SM-09)."""


class Mapper:
    """Places columns by the rules of one file type; answers are kept, so asking again costs nothing."""

    def __init__(self, file_type: FileType, sensors: Iterable[Sensor] = (), head: Head = _NO_HEAD) -> None:
        """Take the rules, the metadata of sensors, and what the head of the file says."""
        self._file_type = file_type
        self._sensors = columns_of(sensors)
        self._units = head.units
        self._left_out = reserved_columns(file_type) | set(head.times)
        self._targets: dict[str, Target | None] = {}
        self._work = Work()
        self.unplaced: dict[str, None] = {}
        """Columns that no rule places, in the order in which they were asked for."""

    def target(self, column: str) -> Target | None:
        """Find the target of a column; None: it is left out, or no rule places it (`unplaced`).

        TooLarge where the patterns of the rules would take too long.
        """
        if column not in self._targets:
            self._targets[column] = self._find(column)
        return self._targets[column]

    def _find(self, column: str) -> Target | None:
        if column in self._left_out:
            return None
        for rule in self._file_type.rules:
            target = self._by(rule, column)
            if target is not None:
                return None if rule.skip else target
        if self._file_type.new_columns is NewColumns.EXTEND:
            bare = column.removeprefix(FIELD).removeprefix(TAG)
            return Target(variable=variable_name(bare), unit=self._units.get(column, ""), is_new=True)
        self.unplaced[column] = None
        return None

    def _by(self, rule: Rule, column: str) -> Target | None:
        """Ask one rule; None: it does not fit."""
        named: Mapping[str, str] = {}
        sensor: Sensor | None = None
        if rule.column is not None:
            fits = rule.column == column
        elif rule.pattern is not None:
            match = self._work.match(rule.pattern, column)
            fits = match is not None
            named = {} if match is None else {name: text or "" for name, text in match.groupdict().items()}
        else:
            sensor = self._sensors.get(column)
            fits = sensor is not None
        if not fits:
            return None
        variable = (
            _filled(rule.variable, named) if rule.variable else "" if sensor is None else sensor.variable
        )
        return Target(
            asset=_filled(rule.asset, named) or ("" if sensor is None else sensor.asset),
            aspect=_filled(rule.aspect, named) or ("" if sensor is None else sensor.aspect),
            variable=variable or variable_name(column.removeprefix(FIELD).removeprefix(TAG)),
            type=rule.type,
            unit=rule.unit or self._units.get(column, "") or ("" if sensor is None else sensor.unit),
        )


def plan_columns(mapper: Mapper, columns: Sequence[str], policy: NewColumns) -> dict[str, Target]:
    """Place the columns that a file names in its head.

    Invalid, before anything is stored, if two become the same variable, or if the policy is to refuse a file
    with a column that no rule places.
    """
    found: dict[str, Target] = {}
    owners: dict[tuple[str, str, str], str] = {}
    problems: list[Problem] = []
    for column in columns:
        target = None if is_quality_of(column, columns) else mapper.target(column)
        if target is None:
            continue
        key = (target.asset, target.aspect, target.variable)
        if key in owners:
            both = f"The columns {owners[key]!r} and {column!r} both become {target.variable}"
            message = f"{both}; name one of them by a rule."
            problems.append(Problem("/rules", INVALID_BODY, message))
        owners[key] = column
        found[column] = target
    if policy is NewColumns.REFUSE:
        told = "no rule places it; add one, skip it, or choose quarantine or extend for newColumns"
        problems += [Problem("/rules", INVALID_BODY, f"Column {name!r}: {told}.") for name in mapper.unplaced]
    if problems:
        raise Invalid(problems[:_PROBLEMS_MAX])
    return found


def is_quality_of(column: str, columns: Iterable[str]) -> bool:
    """Tell whether a column holds the quality codes of another one, `x_qc` of `x` (wire 1.1)."""
    return column.endswith(QUALITY_SUFFIX) and column.removesuffix(QUALITY_SUFFIX) in columns


@lru_cache(maxsize=64)
def reserved_columns(file_type: FileType) -> frozenset[str]:
    """Name the columns that say when and where, and are no readings."""
    narrow = (file_type.narrow.sensor, file_type.narrow.value) if file_type.narrow else ()
    labels = {file_type.asset_column, file_type.aspect_column, MEASUREMENT, *narrow}
    return frozenset({*file_type.time_columns, *labels, ""})


def _filled(template: str, named: Mapping[str, str]) -> str:
    """Put the named groups of a pattern into the braces of a template."""
    return re.sub(r"\{(\w+)\}", lambda match: named.get(match[1], ""), template)
