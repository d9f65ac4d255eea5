"""How fast files of a logger become series, end to end: uploaded, imported by a job, readable (R21).

    python -m bench.imports --store sqlite
    python -m bench.imports --store sqlite --size 5GB

20 sensors × 4 statistics every 10 minutes for 6 years: 25.2 million readings, as TOA5 text and as Parquet.
Each file is sent to a running service and imported by its type; a job worker reads and stages it, the
writer attaches it. Afterwards what is stored is compared with what was generated: rows and sums of every
column over the whole time, and rows at places drawn at random. `--size` imports one text of so many bytes
instead, and looks at the memory of the job. Asked: 1 M values of CSV and 3 M of Parquet a second and core,
the 25.2 million within a minute, at most 512 MB for 5 GB.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np

from bench import plots
from bench.figures import Question
from bench.job_watch import JOB, LOOK_S, send, watched
from bench.logger_source import BEGIN_MS, LoggerSource
from bench.ours import Aspectstore
from bench.report import millions, surroundings, table
from bench.speed import scratch_directory
from bench.tenant import Refused
from bench.verdict import Verdict, conclude, store_arguments, verdict_table
from client import Client
from client import imports as calls
from client.imports import Job
from client.models import Variable

LOST_S = 3_600.0
"""A job that takes longer hangs."""
CSV_MIN, PARQUET_MIN = 1e6, 3e6
"""Values a second that one core of the job must do."""
MEMORY_MB_MAX = 512
SECONDS_MAX = 60.0
YEARS_ROWS = 6 * 365 * 144
"""A row each ten minutes for six years: 25.2 million values of 80 columns."""
ROW_BYTES = 452
"""Of text, on average."""
WRITER, STORE = "writer", "store"
ASKED_AT_ONCE = 20
"""Columns of one question: a query names so many functions at most."""


@dataclass(slots=True, frozen=True)
class Kind:
    """A way to write the source, and how it is imported."""

    name: str
    type: str
    """Its file type: a preset, or the one that is made here."""
    aspect: str
    least: float
    """Values that a core must do in a second."""

    def write(self, source: LoggerSource, path: Path) -> int:
        """Write the file; gives its bytes."""
        return source.write_csv(path) if self is CSV else source.write_parquet(path)


CSV = Kind("TOA5 text", "campbell-toa5", "logger", CSV_MIN)
PARQUET = Kind("Parquet", "mast-parquet", "table", PARQUET_MIN)
PARQUET_TYPE = {
    "name": PARQUET.type,
    "format": "parquet",
    "timeColumns": ["_time"],
    "zone": "UTC",
    "aspect": PARQUET.aspect,
    "rules": [{"pattern": ".+"}],
}
"""The preset extends aspects, for which the door looks into a file; it fetches no large one of Parquet."""


@dataclass(slots=True, frozen=True)
class Plan:
    """What is imported."""

    source: LoggerSource = field(default_factory=lambda: LoggerSource(YEARS_ROWS))
    kinds: tuple[Kind, ...] = (CSV, PARQUET)
    rows_compared: int = 200
    seconds_max: float | None = SECONDS_MAX


TINY = Plan(LoggerSource(20_000, sensors=2), rows_compared=20)


def of_size(bytes_min: int) -> Plan:
    """Plan one text of so many bytes, a row a second: as much time as there was."""
    return Plan(LoggerSource(bytes_min // ROW_BYTES, step_ms=1_000), (CSV,), seconds_max=None)


@dataclass(slots=True)
class Imported:
    """What one file took."""

    kind: Kind
    source: LoggerSource
    octets: int
    sent_s: float = 0.0
    """Until the file lay among those of the asset."""
    begun_s: float = 0.0
    """Between the request and the first sign of the job."""
    import_s: float = 0.0
    """From the request to the job's end, when every row is attached and readable."""
    used_s: dict[str, float] = field(default_factory=dict)
    """Processor time by part of the service, until the job's end."""
    peak_bytes: int = 0
    """Most of the process that did the job."""
    wrong: list[str] = field(default_factory=list)
    """What differs between what is stored and what was generated."""

    @property
    def rate(self) -> float:
        """Give the values a second, end to end."""
        return self.source.values / self.import_s

    def a_core(self, part: str) -> float:
        """Give the values for each second of processor time of a part."""
        return self.source.values / max(self.used_s[part], 1e-9)


