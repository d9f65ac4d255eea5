"""Monthly means of real files equal those that polars computes from the files (MS-60 … MS-69)."""

from __future__ import annotations

import lzma
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.conftest import CALL_S, CREDENTIALS, clean_environ
from tests.e2e.test_command import TOA5

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "one-file-many-assets.md"
TOLERANCE = 1e-12
"""Of the sum of magnitudes: both sum in an order of their own."""


def script():
    """Take the script of the how-to page as a reader would."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]


def expected(frame, time, column):
    """Give end of month → (mean, mean magnitude, count) by polars, months open at their start."""
    means = (
        frame.filter(pl.col(column).is_not_null())
        .sort(time)
        .group_by_dynamic(time, every="1mo", closed="right", label="left")
        .agg(
            pl.col(column).mean().alias("mean"),
            pl.col(column).abs().mean().alias("size"),
            pl.col(column).len().alias("count"),
        )
    )
    return {start.isoformat(): (mean, size, count) for start, mean, size, count in means.rows()}


def assert_equal(items, variable, wanted):
    """Hold the answer of the service against the judge, month by month."""
    found = {item["starttime"][:19]: item[variable] for item in items if variable in item}
    assert found.keys() == wanted.keys()
    for start, (mean, size, count) in wanted.items():
        assert found[start]["countgood"] == count
        assert found[start]["average"] == pytest.approx(mean, abs=TOLERANCE * size, rel=0)


def months(tenant, asset, aspect, begin, end):
    """Ask for all months of a range."""
    query = f"assetId={asset}&aspectName={aspect}&from={begin}&to={end}&intervalUnit=month&intervalValue=1"
    return tenant.ask("GET", f"/api/iottsaggregates/v4/aggregates?{query}")["aggregates"]


@pytest.fixture
def tenant(service):
    """A caller that shows answers as they are."""
    from bench.tenant import Tenant

    with Tenant(service.url, CREDENTIALS) as tenant:
        yield tenant


def test_areas_of_the_air_quality_file(service, client, tenant, test_data):
    """24,608 rows become 34 assets by the script of the how-to page; each month's means are polars's."""
    path = test_data / "aqi" / "daily_aqi_by_cbsa_ca_2019-2020.csv.xz"
    variables = {"URL": service.url, "CLIENT": CREDENTIALS.client, "SECRET": CREDENTIALS.secret}
    environ = clean_environ() | {f"ASPECTSTORE_{name}": value for name, value in variables.items()}
    command = [sys.executable, "-c", script(), path]
    said = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=CALL_S, check=False)
    assert said.stdout == "34 assets, 24608 records\n", said.stderr

    frame = pl.read_csv(lzma.decompress(path.read_bytes()), try_parse_dates=True)
    frame = frame.with_columns(pl.col("Date").cast(pl.Datetime("ms")))
    areas = {asset.name: asset.asset_id for asset in client.list_assets() if asset.type_id.endswith(".Area")}
    assert areas.keys() == set(frame["CBSA"])
    for area, asset in areas.items():
        items = months(tenant, asset, "air", "2018-12-01T00:00:00Z", "2021-01-01T00:00:00Z")
        of_area = frame.filter(pl.col("CBSA") == area)
        for column, variable in {"AQI": "aqi", "Number of Sites Reporting": "sites"}.items():
            assert_equal(items, variable, expected(of_area, "Date", column))


@pytest.mark.slow
def test_columns_of_the_mast_file(command, client, tenant, test_data):
    """Every numeric column of 95,629 rows of a logger has polars's monthly means."""
    path = test_data / "mast" / "toa5_full.csv.xz"
    loaded = command("load", path, "--asset", "monthly", "--aspect", "wind", "--create", *TOA5)
    assert loaded.returncode == 0, loaded.stderr
    [asset] = [found.asset_id for found in client.list_assets() if found.name == "monthly"]

    items = months(tenant, asset, "wind", "2016-01-01T00:00:00Z", "2018-12-01T00:00:00Z")

    frame = pl.read_csv(
        lzma.decompress(path.read_bytes()).removeprefix(b"\xef\xbb\xbf"),
        skip_rows=1, skip_rows_after_header=2, infer_schema_length=None, try_parse_dates=True,
        null_values=["NAN", ""],
    )  # fmt: skip
    numeric = [name for name, kind in frame.schema.items() if kind.is_numeric()]
    assert len(numeric) == 31
    for column in numeric:
        assert_equal(items, column, expected(frame, "Timestamp", column))
