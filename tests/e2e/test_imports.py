"""Logger files by their type with one command, over a whole service (SM-03, SM-10)."""

import csv
import json
import lzma
import re

import pytest

from client.models import Variable
from tests.e2e.test_command import differences, rows_of


@pytest.fixture
def mast(client):
    """An asset with an aspect `logger` that has nearly nothing, made once."""
    if not list(client.list_assets(json.dumps({"name": "tower"}))):
        client.create_aspect_type("acme.Logger", "Logger", [Variable(name="RECORD", data_type="DOUBLE")])
        client.create_asset_type("acme.Tower", "Tower", {"logger": "acme.Logger"})
        client.create_asset("tower", "acme.Tower")
        client.create_asset("tower-by-tool", "acme.Tower")
    return "tower"


def by_time(text):
    """Read a table of `read --format csv`: for each time the cells by name."""
    names, *rows = csv.reader(text.splitlines())
    return {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows}


def demand_agreement(command, full, path):
    """Import the file that a tool wrote of the same mast: 188 rows, where both have a value it is equal."""
    done = command("import", path, "--type", "windographer-text", "--asset", "tower-by-tool")
    read = command("read", "--asset", "tower-by-tool", "--aspect", "logger", "--format", "csv")

    assert "188 rows: 188 stored, 0 duplicates, 0 refused" in done.stdout, done.stdout + done.stderr
    of_tool = by_time(read.stdout)
    assert 188 == len(of_tool)
    pairs = [
        (full[time][name], cell)
        for time, cells in of_tool.items()
        for name, cell in cells.items()
        if full[time].get(name) and cell
    ]
    assert len(pairs) > 188 * 25, "nearly all columns of the tool are columns of the logger"
    assert [] == [(one, other) for one, other in pairs if float(one) != float(other)]


@pytest.mark.timeout(900)
def test_a_logger_file_imports_by_its_preset_with_one_command(command, mast, test_data):
    """95,629 rows by `campbell-toa5`: every value equal; the same again is a no-op; it can be undone.

    What an analysis tool wrote of the same mast imports by its own preset, and agrees where they overlap.
    """
    path = test_data / "mast" / "toa5_full.csv.xz"

    seen = command("types", "preview", path, "--type", "campbell-toa5")
    done = command("import", path, "--type", "campbell-toa5", "--asset", mast)
    read = command("read", "--asset", mast, "--aspect", "logger", "--format", "csv")
    again = command("import", path, "--type", "campbell-toa5", "--asset", mast)

    assert (seen.returncode, "Timestamp  time" in seen.stdout) == (0, True), seen.stdout + seen.stderr
    assert "95,629 rows: 95,629 stored, 0 duplicates, 0 refused" in done.stdout, done.stdout + done.stderr
    with lzma.open(path, "rt", encoding="utf-8-sig", newline="") as text:
        sent = list(csv.reader(text))
    names, came = next(csv.reader([read.stdout.splitlines()[0]])), rows_of(read.stdout, 1)
    order = [names.index(re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")) for name in sent[1][1:]]
    came = [[row[0], *(row[place] for place in order)] for row in came]
    assert [row[0].replace(" ", "T") + ".000Z" for row in sent[4:]] == [row[0] for row in came]
    assert differences(sent[4:], came) == []
    demand_agreement(command, by_time(read.stdout), test_data / "mast" / "windographer_small.txt")
    job = re.search(r"job ([0-9a-f-]{36})", done.stdout)[1]
    assert (0, True) == (again.returncode, f"The job {job} has imported the same before" in again.stdout)

    undone = command("import", "undo", job)
    assert undone.returncode == 0, undone.stderr
    listed = command("imports", "--format", "json")
    assert {job} < {line["id"] for line in json.loads(listed.stdout)}
