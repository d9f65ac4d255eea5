"""How fast years of readings become files, end to end: asked for, made by a job, fetched, checked (SM-31).

    python -m bench.exports --store sqlite

20 sensors × 4 statistics every 10 minutes for 6 years, 25.2 million readings, lie in a running service, which
was given them as one Parquet file. They are exported as a zip of text files, one per sensor type, and as
Parquet; each download is fetched, its checksum held against what the service says, and its values against
what was generated. Asked: the text within a minute, at most 512 MB for the job.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import IO, Any

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from bench import plots
from bench.figures import Question
from bench.job_watch import JOB, LOOK_S, PART_BYTES, send, watched
from bench.logger_source import CHUNK_ROWS, LoggerSource
from bench.ours import Aspectstore
from bench.report import millions, surroundings, table
from bench.speed import scratch_directory
from bench.tenant import Refused
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from client import Client, exports
from client import imports as calls
from client.calls import Call, Request
from client.exports import Download
from client.models import Variable

YEARS_ROWS = 6 * 365 * 144
SECONDS_MAX, MEMORY_MB_MAX = 60.0, 512
QUANTITIES = ("wind_speed", "wind_direction", "air_temperature", "air_pressure", "relative_humidity")
"""Sensor types: each has as many sensors as the others."""
ASPECT = "table"
TYPE = {
    "name": "mast-parquet",
    "format": "parquet",
    "timeColumns": ["_time"],
    "zone": "UTC",
    "aspect": ASPECT,
    "rules": [{"pattern": ".+"}],
}


@dataclass(slots=True, frozen=True)
class Kind:
    """A kind of export."""

    name: str
    asked: dict[str, Any]
    seconds_max: float | None = None


TEXT = Kind(
    "zip of text per sensor type",
    {"format": "tsv", "files": "quantity", "timeFormat": "%Y-%m-%d %H:%M:%S"},
    SECONDS_MAX,
)
PARQUET = Kind("Parquet", {"format": "parquet", "files": "one"})


@dataclass(slots=True, frozen=True)
class Plan:
    """What is exported."""

    source: LoggerSource = field(default_factory=lambda: LoggerSource(YEARS_ROWS))
    kinds: tuple[Kind, ...] = (TEXT, PARQUET)


TINY = Plan(LoggerSource(10_000, sensors=5))


@dataclass(slots=True)
class Exported:
    """What one export took."""

    kind: Kind
    source: LoggerSource
    export_s: float = 0.0
    """From the request to the job's end."""
    fetch_s: float = 0.0
    octets: int = 0
    used_s: dict[str, float] = field(default_factory=dict)
    """Processor time of the job."""
    peak_bytes: int = 0
    """Most of the process that did the job."""
    wrong: list[str] = field(default_factory=list)
    """What differs between what was fetched and what was generated."""

    @property
    def rate(self) -> float:
        """Give the values a second, until the file is here."""
        return self.source.values / (self.export_s + self.fetch_s)


def measure(system: Aspectstore, plan: Plan, directory: Path) -> list[Exported]:
    """Start a service, give it the readings, export and check, stop."""
    system.start(directory)
    found = []
    try:
        with Client(system.url, system.credentials.client, system.credentials.secret) as client:
            asset = load(client, plan.source, system.credentials.tenant, directory / "mast.parquet")
            for kind in plan.kinds:
                exported = Exported(kind, plan.source)
                path = directory / "export.zip"
                _export(system, client, asset, path, exported)
                exported.wrong = list(_differences(path, exported))
                path.unlink()
                found.append(exported)
    finally:
        system.stop()
    return found


def load(client: Client, source: LoggerSource, tenant: str, path: Path) -> str:
    """Make an asset that has all readings, and say what its sensors measure; gives its id."""
    variables = [Variable(name=name, data_type="DOUBLE") for name in source.columns]
    client.call(calls.create_file_type(TYPE))
    client.create_aspect_type(f"{tenant}.mast", "mast", variables)
    client.create_asset_type(f"{tenant}.mast", "mast", {ASPECT: f"{tenant}.mast"})
    asset = client.create_asset("mast", f"{tenant}.mast").asset_id
    sensors = [
        {"asset": asset, "aspect": ASPECT, "variable": name, "quantity": quantity_of(source, number)}
        for number, name in enumerate(source.columns)
    ]
    headers = {"Content-Type": "application/json"}
    body = json.dumps({"sensors": sensors}).encode()
    request = Request("PUT", f"/api/aspectstore/v1/sensors/{asset}", headers, body)
    client.call(Call(request, lambda _: None))
    source.write_parquet(path)
    send(client, asset, path)
    job = client.call(calls.create_import({"entity": asset, "files": [path.name], "type": TYPE["name"]}))
    while not job.has_ended:
        sleep(LOOK_S)
        job = client.call(calls.get_job(job.id))
    if job.counts.get("stored") != source.rows:
        raise Refused(f"the job ended {job.state}: {job.message} {job.counts}")
    path.unlink()
    return asset


