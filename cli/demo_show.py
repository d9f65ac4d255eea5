"""What the demo does through the public interface: types, asset, records, a table, a plot, addresses."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from itertools import islice
from pathlib import Path

import msgspec

from cli import weather
from cli.complaints import Complaint
from cli.plot import plot
from cli.progress import Progress
from cli.reading import EPOCH, PAGE_ROWS, table_lines
from cli.target import Target
from client import Client, Record

DAYS = 60
SEED = 41
BATCH = 1_000
ASPECT = "weather"
ASSET = "weather-mast"
TABLE_ROWS = 8
PLOT_ROWS = 3 * weather.DAY_ROWS
SHOWN = (
    "wind_speed",
    "wind_speed_qc",
    "wind_direction",
    "temperature",
    "temperature_qc",
    "humidity",
    "pressure",
)


def show(target: Target, now: datetime) -> None:
    """Make a mast, load it, read it back and say where everything is."""
    with Client(target.url, target.client, target.secret) as client:
        asset_id = _make_asset(client, target.tenant)
        sent = list(weather.records(now, DAYS, SEED))
        receipt = _load(client, asset_id, sent)
        _compare(client, asset_id, sent, receipt)
        print(f"\nasset {ASSET} ({asset_id}), aspect {ASPECT}: the newest records")
        newest = client.read(asset_id, ASPECT, start=EPOCH, limit=TABLE_ROWS, sort="desc").records
        print("\n".join(table_lines(newest, SHOWN)))
        days = PLOT_ROWS // weather.DAY_ROWS
        print(f"\nwind speed in m/s, the last {days} days")
        recent = client.read(asset_id, ASPECT, start=EPOCH, limit=PLOT_ROWS, sort="desc").records
        speeds = [float(record["wind_speed"] or 0) for record in reversed(recent)]
        print("\n".join(plot(speeds)))
    _say_where(target, asset_id)


def _make_asset(client: Client, tenant: str) -> str:
    client.create_aspect_type(f"{tenant}.{ASPECT}", ASPECT, weather.VARIABLES)
    client.create_asset_type(f"{tenant}.mast", "mast", {ASPECT: f"{tenant}.{ASPECT}"})
    return client.create_asset(ASSET, f"{tenant}.mast").asset_id


def _load(client: Client, asset_id: str, sent: list[Record]) -> str:
    """Send the records; gives the receipt of the last request."""
    records, receipt = iter(sent), ""
    with Progress("load", len(sent), "records") as progress:
        while batch := list(islice(records, BATCH)):
            receipt = client.put_encoded(asset_id, ASPECT, msgspec.json.encode(batch)).receipt
            progress.advance(len(batch))
    values = sum(len(record) - 1 for record in sent)
    rate = values / max(progress.seconds, 0.001)
    print(
        f"loaded {len(sent):,} records, {values:,} values in {progress.seconds:.1f} s ({rate:,.0f} values/s)"
    )
    return receipt


def _compare(client: Client, asset_id: str, sent: list[Record], receipt: str) -> None:
    """Read everything back, as of the last receipt at least, and compare."""
    read = list(client.read_all(asset_id, ASPECT, start=EPOCH, limit=PAGE_ROWS, after=receipt))
    expected = [_as_read(record) for record in sent]
    if read != expected:
        raise Complaint(f"read back {len(read):,} records that differ from the {len(sent):,} sent: a defect")
    print(f"read back {len(read):,} records: all equal")


def _as_read(record: Record) -> Record:
    """Write quality codes as the service does: as text."""
    return {name: str(value) if name.endswith("_qc") else value for name, value in record.items()}


def _say_where(target: Target, asset_id: str) -> None:
    path = f"/api/iottimeseries/v3/timeseries/{asset_id}/{ASPECT}"
    print(
        f"""
API docs     {target.url}/docs
tenant       {target.tenant}
client       {target.client}
secret       {target.secret}   (of this run; also in .demo/credentials.json)

try          {_command()} read --asset {ASSET} --aspect {ASPECT} --select wind_speed,temperature
or           TOKEN=$(curl -s -u {target.client}:{target.secret} -d grant_type=client_credentials \\
                 {target.url}/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
             curl -s -H "Authorization: Bearer $TOKEN" {target.url}{path}""",
        flush=True,
    )


def _command() -> str:
    """Give what to type for this command: its name on the PATH, else its file, as short as it can be."""
    if shutil.which("aspectstore"):
        return "aspectstore"
    file, folder = Path(sys.executable).parent / "aspectstore", Path.cwd()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)
