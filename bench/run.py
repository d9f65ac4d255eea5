"""Measures this service and every peer that is there, one after the other in one run; writes `results.md`.

    python -m bench.run                                     everything that this machine can start
    python -m bench.run --systems sqlite,victoriametrics    some of it
    python -m bench.run --questions speed                   the table only, without growth, soak and year
    python -m bench.run --url http://127.0.0.1:8080 --credentials tenant:client:secret
    python -m bench.run --tiny                              seconds, SQLite, nothing written: a test

Systems vary by a quarter between runs on a shared machine: only ratios of one run count (design 10).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain

from bench import figures as kept
from bench import growth, plots, soak, speed, year
from bench.figures import Figures, figures_table, ratios_table
from bench.generator import BrokenAnswer
from bench.ours import STORES, Aspectstore, Dialect
from bench.peers import tinyflux
from bench.peers.found import PEERS
from bench.report import replace_section, surroundings
from bench.service import CREDENTIALS, NotReady
from bench.systems import System
from bench.tenant import Credentials, Refused
from runtime.server_process import ServerFailed

QUESTIONS = ("speed", "growth", "soak", "year")
SYSTEMS = (*STORES, *PEERS, tinyflux.NAME)


def measured(system: System, plan: speed.Plan) -> Figures:
    """Measure one system; one that is not there, or gives up under way, is reported with the reason."""
    lacking = system.lacking()
    if lacking is not None:
        return _absent(system.name, lacking)
    try:
        with speed.scratch_directory() as directory:
            return speed.measure(system, plan, directory)
    except (Refused, ServerFailed, NotReady, BrokenAnswer, OSError) as failure:
        return _absent(system.name, str(failure).splitlines()[0])


def ours(names: list[str], durabilities: list[str], plan: speed.Plan) -> Iterator[Figures]:
    """Measure this service with each store and durability.

    Many series are asked for with `always` only, and the bytes of a store once: they are the same for both.
    """
    for store in [store for store in STORES if store in names]:
        first: Figures | None = None
        for durability in durabilities:
            counts = plan.series if durability == "always" else plan.series[:1]
            asked = replace(plan, series=counts, disk=plan.disk and first is None)
            line = measured(Aspectstore(store, durability), asked)
            first = first or line
            line.stored, line.logs = first.stored, first.logs
            yield line


def peers(names: list[str], plan: speed.Plan) -> Iterator[Figures]:
    """Measure every peer that is there."""
    asked = replace(plan, series=plan.series[:1])
    for name in [name for name in PEERS if name in names]:
        yield measured(PEERS[name](), asked)
    if tinyflux.NAME in names:
        lacking = tinyflux.lacking()
        with speed.scratch_directory() as directory:
            yield _absent("TinyFlux", lacking) if lacking else tinyflux.measure(asked, directory)


def _absent(name: str, reason: str) -> Figures:
    print(f"{name} is left out: {reason}", flush=True)
    return Figures(name, absent=reason)


def speed_report(lines: list[Figures]) -> str:
    """Write the section of the table: figures, what each promises, ratios."""
    own = [line for line in lines if line.name.startswith(Dialect.name)]
    others = [line for line in lines if line not in own]
    said = [f"Workload A, {surroundings()}", "", figures_table(lines)]
    ratios = ratios_table(own, others)
    if ratios:
        said += ["", "Ratios of this run, above 1 where this service is ahead:", "", ratios]
    return "\n".join(said)


def _plan(options: argparse.Namespace) -> speed.Plan:
    if options.tiny:
        return speed.TINY
    series = tuple(int(count) for count in options.series.split(","))
    return speed.Plan(
        sustained_s=options.seconds, single_s=options.single_seconds, single_runs=min(3, options.runs),
        series=series, short_runs=options.runs, disk=not options.no_disk,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a few seconds, SQLite, nothing written")
    parser.add_argument("--url", help="measure a service that is already running")
    parser.add_argument("--credentials", default=CREDENTIALS.bootstrap, help="TENANT:CLIENT:SECRET for --url")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="default: all of %(default)s")
    parser.add_argument("--questions", default=",".join(QUESTIONS), help="default: all of %(default)s")
    parser.add_argument("--durability", default="always,everysec")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the sustained run")
    parser.add_argument(
        "--single-seconds", type=float, default=10.0, help="length of a run of single records"
    )
    parser.add_argument("--series", default="100,100000", help="numbers of series for single records")
    parser.add_argument("--runs", type=int, default=5, help="short runs of which the median counts")
    parser.add_argument("--budget", type=float, default=10.0, help="minutes for the growth curves of a store")
    parser.add_argument("--soak-minutes", type=float, default=10.0, help="length of the soak of a store")
    parser.add_argument("--no-disk", action="store_true", help="leave the bytes a value out")
    parser.add_argument("--no-report", action="store_true", help="print only, write no file")
    return parser


def _speed(options: argparse.Namespace, names: list[str]) -> int:
    """Measure one system after the other; what is found is kept at once, for the whole takes an hour."""
    plan = _plan(options)
    durabilities = ["always"] if options.tiny else options.durability.split(",")
    systems: Iterable[Figures] = chain(ours(names, durabilities, plan), peers(names, plan))
    if options.url:
        running = Dialect(options.url, Credentials.parse(options.credentials))
        systems = [measured(running, replace(plan, disk=False))]
    lines: list[Figures] = []
    for line in systems:
        lines.append(line)
        if not _silent(options):
            kept.save(lines)
            replace_section("speed", speed_report(lines))
    print(speed_report(lines))
    if not _silent(options):
        plots.draw_speed(lines)
    return int(any(line.absent for line in lines if line.name.startswith(Dialect.name)))


def _silent(options: argparse.Namespace) -> bool:
    return bool(options.tiny or options.url or options.no_report)


def main(arguments: list[str] | None = None) -> int:
    """Measure what the arguments ask for; 0 when every question got its answer and every bound holds."""
    options = _parser().parse_args(arguments)
    names = ["sqlite"] if options.tiny else options.systems.split(",")
    questions = ["speed"] if options.tiny or options.url else options.questions.split(",")
    unknown = {*names} - {*SYSTEMS} | {*questions} - {*QUESTIONS}
    if unknown:
        _parser().error(f"unknown: {', '.join(sorted(unknown))}")
    stores = [store for store in STORES if store in names and Aspectstore(store, "always").lacking() is None]
    silent = ["--no-report"] if options.no_report else []
    asked: dict[str, Callable[[], int]] = {
        "speed": lambda: _speed(options, names),
        "growth": lambda: growth.main(
            ["--store", ",".join(stores), "--budget", str(options.budget), *silent]
        ),
        "soak": lambda: max(
            soak.main(["--store", store, "--minutes", str(options.soak_minutes), *silent]) for store in stores
        ),
        "year": lambda: max(year.main(["--store", store, *silent]) for store in stores),
    }
    return max(
        (ask() for name, ask in asked.items() if name in questions and (stores or name == "speed")), default=0
    )


if __name__ == "__main__":
    sys.exit(main())
