"""Imports end to end at tiny size: what is stored is what was generated, and a difference is seen."""

from pathlib import Path

import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from bench import imports
from bench.logger_source import LoggerSource
from bench.ours import Aspectstore
from runtime import valkey_server
from tests.conftest import need

pytestmark = pytest.mark.timeout(120)


@pytest.mark.valkey
def test_files_are_imported_and_compared(tmp_path: Path) -> None:
    """Text and Parquet of one source end up equal to it, and every figure of the table is there (R21)."""
    need("valkey", valkey_server.missing())

    found = imports.measure(Aspectstore("sqlite", "everysec"), imports.TINY, tmp_path)

    assert [[], []] == [each.wrong for each in found]
    assert all(0 < each.peak_bytes < imports.MEMORY_MB_MAX * 2**20 for each in found)
    assert all(each.used_s[imports.JOB] > 0 for each in found)
    text = imports.report("ours", found, imports.TINY)
    assert "| TOA5 text | " in text
    assert "| Parquet | " in text


def test_what_differs_is_no_figure() -> None:
    """A row that is missing or another value fails the line of the file."""
    found = imports.Imported(imports.CSV, LoggerSource(10), 1_000, import_s=1.0, used_s={imports.JOB: 1.0})
    found.wrong = ["TOA5 text: the row of 2019-01-01T00:10:00.000Z"]

    judged = imports.verdicts([found], imports.TINY)

    assert (found.wrong[0], False) == judged[-1][1:]


def test_both_files_hold_the_same_rows(tmp_path: Path) -> None:
    """Text and Parquet have the times and values that the source gives again without them."""
    source = LoggerSource(9_000, sensors=2)
    source.write_csv(tmp_path / "a.dat")
    source.write_parquet(tmp_path / "a.parquet")

    names = pa_csv.ReadOptions(skip_rows=4, column_names=["TIMESTAMP", *source.columns])
    text = pa_csv.read_csv(tmp_path / "a.dat", names)
    table = pa_parquet.read_table(tmp_path / "a.parquet")

    rows = source.times(0, source.rows)
    assert (table.column("_time").cast("int64").to_numpy() == rows).all()
    assert (text.column("TIMESTAMP").cast("timestamp[ms]").cast("int64").to_numpy() == rows).all()
    for at, name in enumerate(source.columns):
        assert text.column(name).equals(table.column(name).cast("float64"))
        assert text.column(name)[8_500].as_py() == source.row(8_500)[at]
