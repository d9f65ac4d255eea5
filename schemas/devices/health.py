"""What agents say of themselves: channels of their health, by which a fleet is looked after (design 9.9).

An agent reports its health as it reports everything: values of data points, which mappings bring into an
aspect of an asset. A data point is a channel of health if its `customData` names one, or if its id does.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CHANNELS: Final = {
    "backlog": "samples",
    "lost": "samples",
    "gap": "samples",
    "boots": "",
    "clock_offset": "ms",
    "rssi": "dBm",
    "sensor_faults": "",
    "upload_failures": "",
    "firmware": "",
    "mem_used": "B",
    "mem_free": "B",
}
"""Unit by channel, for data points that name none: an agent's own table of channels has no more."""


class HealthValue(NamedTuple):
    """The newest value of one channel."""

    value: float | int | bool | str
    unit: str
    time_ms: int
    """When the agent measured it, by its clock."""


def channel_of(point_id: str, named: object) -> str | None:
    """Give the channel of a data point, by its id and what its `customData` names; None for any other."""
    channel = named if isinstance(named, str) else point_id
    return channel if channel in CHANNELS else None
