"""Channels of an agent's health: which data points they are, and that the device's table is the same one."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from schemas.data_sources import points_in
from schemas.devices.health import CHANNELS

DEVICE = Path(__file__).resolve().parents[2] / "device-agent" / "agent" / "channels.py"


def stored(*points):
    """Write a configuration as the catalogue keeps it: (id, customData or None) of each data point."""
    written = [
        {
            "id": name,
            "name": name,
            "type": "LONG",
            "unit": "",
            **({} if custom is None else {"custom_data": custom}),
        }
        for name, custom in points
    ]
    return json.dumps({"configuration_id": "CF", "data_sources": [{"data_points": written}]}).encode()


def test_the_devices_channels_are_those_of_the_fleet():
    """What the agent reports of itself is shown, every channel of it, in the units that it names."""
    table = runpy.run_path(str(DEVICE))
    units = {name: unit for name, _, _, unit in table["CHANNELS"][table["HEALTH"]]}

    assert {*units, table["GAP"]} == set(CHANNELS)
    assert {name: CHANNELS[name] for name, unit in units.items() if unit} == {
        name: unit for name, unit in units.items() if unit
    }


@pytest.mark.parametrize(
    ("points", "channels"),
    [
        ([("backlog", None), ("p1", None)], {"backlog": "backlog"}),
        ([("p1", {"channel": "backlog", "more": [1]})], {"backlog": "p1"}),
        ([("backlog", {"channel": "am2320_temp"})], {}),
        ([("backlog", {"channel": 7}), ("lost", {})], {"backlog": "backlog", "lost": "lost"}),
        ([("p1", {"channel": "none"}), ("p2", {"other": 1})], {}),
        ([("backlog", None), ("p1", {"channel": "backlog"})], {"backlog": "p1"}),
    ],
)
def test_a_data_point_is_a_channel_by_what_it_names_or_is_called(points, channels):
    """`customData.channel` counts before the id; of two for one channel the last one does (design 9.9)."""
    found = points_in(stored(*points), 0)

    assert found.channels == channels
    assert list(found.by_id) == [name for name, _ in points]
