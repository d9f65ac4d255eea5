"""Data source configurations on the wire (wire 5.1), and their way to and from the domain."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from api.agents.data_sources import KeptConfiguration
from schemas.aspects import VariableType
from schemas.codes import INVALID_BODY
from schemas.data_sources import Configuration, DataPoint, DataSource
from schemas.errors import Invalid, Problem
from schemas.ids import AssetId


class DataPointIn(msgspec.Struct, rename="camel"):
    """A data point as it is sent."""

    id: str
    name: str
    type: str
    """INT, LONG, DOUBLE, BOOLEAN, STRING, BIG_STRING or TIMESTAMP, in any case."""
    unit: str | None
    """Must be given, and may be empty; the SDK copies null from a variable that has none."""
    description: str | None = None
    custom_data: dict[str, Any] | None = None
    """Whatever the client wants to find here again."""


class DataSourceIn(msgspec.Struct, rename="camel"):
    """A data source as it is sent."""

    name: str
    data_points: list[DataPointIn]
    description: str | None = None
    custom_data: dict[str, Any] | None = None


class ConfigurationIn(msgspec.Struct, rename="camel"):
    """A configuration as it is sent; members that only the service sets are ignored."""

    configuration_id: str
    data_sources: list[DataSourceIn]


class DataPointOut(msgspec.Struct, rename="camel", kw_only=True):
    """A data point."""

    id: str
    name: str
    description: str | UnsetType = UNSET
    type: VariableType
    unit: str
    custom_data: dict[str, Any] | UnsetType = UNSET


class DataSourceOut(msgspec.Struct, rename="camel", kw_only=True):
    """A data source."""

    name: str
    description: str | UnsetType = UNSET
    data_points: list[DataPointOut]
    custom_data: dict[str, Any] | UnsetType = UNSET


class ConfigurationOut(msgspec.Struct, rename="camel", kw_only=True):
    """A configuration."""

    id: str
    """The agent's."""
    e_tag: str
    """A number; 0 before the first configuration."""
    configuration_id: str | UnsetType = UNSET
    """Absent before the first configuration."""
    data_sources: list[DataSourceOut]


def configuration_from(wire: ConfigurationIn, agent_id: str) -> Configuration:
    """Read a configuration; Invalid for types that there are not, nothing else is checked yet."""
    problems: list[Problem] = []
    sources = tuple(
        DataSource(
            name=source.name,
            description=source.description,
            custom_data=source.custom_data,
            data_points=tuple(
                _point_from(point, f"/dataSources/{place}/dataPoints/{number}", problems)
                for number, point in enumerate(source.data_points)
            ),
        )
        for place, source in enumerate(wire.data_sources)
    )
    if problems:
        raise Invalid(problems)
    return Configuration(
        agent_id=AssetId(agent_id), configuration_id=wire.configuration_id, data_sources=sources
    )


def configuration_out(kept: KeptConfiguration, agent_id: str) -> ConfigurationOut:
    """Write a configuration, or that there is none yet."""
    if kept.value is None:
        return ConfigurationOut(id=agent_id, e_tag=str(kept.etag), data_sources=[])
    return ConfigurationOut(
        id=agent_id,
        e_tag=str(kept.etag),
        configuration_id=kept.value.configuration_id,
        data_sources=[
            DataSourceOut(
                name=source.name,
                description=_given(source.description),
                data_points=[_point_out(point) for point in source.data_points],
                custom_data=_given(source.custom_data),
            )
            for source in kept.value.data_sources
        ],
    )


def _point_from(wire: DataPointIn, at: str, problems: list[Problem]) -> DataPoint:
    kind = VariableType.__members__.get(wire.type.upper())
    if kind is None:
        words = f"One of {', '.join(VariableType.__members__)}."
        problems.append(Problem(f"{at}/type", INVALID_BODY, words))
    return DataPoint(
        id=wire.id,
        name=wire.name,
        type=kind or VariableType.STRING,
        unit=wire.unit or "",
        description=wire.description,
        custom_data=wire.custom_data,
    )


def _point_out(point: DataPoint) -> DataPointOut:
    return DataPointOut(
        id=point.id,
        name=point.name,
        description=_given(point.description),
        type=point.type,
        unit=point.unit,
        custom_data=_given(point.custom_data),
    )


def _given(value: Any) -> Any:
    return UNSET if value is None else value
