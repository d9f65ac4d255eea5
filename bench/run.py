"""The first table of design 10, own figures: start the service, measure, write `results.md`.

    python -m bench.run                          every store that is there, both durabilities
    python -m bench.run --store sqlite --durability always --seconds 60
    python -m bench.run --url http://127.0.0.1:8080 --credentials tenant:client:secret
    python -m bench.run --tiny                   a few seconds, nothing written: what the test runs

Peers vary by a quarter between runs on a shared machine: compare figures of one run only.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep

from bench import disk, ingest, reads, single_records
from bench.report import millions, replace_section, surroundings, table
from bench.service import CREDENTIALS, Service, scratch
from bench.tenant import Credentials, Refused, Tenant
from runtime.cassandra_server import CassandraServer, missing

SECTION = "speed"

SEALED_S_MAX = 60.0
"""Sealing what a minute of ingest left takes seconds; a service that never ends is measured all the same."""


@dataclass(slots=True, frozen=True)
class Plan:
    """How much is asked of each configuration."""

    assets: int = 100
    records: int = 10_000
    batch: int = 1_000
    short_runs: int = 5
    sustained_s: float = 60.0
    sustained_rounds_max: int = 45
    single_s: float = 10.0
    single_runs: int = 3
    series: tuple[int, ...] = (100, 100_000)
    repeats: int = 300


TINY = Plan(
    assets=3, records=300, batch=100, short_runs=1, sustained_s=0.5, sustained_rounds_max=2,
    single_s=0.5, single_runs=1, series=(3,), repeats=5,
)  # fmt: skip


@dataclass(slots=True)
class Figures:
    """One line of the table; what was not measured is a dash."""

    cells: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, value: str) -> None:
        """Keep a figure and show it at once."""
        self.cells[name] = value
        print(f"  {name}: {value}", flush=True)


COLUMNS = (
    "acked values/s",
    "visible values/s",
    "sustained values/s",
    "latest, ms",
    "raw records, ms",
    "hourly aggregates, ms",
    "single-record requests/s",
    "idle memory",
    "bytes/value on disk",
)


def measure(tenant: Tenant, plan: Plan, figures: Figures) -> None:
    """Ask every question of one running service."""
    assets = tenant.create_assets(plan.assets)
    workload = ingest.Workload(assets, plan.records, plan.batch)
    rates = [ingest.measure(tenant, workload, number) for number in range(plan.short_runs)]
    figures.say(COLUMNS[0], _median_and_range([rate.acked for rate in rates]))
    figures.say(COLUMNS[1], _median_and_range([rate.visible for rate in rates]))
    answered = reads.measure(tenant, assets, plan.records, plan.repeats)
    figures.say(COLUMNS[3], f"{answered.latest_ms:.2f}")
    figures.say(COLUMNS[4], f"{answered.raw_ms:.2f}")
    figures.say(COLUMNS[5], f"{answered.aggregate_ms:.2f}")
    figures.say(COLUMNS[2], _sustained(tenant, workload, plan, statistics.median(r.acked for r in rates)))
    figures.say(COLUMNS[6], _single(tenant, assets, plan))


def _sustained(tenant: Tenant, workload: ingest.Workload, plan: Plan, rate: float) -> str:
    """Send rounds for at least `sustained_s`, then wait until all of them can be counted."""
    rounds = min(plan.sustained_rounds_max, max(1, round(1.2 * rate * plan.sustained_s / workload.values)))
    measured = ingest.measure(tenant, workload, plan.short_runs, rounds)
    return (
        f"{millions(measured.acked)} acked, {millions(measured.visible)} visible ({measured.acked_s:.0f} s)"
    )


def _single(tenant: Tenant, assets: list[str], plan: Plan) -> str:
    """Measure at each number of series; the assets are created before the clock starts."""
    said = []
    for run, count in enumerate(plan.series):
        if count > len(assets):
            assets = assets + tenant.create_assets(count - len(assets), prefix="small")
        _wait_until_sealed(tenant)
        outcomes = []
        for repeat in range(plan.single_runs):
            tenant.refresh_token()
            number = run * plan.single_runs + repeat
            outcomes.append(single_records.measure(tenant, assets[:count], plan.single_s, run=number))
            ingest.demand_all_stored(outcomes[-1])
        rates = [outcome.done / outcome.seconds for outcome in outcomes]
        p99 = statistics.median(outcome.quantile_ms(0.99) for outcome in outcomes)
        said.append(
            f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f}) at {count:,} series "
            f"(p99 {p99:.1f} ms, τ {_tau(tenant)})"
        )
    return "; ".join(said)


def _tau(tenant: Tenant) -> str:
    """Give the length of a writer's turn, if the service shows it (design 3.6)."""
    found = _gauge(tenant, "writer_turn_seconds")
    return f"{max(found):.2f} s" if found else "-"


