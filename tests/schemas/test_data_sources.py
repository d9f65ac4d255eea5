"""Configurations by themselves: what routing keeps of them, and their rules (wire 5.1)."""

from __future__ import annotations

import msgspec
import pytest

from schemas.aspects import VariableType
from schemas.data_sources import (
    NO_POINTS,
    SOURCES_MAX,
    Configuration,
    DataPoint,
    DataSource,
    Point,
    check_configuration,
    points_in,
)

POINT = DataPoint(id="p", name="n", type=VariableType.INT, unit="°C", custom_data={"a": [1, {}]})


def configuration(*sources, configuration_id="c"):
    """Give a configuration of sources with these points."""
    made = tuple(DataSource(name="s", data_points=points) for points in sources)
    return Configuration(agent_id="a" * 32, configuration_id=configuration_id, data_sources=made)


def renamed(point_id):
    """Give the point under another id."""
    return msgspec.structs.replace(POINT, id=point_id)


def test_what_is_stored_reads_back_and_routing_keeps_little_of_it():
    """The whole thing comes back; of each data point type and unit are remembered, under the next number."""
    made = configuration((POINT,), (renamed("q"),))
    body = msgspec.json.encode(made)

    points = points_in(body, 4)

    assert msgspec.json.decode(body, type=Configuration) == made
    assert (points.etag, points.configuration_id) == (5, "c")
    assert points.by_id == {name: Point(name, VariableType.INT, "°C") for name in ("p", "q")}


def test_no_configuration_is_number_nought():
    """The first one is built on 0, and stored in version 0 it has number 1 (wire 13.12)."""
    assert (NO_POINTS.etag, NO_POINTS.configuration_id, NO_POINTS.by_id) == (0, None, {})
    assert points_in(msgspec.json.encode(configuration()), 0).etag == 1


@pytest.mark.parametrize(
    ("made", "places"),
    [
        (configuration((POINT,)), []),
        (configuration(), []),
        (configuration((POINT, renamed("q")), (renamed("p"),)), ["/dataSources/1/dataPoints/0/id"]),
        (configuration((POINT,), configuration_id=""), ["/configurationId"]),
        (configuration(*[()] * SOURCES_MAX), []),
        (configuration(*[()] * (SOURCES_MAX + 1)), ["/dataSources"]),
    ],
)
def test_every_reason_has_its_place(made, places):
    """A problem carries the JSON pointer of what it is about."""
    assert [problem.pointer for problem in check_configuration(made)] == places
