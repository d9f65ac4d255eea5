"""What the tests of this package share: an aspect of every type, and rows read back out of columns."""

import json

import numpy as np

from schemas.aspects import AspectType, Variable, VariableType, with_ids
from schemas.columns import NO_QUALITY, Columns, Texts
from schemas.errors import Problem
from schemas.policies import OPEN, Profile
from schemas.records import WriteMode, validate_records

NOW_MS = 1_800_000_000_000
"""2027-01-15T08:00:00Z."""
NOW = "2027-01-15T08:00:00.000Z"

ALL = with_ids(
    AspectType(
        id="acme.All",
        tenant="acme",
        name="All",
        category="dynamic",
        variables=(
            Variable(name="d", type=VariableType.DOUBLE, quality_code=True),
            Variable(name="i", type=VariableType.INT, quality_code=True),
            Variable(name="l", type=VariableType.LONG),
            Variable(name="b", type=VariableType.BOOLEAN),
            Variable(name="s", type=VariableType.STRING, length=5, quality_code=True),
            Variable(name="t", type=VariableType.TIMESTAMP),
            Variable(name="big", type=VariableType.BIG_STRING, length=1000),
        ),
    )
)
NAMES = {variable.id: variable.name for variable in ALL.variables}


def validate(body, *, aspect=ALL, mode=WriteMode.REPLACE, profile: Profile = OPEN, now_ms=NOW_MS):
    """Validate a body given as bytes, or as what JSON can say."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return validate_records(aspect, octets, now_ms=now_ms, profile=profile, mode=mode)


def accepted(body, **given) -> list[dict]:
    """Give the rows that a body became; the test fails if it was refused."""
    columns, problems = validate(body, **given)
    assert problems == []
    return rows_of(columns)


def refused(body, **given) -> list[Problem]:
    """Give the problems of a body; the test fails if it was taken."""
    columns, problems = validate(body, **given)
    assert columns is None
    assert problems
    return problems


def rows_of(columns: Columns, names=NAMES) -> list[dict]:
    """Read columns cell by cell: names to values, `x_qc` to codes, None for a removed value."""
    rows = [{"_time": int(time_ms)} for time_ms in columns.time_ms]
    for number, column in columns.cells.items():
        values = column.values.to_list() if isinstance(column.values, Texts) else column.values.tolist()
        assert len(values) == columns.rows
        for place, row in enumerate(rows):
            if column.present is None or column.present[place]:
                row[names[number]] = values[place]
                if column.quality is not None and column.quality[place] != NO_QUALITY:
                    row[names[number] + "_qc"] = int(column.quality[place])
            else:
                assert column.quality is None or column.quality[place] == NO_QUALITY
                if column.removed is not None and column.removed[place]:
                    row[names[number]] = None
        assert column.removed is None or not (column.removed & _presence(column)).any()
    return rows


def _presence(column):
    return np.ones(len(column.removed), bool) if column.present is None else column.present