def quantity_of(source: LoggerSource, column: int) -> str:
    """Give what a column's sensor measures: neighbours measure the same."""
    return QUANTITIES[column * len(QUANTITIES) // len(source.columns)]


def _export(system: Aspectstore, client: Client, asset: str, path: Path, found: Exported) -> None:
    service = system.service
    assert service is not None
    jobs = list(service.processes("workers.main jobs"))
    with watched(jobs, {JOB: jobs}, found):
        began = perf_counter()
        export = client.call(exports.create_export({"assets": [asset], **found.kind.asked}))
        while not export.job.has_ended:
            sleep(LOOK_S)
            export = client.call(exports.get_export(export.job.id))
        found.export_s = perf_counter() - began
    download = export.download
    if export.job.state != "done" or download is None:
        raise Refused(f"the export ended {export.job.state}: {export.job.message}")
    began = perf_counter()
    _fetch(client, export.job.id, download, path)
    found.fetch_s, found.octets = perf_counter() - began, download.size


def _fetch(client: Client, export_id: str, download: Download, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for start in range(0, download.size, PART_BYTES):
            end = min(start + PART_BYTES, download.size)
            octets = client.call(exports.get_part(export_id, download, start, end))
            digest.update(octets)
            out.write(octets)
    if digest.hexdigest() != download.sha256:
        raise Refused("what was fetched is not what the service made")


# What was fetched


def _differences(path: Path, found: Exported) -> Iterator[str]:
    """Hold every value of the files against what was generated."""
    source, columns = found.source, found.source.columns
    seen = 0
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name == "manifest.json":
                continue
            with archive.open(name) as file:
                table_ = _read(file, name)
            names = table_.column_names[1:]
            seen += len(names) * table_.num_rows
            values = [table_[each].to_numpy() for each in names]
            for number in range(source.chunks):
                chunk, begin = source.chunk(number), number * CHUNK_ROWS
                for each, column in zip(names, values, strict=True):
                    if not np.array_equal(column[begin : begin + len(chunk)], chunk[:, columns.index(each)]):
                        yield f"{found.kind.name}: {name}: {each} in rows from {begin} on"
    if seen != source.values:
        yield f"{found.kind.name}: {seen} values of {source.values}"


def _read(file: IO[bytes], name: str) -> Any:
    octets = io.BytesIO(file.read())
    if name.endswith(".parquet"):
        return pa_parquet.read_table(octets)
    return pa_csv.read_csv(octets, parse_options=pa_csv.ParseOptions(delimiter="\t"))


# The report


def verdicts(found: Sequence[Exported]) -> list[Verdict]:
    """Judge by the bounds of the issue."""
    judged: list[Verdict] = []
    for each in found:
        name, taken = each.kind.name, each.export_s + each.fetch_s
        if each.kind.seconds_max is not None:
            values = millions(each.source.values)
            asked = f"{name}: {values} values made and fetched in < {each.kind.seconds_max:g} s"
            judged.append((asked, f"{taken:.1f} s", taken < each.kind.seconds_max))
        peak = each.peak_bytes / 2**20
        judged.append((f"{name}: at most {MEMORY_MB_MAX} MB", f"{peak:.0f} MB", peak <= MEMORY_MB_MAX))
        told = each.wrong[0] if each.wrong else f"{each.source.values:,} values compared"
        judged.append((f"{name}: every value is the one generated", told, not each.wrong))
    return judged


HEADS = (
    "export",
    "values",
    "made, s",
    "fetched, s",
    "values/s",
    "values a second of the job",
    "size",
    "memory",
)


def report(name: str, found: Sequence[Exported], plan: Plan) -> str:
    """Write the section of `results.md`."""
    rows = [
        [
            each.kind.name,
            millions(each.source.values),
            f"{each.export_s:.1f}",
            f"{each.fetch_s:.1f}",
            millions(each.rate),
            millions(each.source.values / max(each.used_s[JOB], 1e-9)),
            f"{each.octets / 1e6:.0f} MB",
            f"{each.peak_bytes / 2**20:.0f} MB",
        ]
        for each in found
    ]
    head = f"{name}: {plan.source.rows:,} rows of {len(plan.source.columns)} columns; {surroundings()}"
    return f"{head}\n\n{table(HEADS, rows)}\n\n{verdict_table(verdicts(found))}"


def plot(found: Sequence[Exported], section: str, folder: Path = plots.PLOTS) -> list[Path]:
    """Draw the rates."""
    question = Question("exports, values/s", lambda _: None, lambda _: "", more_is_better=True)
    return plots.draw_points(
        folder / f"{section}.png", question, {each.kind.name: each.rate for each in found}
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a bound does not hold."""
    options = store_arguments("bench.exports", __doc__.splitlines()[0]).parse_args(arguments)
    plan, section = Plan(), f"exports-{options.store}"
    system = Aspectstore(options.store, options.durability)
    with scratch_directory() as directory:
        found = measure(system, plan, directory)
    return conclude(
        section, report(system.name, found, plan), verdicts(found), lambda: plot(found, section),
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
