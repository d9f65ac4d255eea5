"""Mappings of data points on the wire (wire 6.1), and lists of them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from api.agents.mappings import Asked
from api.catalog.mapping_index import MappingIndex, Placed
from api.http.filters import Field, Table, parse_filter
from api.http.spring import SpringPage
from schemas.aspects import VariableType
from schemas.mappings import Judged, Reason

VALID, INVALID = "VALID", "INVALID"


class MappingIn(msgspec.Struct, rename="camel"):
    """A mapping as it is asked for; members that only the service sets are ignored."""

    agent_id: str
    data_point_id: str
    entity_id: str
    """Id of an asset."""
    property_set_name: str
    """Name of an aspect."""
    property_name: str
    """Name of a variable."""
    keep_mapping: bool = False
    """True: it outlives changes of the data source configuration."""


class ValidityOut(msgspec.Struct):
    """Whether values go by a mapping."""

    status: str
    """`VALID` or `INVALID`."""
    reasons: list[Reason]


class MappingOut(msgspec.Struct, rename="camel"):
    """A mapping with what it joins; null where a data point or a variable is gone."""

    id: str
    agent_id: str
    data_point_id: str
    data_point_unit: str | None
    data_point_type: VariableType | None
    entity_id: str
    property_set_name: str
    property_name: str
    property_unit: str | None
    property_type: VariableType | None
    quality_enabled: bool
    keep_mapping: bool
    validity: ValidityOut


class MappingPage(SpringPage, rename="camel", kw_only=True):
    """A page of mappings."""

    content: list[MappingOut]


def asked_from(wire: MappingIn) -> Asked:
    """Read what is asked for; nothing is checked yet."""
    return Asked(
        wire.agent_id,
        wire.data_point_id,
        wire.entity_id,
        wire.property_set_name,
        wire.property_name,
        wire.keep_mapping,
    )


def mapping_out(placed: Placed, index: MappingIndex) -> MappingOut:
    """Write a mapping as it is now."""
    group, mapping = placed
    judged = index.judge(placed)
    point, variable = judged.point, judged.variable
    return MappingOut(
        id=mapping.id,
        agent_id=group.agent_id,
        data_point_id=mapping.data_point_id,
        data_point_unit=None if point is None else point.unit,
        data_point_type=None if point is None else point.type,
        entity_id=group.asset_id,
        property_set_name=judged.aspect_name,
        property_name=judged.variable_name,
        property_unit=None if variable is None else variable.unit,
        property_type=None if variable is None else variable.type,
        quality_enabled=variable is not None and variable.quality_code,
        keep_mapping=mapping.keep,
        validity=ValidityOut(INVALID if judged.reasons else VALID, list(judged.reasons)),
    )


def table_for(index: MappingIndex, filter_text: str, agent: str | None) -> Table[Placed]:
    """Give what a list looks in: the mappings of the agent to which it keeps, else those of all.

    `agent` is the one that asks; else a filter may name one. Only of all a table is kept.
    """
    agent = agent or _agent_in(filter_text)
    if agent is not None:
        return Table(index.placed_of(agent), _fields(index))
    if index.table is None:
        index.table = Table(index.placed(), _fields(index))
    return index.table


def _agent_in(filter_text: str) -> str | None:
    """Give the agent without which nothing passes a filter, if it says so in one of the plain ways."""
    tree = parse_filter(filter_text) if "agentId" in filter_text else None
    while isinstance(tree, dict):
        condition = tree.get("agentId")
        named = condition.get("eq") if isinstance(condition, dict) else condition
        if isinstance(named, str):
            return named
        tree = tree.get("and")
    return None


def _fields(index: MappingIndex) -> dict[str, Field[Placed]]:
    fields: dict[str, Field[Placed]] = {
        "id": Field(lambda placed: placed.mapping.id),
        "agentId": Field(lambda placed: placed.group.agent_id),
        "dataPointId": Field(lambda placed: placed.mapping.data_point_id),
        "entityId": Field(lambda placed: placed.group.asset_id),
        "keepMapping": Field(lambda placed: "true" if placed.mapping.keep else "false"),
    }
    for name, text in _JUDGED.items():
        fields[name] = Field(lambda placed, text=text: text(index.judge(placed)))  # type: ignore[misc]
    return fields


def _unit(thing: Any) -> str | None:
    return None if thing is None else thing.unit


def _type(thing: Any) -> str | None:
    return None if thing is None else thing.type.value


def _has_quality(judged: Judged) -> str:
    return "true" if judged.variable is not None and judged.variable.quality_code else "false"


_JUDGED: Final = {
    "propertySetName": lambda judged: judged.aspect_name,
    "propertyName": lambda judged: judged.variable_name,
    "dataPointUnit": lambda judged: _unit(judged.point),
    "dataPointType": lambda judged: _type(judged.point),
    "propertyUnit": lambda judged: _unit(judged.variable),
    "propertyType": lambda judged: _type(judged.variable),
    "qualityEnabled": _has_quality,
    "validity": lambda judged: INVALID if judged.reasons else VALID,
}
"""Fields that follow from what a mapping joins; `validity` is the status."""
