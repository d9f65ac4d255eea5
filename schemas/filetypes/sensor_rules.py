"""Rules that place columns by sensor metadata, written out for the sensors of one asset (SM-20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from schemas.codes import INVALID_BODY
from schemas.errors import Invalid, Problem
from schemas.filetypes.limits import DOCUMENT_ITEMS_MAX
from schemas.filetypes.model import FileType, Rule
from schemas.sensors import Sensor, columns_of


def with_sensors(file_type: FileType, sensors: Iterable[Sensor]) -> FileType:
    """Put a rule for each source column of these sensors in the place of a rule by sensors.

    Rows stay with the asset that the file type or the file names; aspect, variable and unit are the sensor's
    where the rule leaves them open. Invalid where that makes too many rules.
    """
    if not any(rule.sensors for rule in file_type.rules):
        return file_type
    columns = columns_of(sensors)
    rules = tuple(each for rule in file_type.rules for each in _written_out(rule, columns))
    if len(rules) > DOCUMENT_ITEMS_MAX:
        message = f"With the sensors of the asset there are more than {DOCUMENT_ITEMS_MAX} rules."
        raise Invalid([Problem("/type", INVALID_BODY, message)])
    return msgspec.structs.replace(file_type, rules=rules)


def _written_out(rule: Rule, columns: dict[str, Sensor]) -> Iterator[Rule]:
    if not rule.sensors:
        yield rule
        return
    for column, sensor in columns.items():
        yield msgspec.structs.replace(
            rule,
            sensors=False,
            column=column,
            aspect=rule.aspect or sensor.aspect,
            variable=rule.variable or sensor.variable,
            unit=rule.unit or sensor.unit,
        )
