"""An agent's own view of its signals: data sources with data points, each by its own id (wire 5.1, MS-85).

Domain structs and pure rules only. A configuration is replaced as a whole and has a number, its `eTag`: 0
before the first one, and one more with each. What routing needs of it is `Points`: types and units by id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from schemas.aspects import VariableType
from schemas.codes import INVALID_BODY
from schemas.devices.health import channel_of
from schemas.errors import Problem
from schemas.ids import AssetId
from schemas.limits import UNIT_CHARACTERS_MAX

CONFIGURATION_ID_CHARACTERS_MAX: Final = 36  # wire 5.1
SOURCE_NAME_CHARACTERS_MAX: Final = 64  # wire 5.1, of data points too
SOURCE_DESCRIPTION_CHARACTERS_MAX: Final = 256  # wire 5.1
POINT_ID_CHARACTERS_MAX: Final = 36  # wire 5.1
SOURCES_MAX: Final = 1_000
"""Of an agent."""
POINTS_MAX: Final = 5_000
"""Of an agent: every door remembers type and unit of each, some 250 bytes."""


class DataPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One signal of an agent."""

    id: str
    name: str
    type: VariableType
    unit: str
    """May be empty."""
    description: str | None = None
    custom_data: dict[str, Any] | None = None
    """The client's own; it comes back as it was sent."""


class DataSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A group of signals."""

    name: str
    data_points: tuple[DataPoint, ...]
    description: str | None = None
    custom_data: dict[str, Any] | None = None


class Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All data sources of one agent."""

    agent_id: AssetId
    configuration_id: str
    data_sources: tuple[DataSource, ...] = ()


class Point(msgspec.Struct, frozen=True, gc=False):
    """What routing needs of a data point."""

    id: str
    type: VariableType
    unit: str


class Points(NamedTuple):
    """What routing needs of a configuration."""

    etag: int
    """0: there was none yet."""
    configuration_id: str | None
    by_id: Mapping[str, Point]
    channels: Mapping[str, str] = {}
    """Channel of the agent's health → id of the data point."""


NO_POINTS: Final = Points(0, None, {})
"""Of an agent that has sent no configuration."""


def etag_of(version: int) -> int:
    """Give the number of a configuration that is stored in this version of its document."""
    return version + 1


def points_in(body: bytes, version: int) -> Points:
    """Read from a stored configuration what routing needs; the rest is not kept in memory."""
    kept = msgspec.json.decode(body, type=_Kept)
    found = [point for source in kept.data_sources for point in source.data_points]
    channels = {
        channel: point.id for point in found if (channel := channel_of(point.id, point.custom_data.channel))
    }
    by_id = {point.id: Point(point.id, point.type, point.unit) for point in found}
    return Points(etag_of(version), kept.configuration_id, by_id, channels)


class _KeptCustom(msgspec.Struct, frozen=True):
    channel: Any = None


_NO_CUSTOM: Final = _KeptCustom()


class _KeptPoint(msgspec.Struct):
    id: str
    type: VariableType
    unit: str
    custom_data: _KeptCustom = _NO_CUSTOM


class _KeptSource(msgspec.Struct):
    data_points: list[_KeptPoint]


class _Kept(msgspec.Struct):
    configuration_id: str
    data_sources: list[_KeptSource] = []


def check_configuration(new: Configuration) -> list[Problem]:
    """Check a configuration: lengths, numbers, and that every data point has an id of its own."""
    problems = _check_text(new.configuration_id, CONFIGURATION_ID_CHARACTERS_MAX, "/configurationId")
    if len(new.data_sources) > SOURCES_MAX:
        problems.append(_problem("/dataSources", f"At most {SOURCES_MAX} data sources."))
    if sum(len(source.data_points) for source in new.data_sources) > POINTS_MAX:
        problems.append(_problem("/dataSources", f"At most {POINTS_MAX} data points in all."))
    if problems:
        return problems
    taken: set[str] = set()
    for place, source in enumerate(new.data_sources):
        at = f"/dataSources/{place}"
        problems += _check_text(source.name, SOURCE_NAME_CHARACTERS_MAX, f"{at}/name")
        problems += _check_description(source.description, at)
        for number, point in enumerate(source.data_points):
            problems += _check_point(point, taken, f"{at}/dataPoints/{number}")
    return problems


def _check_point(point: DataPoint, taken: set[str], at: str) -> list[Problem]:
    problems = _check_text(point.id, POINT_ID_CHARACTERS_MAX, f"{at}/id")
    if point.id in taken:
        message = f"{point.id} is there twice; the ids of data points are unique in a configuration."
        problems.append(_problem(f"{at}/id", message))
    taken.add(point.id)
    problems += _check_text(point.name, SOURCE_NAME_CHARACTERS_MAX, f"{at}/name")
    if len(point.unit) > UNIT_CHARACTERS_MAX:
        problems.append(_problem(f"{at}/unit", f"A unit has at most {UNIT_CHARACTERS_MAX} characters."))
    return problems + _check_description(point.description, at)


def _check_text(text: str, characters_max: int, at: str) -> list[Problem]:
    if 1 <= len(text) <= characters_max:
        return []
    return [_problem(at, f"It has 1 to {characters_max} characters.")]


def _check_description(text: str | None, at: str) -> list[Problem]:
    if len(text or "") <= SOURCE_DESCRIPTION_CHARACTERS_MAX:
        return []
    return [_problem(f"{at}/description", f"At most {SOURCE_DESCRIPTION_CHARACTERS_MAX} characters.")]


def _problem(pointer: str, message: str) -> Problem:
    return Problem(pointer, INVALID_BODY, message)
