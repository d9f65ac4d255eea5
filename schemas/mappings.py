"""Mappings: which variable of which asset a data point of an agent feeds, and whether it still can (MS-85).

Pure. Mappings of one agent into one aspect of one asset are kept together, because the rules bind just
these: a variable is fed by one data point of an agent, and a data point feeds one variable of an aspect.
Whether a mapping is valid is never stored. It follows from the agent's configuration and the aspect's type
as they are now, so it cannot be out of date; and what is not valid feeds nothing.

`compile_routes` makes of all mappings of an agent the table by which its messages are taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

import msgspec

from schemas.aspects import AspectType, Variable
from schemas.data_sources import Point, Points
from schemas.ids import AspectId, AssetId

MAPPINGS_OF_AGENT_MAX: Final = 10_000
MAPPINGS_OF_POINT_MAX: Final = 100
"""A value of a message becomes so many in as many series: ten megabytes of them become a gigabyte."""
MAPPINGS_OF_TENANT_MAX: Final = 300_000
"""Every door remembers each, some 300 bytes."""


class Reason(Enum):
    """Why a mapping is not valid (wire 6.1)."""

    MISSING_DATAPOINT = "MISSING_DATAPOINT"
    """The agent's configuration has no such data point."""
    MISSING_PROPERTY = "MISSING_PROPERTY"
    """The asset, its aspect or the variable is gone."""
    INVALID_TYPE = "INVALID_TYPE"
    INVALID_UNIT = "INVALID_UNIT"


class Mapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One data point into one variable of the aspect to which it belongs."""

    id: str
    data_point_id: str
    variable_id: int
    """Of the aspect type: it stays the same where the variable is renamed."""
    variable_name: str
    """As it was when the mapping was made."""
    keep: bool = False
    """True: it outlives a change of the configuration."""
    made_under: int = 0
    """Number of the configuration that there was; without `keep` the mapping is for this one only."""

    def is_void(self, points: Points) -> bool:
        """Tell whether a change of the configuration has taken it away."""
        return not self.keep and self.made_under < points.etag

    def gives_way(self, new: Mapping, fed: FedAspect) -> bool:
        """Tell whether a new mapping takes the place of this one, whose variable is gone for good."""
        is_same = new.data_point_id == self.data_point_id or new.variable_name == self.variable_name
        return is_same and self.variable_id not in fed.variables


class MappedAspect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All mappings of one agent into one aspect of one asset; a document of the catalogue."""

    agent_id: AssetId
    asset_id: AssetId
    aspect_id: AspectId
    aspect_name: str
    """As it was when the first mapping was made."""
    mappings: tuple[Mapping, ...] = ()

    @property
    def id(self) -> str:
        """Give the id of its document."""
        return f"{self.agent_id}/{self.asset_id}/{self.aspect_id}"

    def living(self, points: Points) -> list[Mapping]:
        """Give the mappings that no change of the configuration has taken away."""
        return [mapping for mapping in self.mappings if not mapping.is_void(points)]


class FedAspect(NamedTuple):
    """An aspect as an asset has it now."""

    name: str
    type: AspectType
    variables: Table[int, Variable]
    """By number."""

    @classmethod
    def of(cls, name: str, aspect_type: AspectType) -> FedAspect:
        """Give an aspect of this name and type."""
        return cls(name, aspect_type, {variable.id: variable for variable in aspect_type.variables})


FindAspect: TypeAlias = Callable[[AssetId, AspectId], FedAspect | None]
"""Gives the dynamic aspect of an asset by its id; None where asset or aspect is gone."""


def find_clash(new: Mapping, others: Iterable[Mapping]) -> str:
    """Say why a mapping cannot stand beside others of its group; empty: it can (MS-85)."""
    for other in others:
        if other.variable_id == new.variable_id:
            if other.data_point_id == new.data_point_id:
                return "There is such a mapping already."
            return f"{new.variable_name} is fed by the data point {other.data_point_id} of the agent already."
        if other.data_point_id == new.data_point_id:
            return f"The data point feeds {other.variable_name} of the same aspect already."
    return ""