def measure(system: Aspectstore, plan: Plan, directory: Path) -> list[Imported]:
    """Start a service, import file after file, compare, stop."""
    system.start(directory)
    found = []
    try:
        with Client(system.url, system.credentials.client, system.credentials.secret) as client:
            asset = _asset(client, plan.source, system.credentials.tenant)
            for kind in plan.kinds:
                path = directory / f"mast-{kind.type}"
                imported = Imported(kind, plan.source, kind.write(plan.source, path))
                _import(system, client, asset, path, imported)
                path.unlink()
                imported.wrong = list(_differences(client, asset, imported, plan.rows_compared))
                found.append(imported)
    finally:
        system.stop()
    return found


def _asset(client: Client, source: LoggerSource, tenant: str) -> str:
    """Make an asset whose aspects have all columns."""
    variables = [Variable(name=name, data_type="DOUBLE") for name in source.columns]
    client.call(calls.create_file_type(PARQUET_TYPE))
    client.create_aspect_type(f"{tenant}.mast", "mast", variables)
    aspects = {kind.aspect: f"{tenant}.mast" for kind in (CSV, PARQUET)}
    client.create_asset_type(f"{tenant}.mast", "mast", aspects)
    return client.create_asset("mast", f"{tenant}.mast").asset_id


def _import(system: Aspectstore, client: Client, asset: str, path: Path, found: Imported) -> None:
    """Send a file and have it imported, with an eye on the processes."""
    began = perf_counter()
    send(client, asset, path)
    found.sent_s = perf_counter() - began
    asked = {"entity": asset, "files": [path.name], "type": found.kind.type}
    with _watched(system, found):
        began = perf_counter()
        job = client.call(calls.create_import(asked))
        while not job.has_ended:
            if perf_counter() - began > LOST_S:
                raise Refused(f"the job {job.id} does not end")
            sleep(LOOK_S)
            job = client.call(calls.get_job(job.id))
            if job.state != "submitted" and not found.begun_s:
                found.begun_s = perf_counter() - began
        found.import_s = perf_counter() - began
    _demand_done(job, found.source)


def _watched(system: Aspectstore, found: Imported) -> AbstractContextManager[None]:
    """Note what all parts of a service use."""
    service = system.service
    assert service is not None
    jobs = list(service.processes("workers.main jobs"))
    parts = {JOB: jobs, WRITER: list(service.processes("workers.main writer"))}
    if system.cassandra is not None:
        parts[STORE] = [system.cassandra.pid]
    return watched(jobs, parts, found)


def _demand_done(job: Job, source: LoggerSource) -> None:
    wanted = {"rows": source.rows, "stored": source.rows, "duplicates": 0, "refused": 0}
    if job.state != "done" or {name: job.counts.get(name) for name in wanted} != wanted:
        raise Refused(f"the job ended {job.state}: {job.message} {job.counts}")


# What is stored


def _differences(client: Client, asset: str, found: Imported, rows: int) -> Iterator[str]:
    """Hold what is stored against what was generated: all of it by count and sum, some of it row by row."""
    source, aspect = found.source, found.kind.aspect
    yield from _sums_differ(client, asset, found)
    drawn = np.random.default_rng(7).integers(0, source.rows, rows)
    for row in sorted({0, source.rows - 1, *drawn.tolist()}):
        at_ms = int(source.times(row, 1)[0])
        page = client.read(asset, aspect, start=_text(at_ms - 1), end=_text(at_ms))
        values = dict(zip(source.columns, source.row(row).tolist(), strict=True))
        if page.records != [{"_time": _text(at_ms), **values}]:
            yield f"{found.kind.name}: the row of {_text(at_ms)}"


def _sums_differ(client: Client, asset: str, found: Imported) -> Iterator[str]:
    source, names = found.source, found.source.columns
    chunks = (source.chunk(number) for number in range(source.chunks))
    sums = dict(zip(names, sum((chunk.sum(axis=0) for chunk in chunks), np.zeros(len(names))), strict=True))
    begin, end = np.array([BEGIN_MS, source.end_ms], "datetime64[ms]").astype("datetime64[M]")
    months = {"from_": f"{begin}-01T00:00:00Z", "to": f"{end + 1}-01T00:00:00Z", "intervalUnit": "month"}
    for at in range(0, len(names), ASKED_AT_ONCE):
        asked = names[at : at + ASKED_AT_ONCE]
        select = ",".join(f"{name}.{function}" for name in asked for function in ("countgood", "sum"))
        answer: list[Any] = client.aggregates(asset, found.kind.aspect, select=select, **months)
        for name in asked:
            parts = [month[name] for month in answer if name in month]
            count, total = (sum(part[function] for part in parts) for function in ("countgood", "sum"))
            if count != source.rows or not math.isclose(total, sums[name], rel_tol=1e-9):
                yield f"{found.kind.name}: {name} counts {count} and sums to {total}, not {sums[name]}"


