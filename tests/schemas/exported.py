"""A fixed series with everything in it, written in every format: what golden files are made of (SM-37).

`python -m tests.schemas.exported` writes the files anew; whoever does so says in a changelog why what is
exported has changed.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from schemas.aspects import AspectType, Variable, VariableType
from schemas.columns import NO_QUALITY, Column, Texts
from schemas.exporting.model import (
    ExportColumn,
    ExportFile,
    ExportFormat,
    ExportPlan,
    ExportSeries,
    Heading,
    Layout,
    Packing,
    Window,
    headings_of,
)
from schemas.exporting.writers import writer_of

FOLDER = Path(__file__).parent / "golden_exports"
START_MS = 1_774_743_000_123
"""2026-03-29, some minutes before the clocks of Berlin leap."""
TIME_MS = START_MS + 600_000 * np.arange(12)

_DOUBLES = [0.0, -0.0, 1.5, -2.25, 1e-7, 123456.789, 1e16, 5e-324, 0.1 + 0.2, -1e300, 8.02, 100.0]
_LONGS = [0, -1, 2**53, -(2**63), 2**63 - 1, 7, 42, 10, 100, 1_000, 99, 5]
_STRINGS = [
    "plain", "=SUM(A1)", "+1", "-1", "@x", "'quoted", 'say "hi"', "a,b\tc", "", "two\nlines", " =lead",
    "grün",
]  # fmt: skip
_PRESENT = np.array([True] * 9 + [False, True, True])
_CODES = np.array([NO_QUALITY, 0, 64, 192, 4_294_967_295, *[NO_QUALITY] * 6, 1])

VARIABLES = (
    Variable(name="speed", type=VariableType.DOUBLE, unit="m/s", id=1, quality_code=True),
    Variable(name="count", type=VariableType.LONG, id=2),
    Variable(name="level", type=VariableType.INT, id=3),
    Variable(name="running", type=VariableType.BOOLEAN, id=4),
    Variable(name="label", type=VariableType.STRING, id=5, quality_code=True),
    Variable(name="since", type=VariableType.TIMESTAMP, id=6),
    Variable(name="never", type=VariableType.DOUBLE, id=7),
)
TYPE = AspectType(id="acme.mixed", tenant="acme", name="mixed", category="dynamic", variables=VARIABLES)


def columns() -> dict[int, Column]:
    """Give what the first series holds."""
    return {
        1: Column(np.array(_DOUBLES), _PRESENT, quality=_CODES),
        2: Column(np.array(_LONGS)),
        3: Column(np.arange(12) - 6, ~_PRESENT | (np.arange(12) % 2 == 0)),
        4: Column(np.arange(12) % 3 == 0),
        5: Column(Texts.of(_STRINGS), np.arange(12) != 9, quality=np.arange(12)),
        6: Column(TIME_MS - 86_400_000, np.arange(12) > 5),
    }


def plan_of(format_: ExportFormat, layout: Layout, *, codes: bool, numbers_only: bool = False) -> ExportPlan:
    """Plan a file of two series, in which the second has but a speed."""
    series = tuple(
        ExportSeries(
            asset=letter * 32, asset_name=f"mast {letter}", aspect="mixed", aspect_id=letter * 32, type=0
        )
        for letter in "ab"
    )
    numbers = {VariableType.DOUBLE, VariableType.INT}
    chosen = [each for each in VARIABLES if not numbers_only or each.type in numbers]
    named = tuple(ExportColumn(0, each.id, f"mast a.{each.name}") for each in chosen)
    clock = {"zone": "Europe/Berlin", "time_format": "%d/%m/%Y %H:%M:%S.%f%z"} if format_.has_clock else {}
    return ExportPlan(
        asked={},
        series=series,
        types=(TYPE,),
        files=(ExportFile("x", (*named, ExportColumn(1, 1, "mast b.speed"))),),
        start_ms=0,
        end_ms=2**50,
        format=format_,
        layout=layout,
        packing=Packing.ZIP,
        codes=codes,
        name="export",
        bytes_max=None,
        kept_s=3_600,
        **{"zone": "UTC", "time_format": "iso8601", **clock},
    )


def window_of(plan: ExportPlan) -> Window:
    """Give the rows."""
    first, second = columns(), Column(np.arange(12) / 4, np.arange(12) % 4 == 1)
    chosen = plan.files[0].columns
    return Window(TIME_MS, tuple(first.get(each.variable) if each.series == 0 else second for each in chosen))


def headings(plan: ExportPlan) -> tuple[Heading, ...]:
    """Give the columns of the file."""
    return headings_of(plan, plan.files[0])


def written(plan: ExportPlan, *windows: Window) -> bytes:
    """Write a file."""
    writer = writer_of(plan, headings(plan), has_rows=False)
    return b"".join([writer.begin(), *map(writer.rows, windows), writer.end()])


def cases() -> dict[str, ExportPlan]:
    """Give everything of which there is a golden file, by its name."""
    found = {}
    for format_, layout, codes in product(ExportFormat, Layout, (False, True)):
        if layout is Layout.NARROW and not format_.has_layouts:
            continue
        columnar = format_ in {ExportFormat.PARQUET, ExportFormat.ARROW}
        numbers_only = columnar and layout is Layout.NARROW
        suffix = "-codes" if codes else ""
        name = f"{format_.value}-{layout.value}{suffix}.{format_.suffix}"
        found[name] = plan_of(format_, layout, codes=codes, numbers_only=numbers_only)
    return found


if __name__ == "__main__":
    for name, plan in cases().items():
        (FOLDER / name).write_bytes(written(plan, window_of(plan)))
