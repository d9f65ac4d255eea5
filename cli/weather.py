"""A made-up weather mast: ten-minute records that look like the real thing, the same for each seed.

Wind follows a slow random walk of its logarithm, direction turns, temperature has a day and a year,
humidity opposes it, pressure drifts, the battery follows the sun. Ice on the anemometer makes its values
uncertain, a loose plug makes some bad: so the quality codes have something to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from client import Record, Variable

STEP = timedelta(minutes=10)
DAY_ROWS = 144

GOOD = 0
UNCERTAIN = 0x4092_0000
BAD = 0x8000_0000
"""OPC UA status codes, by their two highest bits."""

VARIABLES = (
    Variable("wind_speed", "DOUBLE", "m/s", quality_code=True),
    Variable("wind_direction", "DOUBLE", "°", quality_code=True),
    Variable("temperature", "DOUBLE", "°C", quality_code=True),
    Variable("humidity", "DOUBLE", "%"),
    Variable("pressure", "DOUBLE", "hPa"),
    Variable("battery", "DOUBLE", "V"),
    Variable("record", "LONG"),
)

Floats = NDArray[np.float64]


def records(end: datetime, days: int, seed: int) -> Iterator[Record]:
    """Give the records of the days before a moment, ascending, at whole ten minutes."""
    rows = days * DAY_ROWS
    last = end.astimezone(UTC).replace(second=0, microsecond=0)
    start = last - timedelta(minutes=last.minute % 10) - (rows - 1) * STEP
    columns = _columns(np.random.default_rng(seed), rows, start)
    codes = {name: column for name, column in columns.items() if name.endswith("_qc")}
    values = {name: np.round(column, 2).tolist() for name, column in columns.items() if name not in codes}
    lists = values | {name: column.astype(np.int64).tolist() for name, column in codes.items()}
    for row in range(rows):
        time = (start + row * STEP).isoformat(timespec="milliseconds")[:-6] + "Z"
        yield {"_time": time, "record": row, **{name: cells[row] for name, cells in lists.items()}}


def _columns(random: np.random.Generator, rows: int, start: datetime) -> dict[str, Floats]:
    day = 2 * np.pi * (np.arange(rows) % DAY_ROWS / DAY_ROWS + start.hour / 24)
    year = 2 * np.pi * (np.arange(rows) / DAY_ROWS + start.timetuple().tm_yday) / 365
    sun = np.clip(-np.cos(day), 0, None)
    temperature = 8 - 9 * np.cos(year) - 4 * np.cos(day - 0.6) + _walk(random, rows, 0.99, 0.35)
    humidity = np.clip(78 - 2.2 * (temperature - 8) + _walk(random, rows, 0.98, 1.5), 15, 100)
    wind = np.exp(1.7 + 0.15 * sun + _walk(random, rows, 0.985, 0.085)) * random.normal(1, 0.04, rows)
    ice = (temperature < 0.5) & (humidity > 93)
    loose = random.random(rows) < 0.002
    return {
        "wind_speed": np.where(ice, wind * 0.6, wind),
        "wind_speed_qc": np.where(ice, UNCERTAIN, GOOD).astype(np.float64),
        "wind_direction": (240 + np.cumsum(random.normal(0, 3, rows))) % 360,
        "wind_direction_qc": np.where(ice, UNCERTAIN, GOOD).astype(np.float64),
        "temperature": np.where(loose, -99.9, temperature),
        "temperature_qc": np.where(loose, BAD, GOOD).astype(np.float64),
        "humidity": humidity,
        "pressure": 1013 + _walk(random, rows, 0.999, 0.25),
        "battery": 12.4 + 1.1 * sun + random.normal(0, 0.03, rows),
    }


def _walk(random: np.random.Generator, rows: int, keep: float, step: float) -> Floats:
    """Give a random walk that is drawn back to zero."""
    steps = random.normal(0, step, rows).tolist()
    level, levels = 0.0, []
    for one in steps:
        level = keep * level + one
        levels.append(level)
    return np.array(levels)