def _text(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


# The report


def verdicts(found: Sequence[Imported], plan: Plan) -> list[Verdict]:
    """Judge by the bounds of the issue."""
    judged: list[Verdict] = []
    for each in found:
        name, rate = each.kind.name, each.a_core(JOB)
        judged.append(
            (f"{name}: ≥ {millions(each.kind.least)} values a second and core", millions(rate),
             rate >= each.kind.least)
        )  # fmt: skip
        if plan.seconds_max is not None:
            taken = each.sent_s + each.import_s
            asked = (
                f"{name}: {millions(each.source.values)} values sent and imported in < {plan.seconds_max:g} s"
            )
            judged.append((asked, f"{taken:.1f} s", taken < plan.seconds_max))
        peak = each.peak_bytes / 2**20
        judged.append(
            (f"{name}: at most {MEMORY_MB_MAX} MB for {_size(each.octets)}", f"{peak:.0f} MB",
             peak <= MEMORY_MB_MAX)
        )  # fmt: skip
        told = (
            each.wrong[0] if each.wrong else f"{each.source.rows:,} rows, {plan.rows_compared} of them read"
        )
        judged.append((f"{name}: what is stored is what was generated", told, not each.wrong))
    return judged


HEADS = (
    "file", "size", "values", "sent, s", "until the job begins, s", "imported, s", "values/s",
    "values a second of the job", "of the writer", "of the store", "memory of the job",
)  # fmt: skip


def report(name: str, found: Sequence[Imported], plan: Plan) -> str:
    """Write the section of `results.md`."""
    rows = [
        [
            each.kind.name,
            _size(each.octets),
            millions(each.source.values),
            *(f"{seconds:.1f}" for seconds in (each.sent_s, each.begun_s, each.import_s)),
            millions(each.rate),
            *(millions(each.a_core(part)) if part in each.used_s else "-" for part in (JOB, WRITER, STORE)),
            f"{each.peak_bytes / 2**20:.0f} MB",
        ]
        for each in found
    ]
    source = plan.source
    head = (
        f"{name}: {source.rows:,} rows of {len(source.columns)} columns, one each "
        f"{source.step_ms / 1000:g} s; values a second of a part are those of its processor time; "
        f"{surroundings()}"
    )
    return f"{head}\n\n{table(HEADS, rows)}\n\n{verdict_table(verdicts(found, plan))}"


def _size(octets: int) -> str:
    return f"{octets / 1e9:.2f} GB" if octets >= 1e9 else f"{octets / 1e6:.0f} MB"


def plot(found: Sequence[Imported], section: str, folder: Path = plots.PLOTS) -> list[Path]:
    """Draw the rates."""
    question = Question("imports, values/s", lambda _: None, lambda _: "", more_is_better=True)
    return plots.draw_points(
        folder / f"{section}.png", question, {each.kind.name: each.rate for each in found}
    )


def bytes_of(text: str) -> int:
    """Read a size: `5GB`, `300MB`, or bytes."""
    number, unit = re.fullmatch(r"(\d+)(GB|MB|)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"GB": 10**9, "MB": 10**6, "": 1}[unit]


def main(arguments: list[str] | None = None) -> int:
    """Measure one store; 1 when a bound does not hold."""
    parser = store_arguments("bench.imports", __doc__.splitlines()[0])
    parser.add_argument("--size", type=bytes_of, help="import one text of so many bytes instead: 5GB")
    options = parser.parse_args(arguments)
    plan = Plan() if options.size is None else of_size(options.size)
    section = f"imports-{options.store}" if options.size is None else f"imports-large-{options.store}"
    system = Aspectstore(options.store, options.durability)
    with scratch_directory() as directory:
        found = measure(system, plan, directory)
    return conclude(
        section, report(system.name, found, plan), verdicts(found, plan), lambda: plot(found, section),
        written=not options.no_report,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
