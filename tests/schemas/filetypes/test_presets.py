"""What each preset makes of a file of its kind is pinned; no upgrade changes it unnoticed (SM-12, SM-37).

After a wanted change: `python tests/schemas/filetypes/test_presets.py` writes the expected answers anew.
"""

import json
from pathlib import Path

import msgspec
import pytest

from schemas.filetypes.conversion import text_at
from schemas.filetypes.mapping import Mapper
from schemas.filetypes.placing import Placer
from schemas.filetypes.presets import PRESETS
from schemas.filetypes.preview import preview
from schemas.filetypes.reading import open_table
from schemas.times import format_time

GOLDEN = Path(__file__).parent / "golden"
FILES = {
    "toa5.dat": "campbell-toa5",
    "nrg.txt": "nrg-text",
    "ammonit.csv": "ammonit-text",
    "kintech.txt": "kintech-text",
    "movebank.csv": "movebank-csv",
    "tinyflux.csv": "tinyflux",
}


def told(name: str) -> dict:
    """Read a file by its preset and tell all that came of it."""
    file_type = msgspec.structs.replace(PRESETS[FILES[name]], asset="site")
    table = open_table(file_type, [(GOLDEN / name).read_bytes()])
    placer = Placer(file_type, Mapper(file_type, head=table.head), lambda *_: None)
    series: dict[str, list] = {}
    refused: list = []
    for chunk in table.chunks():
        placement = placer.place(chunk)
        refused += [list(row) for row in placement.refused]
        for one in placement.placed:
            rows = series.setdefault(f"{one.asset}/{one.aspect}", [])
            for row, time_ms in enumerate(one.time_ms.tolist()):
                cells = {variable: text_at(column, row) for variable, column in one.cells.items()}
                there = {variable: one.cells[variable].present for variable in cells}
                given = {key: text for key, text in cells.items() if there[key] is None or there[key][row]}
                rows.append([format_time(time_ms), int(one.lines[row]), given])
    return {"attributes": dict(table.head.attributes), "units": dict(table.head.units),
            "statistics": dict(table.head.statistics), "series": series, "refused": refused}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_preset_reads_files_of_its_kind(name: str) -> None:
    """Attributes, units, statistics, every value by its series and every refused row are as pinned."""
    assert json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))[name] == told(name)


@pytest.mark.parametrize("name", FILES)
def test_a_preview_tells_what_would_be_read(name: str) -> None:
    """A preview tells the head, the columns with their use, and the first rows, and finds no problem."""
    found = preview(PRESETS[FILES[name]], [(GOLDEN / name).read_bytes()])

    assert ("", ()) == (found.problem, found.lines)
    assert {"time", "place", "value"} >= {column.use for column in found.columns}
    all_of_it = told(name)
    rows = sum(len(rows) for rows in all_of_it["series"].values()) + len(all_of_it["refused"])
    assert len(found.rows) == found.rows_read == rows


if __name__ == "__main__":
    answers = json.dumps({name: told(name) for name in FILES}, indent=1, ensure_ascii=False)
    (GOLDEN / "expected.json").write_text(answers + "\n", encoding="utf-8")
