"""How the board is to measure and send: the agent's data source configuration, pulled under its ETag.

    dataSources[].customData                  sampleMs, postMs, healthMs, firmware
    dataSources[].dataPoints[].customData     channel, and thresholds in its unit: deadband, min, max

A value within `deadband` of the last one kept is left out, one beyond `min` or `max` is sent at once.
What a board does not understand it leaves as it is; what is out of bounds is bounded. Pure.
"""

from agent.channels import CHANNELS, GAP, SOURCES
from agent.payload import Points, default_points

NAME = "settings"

_BOUNDS = {"sampleMs": (500, 3_600_000), "postMs": (1_000, 3_600_000), "healthMs": (10_000, 86_400_000)}
_DEFAULTS = {"sampleMs": 2_000, "postMs": 10_000, "healthMs": 300_000}


_BEYOND = 1_000_000_000
"""What no channel reaches: `max` may be 1e308, which scaled is no integer, and on a board no number."""


class Settings:
    """What holds now."""

    def __init__(self):
        """Begin with what the firmware does by itself."""
        self.etag = None
        self.sample_ms = _DEFAULTS["sampleMs"]
        self.post_ms = _DEFAULTS["postMs"]
        self.health_ms = _DEFAULTS["healthMs"]
        self.firmware = None
        """Number of the firmware that is to run; None: whatever runs."""
        self.points = default_points()
        self.thresholds = {}
        """(source, channel) → (deadband, min, max), scaled as its values are; None: there is none."""


def settings_from(configuration):
    """Read a data source configuration as the server gives it."""
    settings = Settings()
    settings.etag = configuration.get("eTag")
    names = [[None] * len(source) for source in CHANNELS]
    gap, numbers = None, dict(_DEFAULTS)
    for source in configuration.get("dataSources", ()):
        custom = source.get("customData") or {}
        if isinstance(custom.get("firmware"), int):
            settings.firmware = custom["firmware"]
        for name in numbers:
            if isinstance(custom.get(name), int):
                numbers[name] = min(max(custom[name], _BOUNDS[name][0]), _BOUNDS[name][1])
        for point in source.get("dataPoints", ()):
            custom = point.get("customData") or {}
            channel = custom.get("channel", point.get("id"))
            place = _place_of(channel)
            if channel == GAP:
                gap = point["id"]
            if place is not None:
                names[place[0]][place[1]] = point["id"]
                _threshold(settings, place, custom)
    settings.sample_ms, settings.post_ms = numbers["sampleMs"], numbers["postMs"]
    settings.health_ms = numbers["healthMs"]
    settings.points = Points(configuration["configurationId"], names, gap)
    return settings


def _threshold(settings, place, custom):
    scale = 10 ** CHANNELS[place[0]][place[1]][1]
    scaled = [_scaled(custom.get(name), scale) for name in ("deadband", "min", "max")]
    if scaled != [None] * 3:
        settings.thresholds[place] = tuple(scaled)


def _scaled(value, scale):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return round(min(max(value, -_BEYOND), _BEYOND) * scale)


def _place_of(name):
    for source in range(len(SOURCES)):
        for place in range(len(CHANNELS[source])):
            if CHANNELS[source][place][0] == name:
                return source, place
    return None


class Screen:
    """Leaves out what did not change, and tells what is beyond its bounds."""

    def __init__(self):
        """Begin with nothing kept."""
        self._kept = {}

    def take(self, settings, source, values):
        """Put None for what is within the deadband of the last value kept; True if one is out of bounds."""
        is_urgent = False
        for place in range(len(values)):
            value, threshold = values[place], settings.thresholds.get((source, place))
            if value is None or threshold is None:
                continue
            deadband, low, high = threshold
            kept = self._kept.get((source, place))
            if (low is not None and value < low) or (high is not None and value > high):
                is_urgent = True
            elif deadband is not None and kept is not None and abs(value - kept) <= deadband:
                values[place] = None
                continue
            self._kept[(source, place)] = value
        return is_urgent
