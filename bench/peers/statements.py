"""Peers that take lines and answer statements, which stand in a file beside them."""

from __future__ import annotations

import string
from abc import abstractmethod
from collections.abc import Mapping, Sequence

from bench.peers.lines import MEASUREMENT, LinePeer, tag
from bench.systems import VARIABLES_AGGREGATED
from storage.statements import Statement


class StatementPeer(LinePeer):
    """A peer with one measurement or table, asked in its dialect of SQL."""

    statements: Mapping[str, Statement]
    """`latest`, `raw`, `hourly` and `counts`, with the values as placeholders."""
    average = "avg"
    """What its mean is called."""

    @abstractmethod
    def path_of(self, text: str) -> str:
        """Give the path that a statement is asked by."""

    def latest(self, series: int, newest_ms: int) -> bytes:
        return self.state("latest", series=tag(series))

    def raw(self, series: int, begin_ms: int, end_ms: int, rows: int) -> bytes:
        return self.state("raw", series=tag(series), begin_ms=begin_ms, end_ms=end_ms, rows=rows)

    def hourly(self, series: int, begin_ms: int, end_ms: int) -> bytes:
        functions = ("count", "sum", self.average, "min", "max", "first", "last")
        columns = [f"{name}({variable})" for variable in VARIABLES_AGGREGATED for name in functions]
        values = {"series": tag(series), "begin_ms": begin_ms, "end_ms": end_ms}
        return self.state("hourly", columns=", ".join(columns), **values)

    def counts(self, series: Sequence[int], begin_ms: int, end_ms: int) -> list[tuple[bytes, Sequence[int]]]:
        """All series in one statement."""
        return [(self.state("counts", begin_ms=begin_ms, end_ms=end_ms), series)]

    def state(self, name: str, **values: object) -> bytes:
        """Write the request of a statement."""
        text = string.Template(self.statements[name].text).substitute(values, measurement=MEASUREMENT)
        return self.request("GET", self.path_of(text))
