"""Influx line protocol, which three of the peers take: one line a record, times in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from itertools import chain, repeat

from bench.systems import Peer
from bench.workload import Machine, Single, Template, decimal_texts, template_of

MEASUREMENT = "machine"


def tag(series: int) -> str:
    """Name the series, as the value of the tag `asset`."""
    return f"m{series:06}"


class LinePeer(Peer):
    """A peer that is sent lines."""

    write_path = "/write?precision=ms"

    def template(self, series: int, machine: Machine) -> Template:
        return lines_template(series, machine)

    def single(self, series: int, time_ms: int) -> bytes:
        return single_line(series, time_ms)

    def write(self, series: int, body: bytes) -> bytes:
        return self.request("POST", self.write_path, body)


def lines_template(series: int, machine: Machine) -> Template:
    """Write records as lines."""
    columns = [column for _, column in machine.values()]
    rows = zip(*columns, strict=True)
    joints = chain([b""], repeat(b"\n"))
    before = [joint + _line(series, row) for joint, row in zip(joints, rows, strict=False)]
    return template_of(before, machine.time_ms, b"\n", decimal_texts)


def single_line(series: int, time_ms: int) -> bytes:
    """Write one record as a line."""
    values = Single.of(series, time_ms)
    return b"%s%d\n" % (_line(series, astuple(values)), time_ms)


def _line(series: int, values: Sequence[float]) -> bytes:
    """Write a line up to its time; the values stand in the order of the workload's variables."""
    temperature, pressure, rpm, running, setpoint = values
    numbers = f"temperature={temperature!r},pressure={pressure!r},rpm={rpm}i"
    return f"{MEASUREMENT},asset={tag(series)} {numbers},running={running},setpoint={setpoint}i ".encode()