def _wait_until_sealed(tenant: Tenant) -> None:
    """Let the writers seal what the sustained run left ready: it is that run's work, not the next one's."""
    deadline = perf_counter() + SEALED_S_MAX
    while any(_gauge(tenant, "writer_slices_ready")) and perf_counter() < deadline:
        sleep(0.5)


def _gauge(tenant: Tenant, name: str) -> list[float]:
    """Give what each process shows under this name; nothing where it shows none."""
    try:
        headers = {"Authorization": f"Bearer {tenant.token}"}
        _, _, text = tenant.exchange("GET", "/metrics", None, headers)
    except Refused:
        return []
    found = re.findall(rf"^\w*{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text.decode(), re.MULTILINE)
    return [float(value) for value in found]


def _median_and_range(rates: list[float]) -> str:
    middle = millions(statistics.median(rates))
    return middle if len(rates) == 1 else f"{middle} ({millions(min(rates))} to {millions(max(rates))})"


@contextmanager
def _cassandra(directory: Path) -> Iterator[str]:
    """Start a Cassandra of our own; gives what `--store` wants."""
    with CassandraServer(directory / "cassandra") as server:
        yield f"cassandra://{server.address}/bench"


def _own(store: str, durability: str, plan: Plan) -> Figures:
    """Start a service with an empty data directory, measure it, remove everything."""
    directory = scratch("aspectstore-bench-")
    try:
        if store == "cassandra":
            with _cassandra(directory) as named:
                return _served(Service(directory / "data", named, durability), plan)
        return _served(Service(directory / "data", store, durability), plan)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _served(service: Service, plan: Plan) -> Figures:
    figures = Figures()
    service.start()
    try:
        figures.say(COLUMNS[7], f"{service.resident_bytes() / 2**20:.0f} MB")
        with Tenant(service.url, service.credentials) as tenant:
            measure(tenant, plan, figures)
    finally:
        service.stop()
    return figures


def _on_disk(store: str) -> str:
    """Say how many bytes a value takes; the same for both durabilities."""
    measured = disk.measure(store)
    return f"{measured.stored:.2f} (logs {measured.logs:.2f})"


def _stores(asked: str | None) -> list[str]:
    """List the stores to measure: those that were asked for, else those that this machine can start."""
    if asked is not None:
        return asked.split(",")
    lacking = missing()
    if lacking is not None:
        print(f"Cassandra is left out: {lacking}")
    return ["sqlite"] if lacking is not None else ["sqlite", "cassandra"]


def _plan(options: argparse.Namespace, durability: str) -> Plan:
    if options.tiny:
        return TINY
    series = tuple(int(count) for count in options.series.split(","))
    if durability != "always":
        series = series[:1]  # the figure for many series is asked for with `always` only (design 10)
    return Plan(sustained_s=options.seconds, series=series, short_runs=options.runs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a few seconds, SQLite, nothing written")
    parser.add_argument("--url", help="measure a service that is already running")
    parser.add_argument("--credentials", default=CREDENTIALS.bootstrap, help="TENANT:CLIENT:SECRET for --url")
    parser.add_argument("--store", help="sqlite, cassandra or both with a comma; default: what is there")
    parser.add_argument("--durability", default="always,everysec")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the sustained run")
    parser.add_argument("--series", default="100,100000", help="numbers of series for single records")
    parser.add_argument("--runs", type=int, default=5, help="short runs of which the median counts")
    parser.add_argument("--no-disk", action="store_true", help="leave the bytes a value out")
    parser.add_argument("--no-report", action="store_true", help="print only, leave results.md alone")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure what the arguments ask for; 0 when every question got its answer."""
    options = _parser().parse_args(arguments)
    lines: dict[str, Figures] = {}
    if options.url:
        figures = Figures()
        with Tenant(options.url, Credentials.parse(options.credentials)) as tenant:
            measure(tenant, _plan(options, "always"), figures)
        lines[options.url] = figures
    else:
        stores = ["sqlite"] if options.tiny else _stores(options.store)
        durabilities = ["always"] if options.tiny else options.durability.split(",")
        for store in stores:
            on_disk = "-" if options.tiny or options.no_disk else _on_disk(store)
            for durability in durabilities:
                print(f"{store}, {durability}", flush=True)
                lines[f"{store}, `{durability}`"] = _own(store, durability, _plan(options, durability))
                lines[f"{store}, `{durability}`"].say(COLUMNS[8], on_disk)
    rows = [
        [name, *(figures.cells.get(column, "-") for column in COLUMNS)] for name, figures in lines.items()
    ]
    text = f"Workload A, {surroundings()}\n\n" + table(["", *COLUMNS], rows)
    print(text)
    if not (options.tiny or options.url or options.no_report):
        replace_section(SECTION, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
