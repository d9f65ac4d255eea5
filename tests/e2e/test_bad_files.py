"""Bad files by the command: each is told what is wrong with it, and nothing of it is stored (S9, SM-10).

All go through one call of `aspectstore import` against a whole service; the tests look at what it said.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
import zstandard

from bench.service import Service, descendants, peak_bytes
from client import Client
from client.models import Variable
from tests.e2e.conftest import CREDENTIALS, clean_environ, run

TYPE = """
name = "station-lines"
encoding = "utf-8"
timeColumns = ["time"]
timeFormats = ["%Y-%m-%d %H:%M"]
zone = "UTC"
aspect = "station"
newColumns = "refuse"

[[rules]]
column = "speed"

[[rules]]
column = "note"
"""
HEAD = b"time,speed,note\n"
LINES = HEAD + b"".join(b"2021-01-%02d 00:00,%d.5,calm\n" % (day, day) for day in range(1, 29))
MB = 1_048_576
LINE_MB = 1_024
MEMORY_MAX = 512 * MB


def zipped(octets: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file of one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a.csv", octets)
    return out.getvalue()


def one_line() -> bytes:
    """A line of a gigabyte, packed no more than a logger's text may be."""
    noise = b"".join(b"%d," % (number * 2_654_435_761 % 1_000_003) for number in range(1_000))
    piece = gzip.compress(noise + b"1," * ((MB - len(noise)) // 2))
    return gzip.compress(HEAD) + piece * LINE_MB


TRUNCATED = "The {} file is truncated"
NO_HEADER = (
    "No timeColumns 'time' found in {} lines; is the delimiter right, and do the columns have these names?"
)
LONG = "Line 2 is longer than 1048576 bytes; is this file of another format?"
NESTED = "{} holds another archive (.{}); unpack the outer one first."
BOMB = "The archive unpacks to more than 200 times its size: a bomb."

FAILS = {
    "encoding.csv": (HEAD + b"2021-01-01 00:00,1.5,K\xfchler\n", "About line 2 the text is not utf-8"),
    "binary.csv": (
        bytes(range(256)) * 40,
        "the text is not utf-8 (invalid start byte); declare the encoding",
    ),
    "truncated.csv.gz": (gzip.compress(LINES)[:-20], TRUNCATED.format("gzip")),
    "truncated.csv.xz": (lzma.compress(LINES)[:-20], TRUNCATED.format("xz")),
    "truncated.csv.zst": (zstandard.compress(LINES)[:-20], TRUNCATED.format("zstd")),
    "truncated.zip": (zipped(LINES)[:-30], TRUNCATED.format("zip")),
    "other.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(100), "other.7z is a .7z; .gz, .xz, .zst and .zip are read."),
    "no-header.csv": (LINES.removeprefix(HEAD), NO_HEADER.format(28)),
    "empty.csv": (b"", NO_HEADER.format(0)),
    "twice.csv": (b"time,speed,speed\n2021-01-01 00:00,1,2\n", "The header names 'speed' twice"),
    "column.csv": (b"time,speed,gust\n2021-01-01 00:00,1,2\n", "Column 'gust': no rule places it"),
    "line.csv.gz": (one_line(), LONG),
    "zeros.csv.gz": (gzip.compress(HEAD) + gzip.compress(bytes(MB)) * LINE_MB, LONG),
    "nested.zip": (zipped(zipped(LINES)), NESTED.format("nested.zip", "zip")),
    "nested.csv.gz": (gzip.compress(gzip.compress(LINES)), NESTED.format("nested.csv.gz", "gz")),
    "bomb.zip": (zipped(LINES * 40_000, zipfile.ZIP_LZMA), BOMB),
    "bomb.csv.xz": (lzma.compress(LINES * 40_000, preset=0), BOMB),
}
"""What fails as a whole: its bytes, and what the job says."""

REFUSED = {
    "ragged.csv": (
        b"2021-01-01 00:00,1.5\n2021-01-02 00:00,1.5,calm,9\n",
        [
            ["2", "", "the row has 2 cells, the header 3", "2021-01-01 00:00,1.5"],
            ["3", "", "the row has 4 cells, the header 3", "2021-01-02 00:00,1.5,calm,9"],
        ],
    ),
    "mixed.csv": (
        b'01.02.2021 00:00,1.5,calm\n2021-01-02 00:00,"1,5",calm\n',
        [
            ["2", "time", "is no time of the declared formats", "01.02.2021 00:00"],
            ["3", "speed", "is no number", "1,5"],
        ],
    ),
    "future.csv": (
        b"2150-01-01 00:00,1.5,calm\n",
        [["2", "time", "lies after the latest time that is taken", "2150-01-01 00:00"]],
    ),
    "past.csv": (
        b"1950-01-01 00:00,1.5,calm\n",
        [["2", "time", "lies before the earliest time that is taken", "1950-01-01 00:00"]],
    ),
    "formula.csv": (
        b"2021-01-01 00:00,=1+1,calm\n",
        [["2", "speed", "is no number", "'=1+1"]],
    ),
}
"""What is refused row by row: the rows, and what the report has of them: line, column, reason, text."""

STORED = {"_time": "2020-06-01T00:00:00.000Z", "speed": 7.5, "note": "calm"}


class Told(NamedTuple):
    """What the command said, and what became of the store."""

    code: int
    said: dict[str, str]
    """By file."""
    report: list[list[str]]
    """Lines of the reports of refused rows."""
    rows: list[dict[str, object]]
    """What the series has afterwards."""
    peak_bytes: int
    """Most of a process that did a job."""


@pytest.fixture(scope="module")
def told(service, tmp_path_factory):
    """Import every bad file by one command into a series of one record."""
    folder = tmp_path_factory.mktemp("bad")
    files = {name: octets for name, (octets, _) in FAILS.items()}
    files |= {name: HEAD + octets for name, (octets, _) in REFUSED.items()}
    for name, octets in files.items():
        (folder / name).write_bytes(octets)
    (folder / "type.toml").write_text(TYPE)
    variables = {"URL": service.url, "CLIENT": CREDENTIALS.client, "SECRET": CREDENTIALS.secret}
    environ = clean_environ() | {f"ASPECTSTORE_{name}": value for name, value in variables.items()}
    options = ["--type", "station-lines", "--asset", "station", "--refused", "refused.csv"]
    with Client(service.url, CREDENTIALS.client, CREDENTIALS.secret) as client:
        variables = [
            Variable(name="speed", data_type="DOUBLE"),
            Variable(name="note", data_type="STRING", length=40),
        ]
        client.create_aspect_type("acme.Station", "Station", variables)
        client.create_asset_type("acme.Station", "Station", {"station": "acme.Station"})
        asset = client.create_asset("station", "acme.Station").asset_id
        client.put_records(asset, "station", [STORED], wait=True)
        assert 0 == run(["types", "add", "type.toml"], environ, folder).returncode
        with watched(service) as peaks:
            done = run(["import", *files, *options], environ, folder)
        found = {"start": "1970-01-01T00:00:00Z", "end": "2200-01-01T00:00:00Z"}
        rows = list(client.read_all(asset, "station", **found))
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    report = list(csv.reader((folder / "refused.csv").read_text("utf-8").splitlines()))
    return Told(done.returncode, said, report, rows, max(peaks))


@contextmanager
def watched(service: Service) -> Iterator[list[int]]:
    """Note the most memory of what the job workers start while the body runs."""
    ended, peaks = threading.Event(), [0]
    workers = list(service.processes("workers.main jobs"))

    def watch() -> None:
        while not ended.wait(0.05):
            peaks.extend(peak_bytes(pid) for worker in workers for pid in descendants(worker))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("name", FAILS)
def test_a_file_that_fails_as_a_whole_says_why(name: str, told: Told) -> None:
    """The job fails with the reason and its place, and the command ends with 1."""
    assert told.said[name].startswith("failed: Nothing was imported: "), told.said[name]
    assert FAILS[name][1] in told.said[name]
    assert told.code == 1


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_are_refused_are_named_in_the_report(name: str, told: Told) -> None:
    """Each has its line, column, reason and text; a cell that a spreadsheet would run is neutral (SM-10)."""
    assert told.said[name].startswith("done: Every row was refused; the report says why.")
    assert REFUSED[name][1] == [line[1:] for line in told.report if line[0] == name]


def test_bad_files_leave_the_store_untouched(told: Told) -> None:
    """After all of them the series has what it had."""
    assert [STORED] == told.rows


def test_bad_files_take_little_memory(told: Told) -> None:
    """A line of a gigabyte and archives that unpack to gigabytes are ended where they are too long."""
    assert 0 < told.peak_bytes < MEMORY_MAX
