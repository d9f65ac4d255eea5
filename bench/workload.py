"""Workload A of design 10: five variables of a machine, as records, as request bodies, later rounds.

Everything is drawn from seeded generators in a fixed order, so that every system that is measured
gets the same bytes. Pure: no socket, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

START_MS = 1_704_067_200_000
"""2024-01-01T00:00:00Z: inside the window of every system that is compared."""

ROUND_MS = 10_000_000
"""How far round r + 1 lies behind round r (design 10)."""

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
_TIME_BYTES = len("2024-01-01T00:00:00.000")


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


def bodies_of(machine: Machine, batch: int = 1_000) -> list[bytes]:
    """Cut the records into PUT bodies of `batch` records, in time order."""
    records = machine.records()
    return [msgspec.json.encode(records[i : i + batch]) for i in range(0, len(records), batch)]


class Batch:
    """One PUT body that can be sent again in a later round: only its times are written anew."""

    __slots__ = ("_digits", "_octets", "time_ms")

    def __init__(self, body: bytes, time_ms: NDArray[np.int64]) -> None:
        """Find where the times stand; `time_ms` are those of the body's records, in order."""
        starts = _occurrences(body, _TIME_OPENING)
        assert len(starts) == len(time_ms)
        self._octets = np.frombuffer(body, np.uint8)
        self._digits = (starts + len(_TIME_OPENING))[:, None] + np.arange(_TIME_BYTES)
        self.time_ms = time_ms

    def in_round(self, number: int) -> bytes:
        """Give the body with every time moved by `number` × 10,000 s."""
        moved = time_texts(self.time_ms + number * ROUND_MS).astype(f"S{_TIME_BYTES}")
        octets = self._octets.copy()
        octets[self._digits] = moved.view(np.uint8).reshape(len(moved), _TIME_BYTES)
        return octets.tobytes()


def batches_of(asset: int, records: int = 10_000, batch: int = 1_000) -> list[Batch]:
    """Make the batches of one asset."""
    machine = draw(asset, records)
    cuts = range(0, records, batch)
    times = [machine.time_ms[i : i + batch] for i in cuts]
    return [Batch(body, time) for body, time in zip(bodies_of(machine, batch), times, strict=True)]


def _occurrences(body: bytes, opening: bytes) -> NDArray[np.int64]:
    """List where `opening` begins, ascending."""
    found = []
    at = body.find(opening)
    while at >= 0:
        found.append(at)
        at = body.find(opening, at + 1)
    return np.array(found, np.int64)


def single_record(asset: int, time_ms: int) -> bytes:
    """Make the body of one record of five values; the values depend on the asset and the time only."""
    spread = (asset * 2_654_435_761 + time_ms) % 1_000_003
    return b'[{"_time":"%s","temperature":%.2f,"pressure":%.1f,"rpm":%d,"running":%s,"setpoint":%d}]' % (
        _rfc3339(time_ms),
        20 + spread % 1000 / 100,
        101_325 + spread % 997 / 10,
        1500 + spread % 13,
        b"false" if spread % 100 == 0 else b"true",
        18 + spread % 7,
    )


def _rfc3339(time_ms: int) -> bytes:
    return str(np.datetime64(time_ms, "ms")).encode() + b"Z"
