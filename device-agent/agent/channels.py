"""What a board measures: the firmware's own table of channels, by which frames in flash are read.

A frame knows channels by their place, so this table only ever grows at its ends. Values are integers, scaled
by ten to the power of `decimals`: what a sensor resolves, and one to three bytes in flash instead of eight.
Under which data point a channel is sent is the remote configuration's business.
"""

WEATHER = 0
HEALTH = 1
SOURCES = ("weather", "health")

CHANNELS = (
    (
        # name, decimals, type, unit
        ("am2320_temp", 1, "DOUBLE", "°C"),
        ("am2320_humidity", 1, "DOUBLE", "%"),
        ("bmp180_temp", 1, "DOUBLE", "°C"),
        ("bmp180_pressure", 0, "DOUBLE", "Pa"),
        ("bmp180_altitude", 1, "DOUBLE", "m"),
    ),
    (
        ("mem_used", 0, "LONG", "B"),
        ("mem_free", 0, "LONG", "B"),
        ("backlog", 0, "LONG", ""),
        ("lost", 0, "LONG", ""),
        ("boots", 0, "LONG", ""),
        ("clock_offset", 0, "LONG", "ms"),
        ("rssi", 0, "INT", "dBm"),
        ("sensor_faults", 0, "LONG", ""),
        ("upload_failures", 0, "LONG", ""),
        ("firmware", 0, "LONG", ""),
    ),
)

GAP = "gap"
"""Data point of the health source: how many samples were dropped before the record that carries it."""


def text_of(value, decimals):
    """Write a scaled integer as the decimal that it stands for: 215 with one decimal is `21.5`."""
    if decimals == 0:
        return str(value)
    scale = 10**decimals
    size = -value if value < 0 else value
    return "%s%d.%0*d" % ("-" if value < 0 else "", size // scale, decimals, size % scale)
