"""Workload A of design 10: five variables of a machine, as records, as request bodies, later rounds.

Everything is drawn from seeded generators in a fixed order, so that every system that is measured
gets the same bytes. Pure: no socket, no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

START_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z: inside the window of every system that is compared."""

ROUND_MS = 10_000_000
"""How far round r + 1 lies behind round r (design 10)."""

DAY_MS = 86_400_000

VARIABLES = (
    ("temperature", "DOUBLE", "°C"),
    ("pressure", "DOUBLE", "Pa"),
    ("rpm", "LONG", "1/min"),
    ("running", "BOOLEAN", None),
    ("setpoint", "INT", "°C"),
)
"""Name, data type and unit, in the order in which the values are drawn."""

VALUES_A_RECORD = len(VARIABLES)

_TIME_OPENING = b'{"_time":"'
WriteTimes = Callable[[NDArray[np.int64]], NDArray[np.bytes_]]


@dataclass(slots=True, frozen=True)
class Machine:
    """The records of one asset as columns."""

    time_ms: NDArray[np.int64]
    temperature: NDArray[np.float64]
    pressure: NDArray[np.float64]
    rpm: NDArray[np.int64]
    running: NDArray[np.bool_]
    setpoint: NDArray[np.int64]

    def records(self) -> list[dict[str, object]]:
        """Give the records as a client would write them."""
        names = ("_time", *(name for name, _, _ in VARIABLES))
        columns = (
            [text + "Z" for text in time_texts(self.time_ms).tolist()],
            self.temperature.tolist(),
            self.pressure.tolist(),
            self.rpm.tolist(),
            self.running.tolist(),
            self.setpoint.tolist(),
        )
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def values(self) -> list[tuple[str, list[float] | list[int] | list[bool]]]:
        """Give each variable's name and values."""
        return [(name, getattr(self, name).tolist()) for name, _, _ in VARIABLES]

    def cut(self, rows: int) -> list[Machine]:
        """Cut into runs of so many records, in time order."""
        columns = ("time_ms", *(name for name, _, _ in VARIABLES))
        cuts = range(0, len(self.time_ms), rows)
        return [Machine(*(getattr(self, name)[i : i + rows] for name in columns)) for i in cuts]