class Judged(NamedTuple):
    """A mapping beside what it joins, as far as that is there."""

    mapping: Mapping
    point: Point | None
    aspect_name: str
    variable_name: str
    variable: Variable | None
    reasons: tuple[Reason, ...]
    """Empty: it is valid."""


def judge(group: MappedAspect, mapping: Mapping, points: Points, fed: FedAspect | None) -> Judged:
    """Hold a mapping against the configuration and the aspect of its group as they are now."""
    point = points.by_id.get(mapping.data_point_id)
    variable = fed.variables.get(mapping.variable_id) if fed is not None else None
    return Judged(
        mapping,
        point,
        group.aspect_name if fed is None else fed.name,
        mapping.variable_name if variable is None else variable.name,
        variable,
        _reasons(point, variable),
    )


def _reasons(point: Point | None, variable: Variable | None) -> tuple[Reason, ...]:
    if point is None or variable is None:
        missing = ((point, Reason.MISSING_DATAPOINT), (variable, Reason.MISSING_PROPERTY))
        return tuple(reason for thing, reason in missing if thing is None)
    differs = (
        (point.type is not variable.type, Reason.INVALID_TYPE),
        (point.unit != variable.unit, Reason.INVALID_UNIT),
    )
    return tuple(reason for wrong, reason in differs if wrong)


class RoutedAspect(NamedTuple):
    """A series that an agent feeds."""

    asset_id: AssetId
    aspect_id: AspectId
    name: str
    type: AspectType


class Route(NamedTuple):
    """Where a value of a data point goes."""

    place: int
    """Of the series in `Routes.aspects`."""
    variable: Variable
    """Its type is the data point's; `quality_code` says whether a code of the value is kept."""


class Fault(NamedTuple):
    """A mapping by which nothing goes."""

    mapping_id: str
    asset_id: AssetId
    aspect_name: str
    variable_name: str
    reasons: tuple[Reason, ...]


class Routes(NamedTuple):
    """Where the values of an agent go. Good until a configuration, a mapping or a type changes.

    A data point that stands in neither `by_point` nor `faults` is not mapped.
    """

    points: Points
    """The configuration: its id, and the data points that there are."""
    aspects: tuple[RoutedAspect, ...]
    """Each series that is fed, once."""
    by_point: Table[str, tuple[Route, ...]]
    """By id of the data point: at most one route into each series."""
    faults: Table[str, tuple[Fault, ...]]
    """By id of the data point: its mappings that are not valid."""


def compile_routes(points: Points, mapped: Iterable[MappedAspect], find: FindAspect) -> Routes:
    """Make the table of an agent: from its configuration, its mappings, and a look-up of aspects."""
    aspects: list[RoutedAspect] = []
    by_point: dict[str, tuple[Route, ...]] = {}
    faults: dict[str, tuple[Fault, ...]] = {}
    for group in mapped:
        fed = find(group.asset_id, group.aspect_id)
        routes = []
        for mapping in group.living(points):
            point_id = mapping.data_point_id
            judged = judge(group, mapping, points, fed)
            if judged.variable is None or judged.reasons:
                names = judged.aspect_name, judged.variable_name
                fault = Fault(mapping.id, group.asset_id, *names, judged.reasons)
                faults[point_id] = (*faults.get(point_id, ()), fault)
            else:
                routes.append((point_id, Route(len(aspects), judged.variable)))
        if fed is not None and routes:
            aspects.append(RoutedAspect(group.asset_id, group.aspect_id, fed.name, fed.type))
        for point_id, route in routes:
            by_point[point_id] = (*by_point.get(point_id, ()), route)
    return Routes(points, tuple(aspects), by_point, faults)
