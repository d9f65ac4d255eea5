"""Files of exports: pinned by golden files, the same however they are cut, read by others (SM-30, SM-37)."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.exporting.archive import Archive, packed
from schemas.exporting.clocks import clock_text, is_time_format
from schemas.exporting.delimited import neutral, original
from schemas.exporting.model import ExportFormat, Layout, Window
from schemas.exporting.writers import writer_of
from schemas.limits import TIME_MS_MAX, TIME_MS_MIN
from schemas.lines import Cell, lay
from schemas.times import format_time, parse_time
from tests.schemas.exported import FOLDER, TIME_MS, cases, headings, plan_of, window_of, written

CASES = cases()
TEXTS = [
    name for name, plan in CASES.items() if plan.format not in {ExportFormat.PARQUET, ExportFormat.ARROW}
]
TABLES = [name for name in CASES if name not in TEXTS]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_the_golden_one(name):
    """Byte by byte, whatever library is younger today (SM-37)."""
    plan = CASES[name]
    assert (FOLDER / name).read_bytes() == written(plan, window_of(plan))


def read(name, octets):
    """Read Parquet or Arrow."""
    if name.endswith(".parquet"):
        return pq.read_table(io.BytesIO(octets))
    return pa.ipc.open_stream(octets).read_all()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_reads_as_the_golden_one(name):
    """Schema with metadata, every value and null; the bytes may be those of a younger library (SM-37)."""
    plan = CASES[name]
    golden, today = read(name, (FOLDER / name).read_bytes()), read(name, written(plan, window_of(plan)))
    assert golden.schema.equals(today.schema, check_metadata=True)
    assert golden.equals(today)


def test_every_golden_file_is_of_a_case():
    """And every case has one."""
    assert {each.name for each in FOLDER.iterdir()} == set(CASES)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_the_same_however_its_rows_are_cut(name):
    """Written by arrays or one by one, at once or gone on with by another writer: the same bytes (R21)."""
    plan = CASES[name]
    window, octets = window_of(plan), b""
    for row in range(len(TIME_MS)):
        writer = writer_of(plan, headings(plan), has_rows=row > 0)
        begin = writer.begin()
        columns = (None if column is None else column.part(row, row + 1) for column in window.columns)
        part = writer.rows(Window(TIME_MS[row : row + 1], tuple(columns)))
        octets += (b"" if row else begin) + part
    assert octets + writer.end() == written(plan, window)


def test_arrow_is_gone_on_with_by_another_writer():
    """What a second writer begins with is left out."""
    plan = plan_of(ExportFormat.ARROW, Layout.WIDE, codes=False)
    window = window_of(plan)
    first, second = (writer_of(plan, headings(plan), has_rows=again) for again in (False, True))
    second.begin()
    octets = first.begin() + first.rows(window) + second.rows(window) + second.end()
    assert 2 * len(TIME_MS) == read("x.arrows", octets).num_rows


@pytest.mark.parametrize(
    "text", ["=a", "+1", "-1", "@x", "\tx", "\rx", "\nx", "  =a", "'", "''a", "'=a", "", "a'", "a=b", " a"]
)
def test_what_a_spreadsheet_would_run_is_made_harmless_and_is_not_lost(text):
    """An apostrophe in front, which is taken off again (SM-30)."""
    cell = neutral(text)
    assert text == original(cell)
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def value_at(column, row):
    """Give one value of a column."""
    values = column.values
    return values[row] if isinstance(values, np.ndarray) else values.to_list()[row]


@pytest.mark.parametrize("layout", list(Layout))
def test_a_table_of_text_is_read_back_whole(layout):
    """Every value that was written, by any reader of such files."""
    plan = plan_of(ExportFormat.CSV, layout, codes=False)
    window = window_of(plan)
    _, *rows = csv.reader(io.StringIO(written(plan, window).decode(), newline=""))
    expected = []
    for row in range(len(TIME_MS)):
        for column in window.columns:
            has = column is not None and (column.present is None or column.present[row])
            if has or layout is Layout.WIDE:
                expected.append(value_at(column, row) if has else None)
    cells = [cell for row in rows for cell in (row[1:] if layout is Layout.WIDE else row[5:])]
    assert len(expected) == len(cells)
    for value, cell in zip(expected, cells, strict=True):
        if isinstance(value, str):
            assert value == original(cell)
        elif isinstance(value, np.floating):
            assert float(value) == float(cell)
        elif value is None:
            assert not cell


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
def test_clocks_show_what_the_calendar_says(zone):
    """Of every zone, before and after its clocks are set; in the words of the standard library."""
    rng = np.random.default_rng(5)
    times = np.concatenate(
        [rng.integers(0, 4_000_000_000_000, 300), 1_774_700_000_000 + 977_777 * np.arange(300)]
    )
    form = "%d.%m.%Y %H:%M:%S.%f %z"
    told = lay(len(times), [Cell(clock_text(times, UTC if zone == "UTC" else ZoneInfo(zone), form)), b"\n"])
    for time_ms, line in zip(times.tolist(), told.decode().splitlines(), strict=True):
        moment = datetime.fromtimestamp(time_ms // 1_000, UTC).astimezone(ZoneInfo(zone))
        offset = moment.strftime("%z")
        expected = moment.strftime(f"%d.%m.%Y %H:%M:%S.{time_ms % 1_000:03d} {offset[:3]}:{offset[3:5]}")
        assert expected == line


@pytest.mark.parametrize("zone", [timezone(timedelta(hours=hours)) for hours in (-12, 14)])
def test_clocks_show_utc_where_the_calendar_ends(zone):
    """The first and the last instant are no times of every zone; a fixed offset is none of theirs, either."""
    times = np.array([TIME_MS_MIN, TIME_MS_MAX])
    told = lay(2, [Cell(clock_text(times, zone, "iso8601")), b" "]).decode().split()
    shown = [format_time(parse_time(text)) for text in told]

    assert ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"] == shown


def test_whole_seconds_and_milliseconds_are_numbers():
    """Since 1970; parts of a second are cut."""
    times = np.array([0, 1_999, 1_774_743_000_123])
    told = [lay(3, [Cell(clock_text(times, UTC, form)), b" "]) for form in ("epoch-s", "epoch-ms")]
    assert [b"0 1 1774743000 ", b"0 1999 1774743000123 "] == told


@pytest.mark.parametrize(
    ("form", "lawful"),
    [
        ("iso8601", True), ("epoch-s", True), ("%Y-%m-%d %H:%M", True), ("%d/%m/%Y", True), ("%Y%m%d", True),
        ("%H:%M", False), ("%Y-%m-%d %b", False), ("%Y-%m-%d %Y", False), ('%Y-%m-%d"', False),
        ("%Y-%m-%d\n", False), ("%Y-%m-%d %", False), ("%Y-%m-%d" + " " * 64, False), ("", False),
    ],
)  # fmt: skip
def test_a_format_of_times_names_a_day_and_nothing_unknown(form, lawful):
    """What could not be read again is refused."""
    assert lawful is is_time_format(form)


def zipped(files, cut=1):
    """Make an archive out of files, each in runs, gone on with by another archive after each run."""
    archive, octets, ended = Archive(1_774_743_000_123), b"", []
    for number, (name, content) in enumerate(files.items()):
        octets += archive.begin(number, name, packed=number % 2 == 0)
        for start in range(0, len(content), cut):
            run = content[start : start + cut]
            octets += archive.add(run, packed(run) if number % 2 == 0 else run)
            archive = Archive(1_774_743_000_123, archive.written, archive.begun)
        tail, one = archive.end()
        octets, ended = octets + tail, [*ended, one]
    return octets + archive.finish(ended)


def test_an_archive_is_read_by_others():
    """Names beyond ASCII, empty files, stored and compressed ones; gone on with after every run."""
    rng = np.random.default_rng(3)
    files = {"a.csv": b"x" * 1_000, "grün/b.bin": rng.bytes(777), "leer.csv": b"", "d.bin": b""}
    octets = zipped(files, 100)
    with zipfile.ZipFile(io.BytesIO(octets)) as archive:
        assert archive.testzip() is None
        assert files == {name: archive.read(name) for name in archive.namelist()}


def test_an_archive_may_have_more_than_four_gigabytes():
    """Sizes and places have 64 bits everywhere."""
    archive = Archive(0, 6_000_000_000)
    begin = archive.begin(0, "big", packed=False)
    octets = begin + archive.add(b"abc", b"abc")
    tail, ended = archive.end()
    directory = archive.finish([ended])
    assert (6_000_000_000).to_bytes(8, "little") in directory
    assert archive.written == 6_000_000_000 + len(octets) + len(tail) + len(directory)