def draw(asset: int, records: int = 10_000) -> Machine:
    """Draw the records of asset number `asset`, in the order that design 10 gives."""
    g = np.random.default_rng(1000 + asset)
    return Machine(
        time_ms=START_MS + 1000 * np.arange(records) + g.integers(0, 4, records),
        temperature=np.round(20 + np.cumsum(g.normal(0, 0.05, records)), 2),
        pressure=np.round(101_325 + g.normal(0, 20, records), 1),
        rpm=np.maximum(0, 1500 + np.cumsum(g.integers(-3, 4, records))),
        running=g.random(records) > 0.01,
        setpoint=np.repeat(g.integers(18, 25, -(-records // 500)), 500)[:records],
    )


def time_texts(time_ms: NDArray[np.int64]) -> NDArray[np.str_]:
    """Write times as RFC 3339 in UTC with three digits, without the `Z`."""
    return np.datetime_as_string(time_ms.astype("datetime64[ms]"), unit="ms")


class Template:
    """One body that can be sent again in a later round: only its times are written anew."""

    __slots__ = ("_digits", "_octets", "_write", "time_ms")

    def __init__(
        self, body: bytes, starts: NDArray[np.int64], time_ms: NDArray[np.int64], write: WriteTimes
    ) -> None:
        """Take a body, where its times start, and what they are; `write` gives them all the same width."""
        assert len(starts) == len(time_ms)
        self._octets = np.frombuffer(body, np.uint8)
        self._digits = starts[:, None] + np.arange(write(time_ms[:1]).itemsize)
        self._write = write
        self.time_ms = time_ms

    def in_round(self, number: int) -> bytes:
        """Give the body with every time moved by `number` × 10,000 s."""
        moved = self._write(self.time_ms + number * ROUND_MS)
        octets = self._octets.copy()
        octets[self._digits] = moved.view(np.uint8).reshape(self._digits.shape)
        return octets.tobytes()


def template_of(before: list[bytes], time_ms: NDArray[np.int64], after: bytes, write: WriteTimes) -> Template:
    """Join what stands before each time, the times, and what stands after the last one."""
    texts = write(time_ms).tolist()
    body = b"".join(chain.from_iterable(zip(before, texts, strict=True))) + after
    width = write(time_ms[:1]).itemsize
    starts = np.cumsum([len(text) + width for text in before]) - width
    return Template(body, starts, time_ms, write)


def _digits(width: int) -> NDArray[np.uint8]:
    """Write the numbers below 10^width as ASCII digits."""
    numbers = np.arange(10**width)[:, None] // 10 ** np.arange(width - 1, -1, -1)
    return (numbers % 10 + ord("0")).astype(np.uint8)


_TWO, _THREE = _digits(2), _digits(3)
_RFC3339 = np.frombuffer(b"0000-00-00T00:00:00.000", np.uint8)


def rfc3339_texts(time_ms: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Write times as 23 bytes of RFC 3339, without the `Z`; numpy's own way takes far longer."""
    written = np.tile(_RFC3339, (len(time_ms), 1))
    days, which = np.unique(time_ms // DAY_MS, return_inverse=True)
    dates = np.datetime_as_string(days.astype("datetime64[D]")).astype("S10")
    written[:, :10] = dates.view(np.uint8).reshape(-1, 10)[which]
    for at, unit_ms, units in ((11, 3_600_000, 24), (14, 60_000, 60), (17, 1_000, 60)):
        written[:, at : at + 2] = _TWO[time_ms // unit_ms % units]
    written[:, 20:] = _THREE[time_ms % 1_000]
    return written.view("S23").ravel()


def decimal_texts(time_ms: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """Write times as 13 digits: milliseconds since 1970."""
    written = np.empty((len(time_ms), 13), np.uint8)
    written[:, 0] = ord("0") + time_ms // 10**12
    for at in range(1, 13, 3):
        written[:, at : at + 3] = _THREE[time_ms // 10 ** (10 - at) % 1_000]
    return written.view("S13").ravel()


def dialect_template(machine: Machine) -> Template:
    """Write records as one PUT body of the dialect."""
    body = msgspec.json.encode(machine.records())
    starts = _occurrences(body, _TIME_OPENING) + len(_TIME_OPENING)
    return Template(body, starts, machine.time_ms, rfc3339_texts)


def _occurrences(body: bytes, opening: bytes) -> NDArray[np.int64]:
    """List where `opening` begins, ascending."""
    found = []
    at = body.find(opening)
    while at >= 0:
        found.append(at)
        at = body.find(opening, at + 1)
    return np.array(found, np.int64)


@dataclass(slots=True, frozen=True)
class Single:
    """The values of one record; they depend on the series and the time only."""

    temperature: float
    pressure: float
    rpm: int
    running: bool
    setpoint: int

    @classmethod
    def of(cls, series: int, time_ms: int) -> Single:
        """Choose the values."""
        spread = (series * 2_654_435_761 + time_ms) % 1_000_003
        return cls(
            20 + spread % 1000 / 100,
            101_325 + spread % 997 / 10,
            1500 + spread % 13,
            spread % 100 != 0,
            18 + spread % 7,
        )


def single_record(series: int, time_ms: int) -> bytes:
    """Make the body of one record of five values, as the dialect has it."""
    values = Single.of(series, time_ms)
    return b'[{"_time":"%s","temperature":%.2f,"pressure":%.1f,"rpm":%d,"running":%s,"setpoint":%d}]' % (
        _rfc3339(time_ms),
        values.temperature,
        values.pressure,
        values.rpm,
        b"true" if values.running else b"false",
        values.setpoint,
    )


def _rfc3339(time_ms: int) -> bytes:
    return str(np.datetime64(time_ms, "ms")).encode() + b"Z"
