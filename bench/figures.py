"""What a run found: one set of figures a system, kept as JSON beside the tables for plots and comparisons."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.report import millions, table

FIGURES = Path(__file__).parent / "figures.json"


class Sustained(msgspec.Struct, frozen=True):
    """A run of a minute and more: values a second, and how long it took."""

    acked: float
    visible: float
    seconds: float


class Singles(msgspec.Struct, frozen=True):
    """Requests of one record at so many series: a rate a run, the median of their p99."""

    series: int
    rates: list[float]
    p99_ms: float
    remark: str = ""


class Figures(msgspec.Struct):
    """One line of the table; what was not measured is None or empty."""

    name: str
    durability: str = ""
    settings: str = ""
    absent: str | None = None
    """Why it was not measured."""
    series: int = 0
    acked: list[float] = []
    visible: list[float] = []
    sustained: Sustained | None = None
    latest_ms: float | None = None
    raw_ms: float | None = None
    aggregate_ms: float | None = None
    singles: list[Singles] = []
    idle_bytes: int | None = None
    loaded_bytes: int | None = None
    stored: float | None = None
    """Bytes a value in the files of the data, settled."""
    logs: float | None = None


class Question(msgspec.Struct, frozen=True):
    """One column: how it is written, which number is compared, and whether more of it is better."""

    head: str
    number: Callable[[Figures], float | None]
    text: Callable[[Figures], str]
    more_is_better: bool = False


def _median(rates: Sequence[float]) -> float | None:
    return statistics.median(rates) if rates else None


def _rates(rates: Sequence[float], write: Callable[[float], str]) -> str:
    middle = write(statistics.median(rates))
    return middle if len(rates) == 1 else f"{middle} ({write(min(rates))} to {write(max(rates))})"


def _whole(rate: float) -> str:
    return f"{rate:,.0f}"


def _sustained(figures: Figures) -> str:
    run = figures.sustained
    if run is None:
        return "-"
    return f"{millions(run.acked)} acked, {millions(run.visible)} visible ({run.seconds:.0f} s)"


def _singles(figures: Figures) -> str:
    said = [
        f"{_rates(run.rates, _whole)} at {run.series:,} series (p99 {run.p99_ms:.1f} ms"
        + (f", {run.remark})" if run.remark else ")")
        for run in figures.singles
    ]
    return "; ".join(said) or "-"


def _disk(figures: Figures) -> str:
    return "-" if figures.stored is None else f"{figures.stored:.2f} (logs {figures.logs or 0:.2f})"


def _megabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 2**20:.0f} MB"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


QUESTIONS = (
    Question("acked values/s", lambda f: _median(f.acked), lambda f: _rates(f.acked, millions), True),
    Question("visible values/s", lambda f: _median(f.visible), lambda f: _rates(f.visible, millions), True),
    Question("sustained values/s", lambda f: f.sustained.visible if f.sustained else None, _sustained, True),
    Question("latest, ms", lambda f: f.latest_ms, lambda f: _ms(f.latest_ms)),
    Question("raw records, ms", lambda f: f.raw_ms, lambda f: _ms(f.raw_ms)),
    Question("hourly aggregates, ms", lambda f: f.aggregate_ms, lambda f: _ms(f.aggregate_ms)),
    Question(
        "single-record requests/s",
        lambda f: _median(f.singles[0].rates) if f.singles else None,
        _singles,
        True,
    ),
    Question("idle memory", lambda f: f.idle_bytes, lambda f: _megabytes(f.idle_bytes)),
    Question("memory under load", lambda f: f.loaded_bytes, lambda f: _megabytes(f.loaded_bytes)),
    Question("bytes/value on disk", lambda f: f.stored, _disk),
)  # fmt: skip
"""The columns of the table of design 10."""

COLUMNS = tuple(question.head for question in QUESTIONS)


def figures_table(systems: Sequence[Figures]) -> str:
    """Write a line a system; one that was not measured says why instead."""
    measured = [system for system in systems if system.absent is None]
    rows = [[_named(system), *(cell(question, system) for question in QUESTIONS)] for system in measured]
    lines = [table(["", *COLUMNS], rows), ""]
    lines += [f"- {system.name}: {_said(system)}." for system in measured]
    lines += [f"- {system.name} was not measured: {system.absent}." for system in systems if system.absent]
    return "\n".join(lines)


def ratios_table(ours: Sequence[Figures], peers: Sequence[Figures]) -> str:
    """Compare each of our lines with each peer of the same run: above 1 is ahead, in any column."""
    rows = [
        [f"{one.name} : {other.name}", *(_ratio(question, one, other) for question in QUESTIONS)]
        for one in ours
        for other in peers
        if one.absent is None and other.absent is None
    ]
    return table(["", *COLUMNS], rows) if rows else ""


def save(systems: Sequence[Figures], path: Path = FIGURES) -> None:
    """Keep the figures of a run."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(systems), indent=1) + b"\n")


def load(path: Path = FIGURES) -> list[Figures]:
    """Read the figures of the last run."""
    return msgspec.json.decode(path.read_bytes(), type=list[Figures])


def _named(system: Figures) -> str:
    return f"{system.name} ({system.series} series)" if 0 < system.series < 100 else system.name


def cell(question: Question, figures: Figures) -> str:
    """Write one figure; a dash for what was not measured."""
    return "-" if question.number(figures) is None else question.text(figures)


def _said(system: Figures) -> str:
    return "; ".join(text for text in (system.durability, system.settings) if text)


def _ratio(question: Question, one: Figures, other: Figures) -> str:
    mine, theirs = question.number(one), question.number(other)
    if not mine or not theirs:
        return "-"
    return f"{mine / theirs if question.more_is_better else theirs / mine:.2f}"
