"""Pictures beside `results.md`: one PNG a question, drawn from what a run found.

They need matplotlib; without it the tables stand alone, and that is said once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import QUESTIONS, Figures, Question

PLOTS = Path(__file__).parent / "plots"
INCHES, DOTS_AN_INCH = (8.0, 4.5), 100
OWN_COLOUR, PEER_COLOUR = "#0b6e4f", "#9aa5b1"

Line = tuple[Sequence[float], Sequence[float]]


def lacking() -> str | None:
    """Say what is not there to draw with; None when it is."""
    return None if importlib.util.find_spec("matplotlib") else "no matplotlib found: no plots are drawn"


def draw_speed(systems: Sequence[Figures], folder: Path = PLOTS) -> list[Path]:
    """Draw a picture for each column of the table, a point a system; gives the files."""
    measured = [system for system in systems if system.absent is None]
    return [path for question in QUESTIONS for path in _draw_question(question, measured, folder)]


def _draw_question(question: Question, systems: Sequence[Figures], folder: Path) -> list[Path]:
    numbers = {system.name: question.number(system) for system in systems}
    found = {name: number for name, number in numbers.items() if number is not None}
    return draw_points(folder / f"{_file_name(question.head)}.png", question, found) if found else []


def draw_points(path: Path, question: Question, numbers: dict[str, float]) -> list[Path]:
    """Draw a point a name: systems differ by factors, and a logarithmic axis has no zero for bars."""
    figure, axes = _axes()
    if axes is None:
        return []
    for row, (name, number) in enumerate(reversed(numbers.items())):
        colour = OWN_COLOUR if name.startswith("Aspectstore") else PEER_COLOUR
        axes.plot(number, row, "o", markersize=11, color=colour)
        axes.annotate(_short(number), (number, row), (12, -4), textcoords="offset points")
    axes.set_yticks(range(len(numbers)), [name.replace("`", "") for name in reversed(numbers)])
    axes.set_xscale("log")
    axes.margins(x=0.2, y=0.15)
    axes.grid(visible=True, axis="x", alpha=0.3)
    better = "more is better" if question.more_is_better else "less is better"
    axes.set_title(f"{question.head} ({better}, logarithmic)")
    return [_saved(figure, path)]


def draw_lines(
    path: Path, title: str, axis: tuple[str, str], lines: Mapping[str, Line], *, logarithmic: bool = False
) -> list[Path]:
    """Draw a curve a name; `axis` names x and y with their units. Gives the file."""
    figure, axes = _axes()
    if axes is None:
        return []
    for name, (across, up) in lines.items():
        axes.plot(across, up, marker="o" if len(across) < 20 else None, label=name)
    if logarithmic:
        axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel=axis[0], ylabel=axis[1])
    axes.grid(visible=True, alpha=0.3)
    if len(lines) > 1:
        axes.legend()
    return [_saved(figure, path)]


def _axes() -> tuple[Any, Any]:
    """Open a picture; (None, None) where nothing can be drawn with."""
    reason = lacking()
    if reason is not None:
        print(reason)
        return None, None
    from matplotlib.figure import Figure  # noqa: PLC0415  # only where it is there

    figure = Figure(figsize=INCHES, dpi=DOTS_AN_INCH, layout="constrained")
    return figure, figure.add_subplot()


def _saved(figure: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def _file_name(head: str) -> str:
    """Make a file name of a column's head: `latest, ms` becomes `latest-ms`."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in head).split())


def _short(number: float) -> str:
    for factor, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= factor:
            return f"{number / factor:.3g}{unit}"
    return f"{number:.3g}"
