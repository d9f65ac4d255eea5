"""Shows where the time of a service goes: samples its processes under a load, prints the busiest functions.

    python -m bench.profile --load bulk --seconds 20
    python -m bench.profile --load single --process door --stacks build/profile

Needs py-spy, which looks at a process from outside and changes nothing in it. Time in native code counts
for the Python function that called it. A table goes into `results.md`; the folded stacks, where a folder is
named, are what every drawer of flame graphs reads.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import ingest, single_records
from bench.generator import drive
from bench.ours import Aspectstore
from bench.report import replace_section, surroundings, table
from bench.speed import scratch_directory
from bench.workload import START_MS

PROCESSES = {"door": "cli.door", "writer": "workers.main writer"}
"""What is looked for in the command line."""

SAMPLES_A_SECOND = 200
VALUES_A_SECOND = 4_000_000
"""More than any store takes: so much of a bulk load is made beforehand."""
ANSWERS_A_SECOND = 2_000
"""More than one reader gets."""
ROWS = 15
WAITING = ("_worker (concurrent/futures/", "Condition.wait (threading.py", "Selector.select (selectors.py")
"""Where threads without work stand: such samples are left out. uvloop waits inside of `Runner.run`."""


def lacking() -> str | None:
    """Say what is not there; None when samples can be taken."""
    return None if _spy() else "no py-spy found: pip install py-spy, or put it on the PATH"


def _spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


@dataclass(slots=True, frozen=True)
class Plan:
    """How long, on what."""

    load: str = "bulk"
    seconds: float = 20.0
    assets: int = 100
    records: int = 10_000
    batch: int = 1_000
    rate_max: int = 15_000


TINY = Plan(seconds=1.0, assets=4, records=400, batch=100, rate_max=2_000)


@dataclass(slots=True, frozen=True)
class Busy:
    """One function: the share of samples in which it ran itself, and in which it was on the stack."""

    function: str
    own: float
    whole: float


def busiest(stacks: Iterable[str], rows: int = ROWS) -> list[Busy]:
    """Count folded stacks (`a;b;c 12` a line): a function counts once a sample, however deep it recurses."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for line in stacks:
        stack, _, text = line.rpartition(" ")
        frames, samples = stack.split(";"), int(text)
        if frames[-1].startswith(WAITING):
            continue
        total += samples
        own[frames[-1]] += samples
        for frame in set(frames):
            whole[frame] += samples
    return [Busy(name, count / total, whole[name] / total) for name, count in own.most_common(rows)]


def prepared(system: Aspectstore, plan: Plan) -> Callable[[], None]:
    """Make the requests of a load; gives what sends them for as long as the plan says."""
    system.prepare(plan.assets)
    if plan.load == "single":
        plans = single_records.plans_of(system, plan.assets, round(plan.seconds * plan.rate_max), START_MS)
    else:
        load = ingest.Load(system, plan.assets, plan.records, plan.batch)
        if plan.load == "bulk":
            plans = load.plans(range(max(1, round(plan.seconds * VALUES_A_SECOND / load.values))))
        else:
            ingest.measure(load, 0)
            hours = ingest.covering_hours(0, 1, load.records)
            asked = [system.hourly(number, *hours) for number in range(load.series)]
            plans = [asked * max(1, round(plan.seconds * ANSWERS_A_SECOND / load.series))]

    def send() -> None:
        ingest.demand_all_stored(drive(system.address, plans, seconds_max=plan.seconds))

    return send


def sampled(
    system: Aspectstore, process: str, send: Callable[[], None], plan: Plan, folded: Path
) -> list[str]:
    """Sample one process of the service while a load is sent; gives the folded stacks, kept in a file too."""
    assert system.service is not None
    pids = list(system.service.processes(PROCESSES[process]))
    if not pids:
        raise LookupError(f"no process of the service is a {process}: {system.service.processes()}")
    command = [
        str(_spy()), "record", "--pid", str(pids[0]), "--duration", str(max(1, round(plan.seconds))),
        "--rate", str(SAMPLES_A_SECOND), "--format", "raw", "--function", "--output", str(folded),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy:
        send()
        said, _ = spy.communicate()
    if spy.returncode:
        raise OSError(f"py-spy: {said.decode(errors='replace').strip()}")
    return folded.read_text(encoding="utf-8").splitlines()


def measure(system: Aspectstore, process: str, plan: Plan, directory: Path) -> list[str]:
    """Start a service, sample one of its processes under the load, stop it; gives folded stacks."""
    system.start(directory / "run")
    try:
        return sampled(system, process, prepared(system, plan), plan, directory / f"{process}.folded")
    finally:
        system.stop()


def report(name: str, process: str, plan: Plan, found: list[Busy]) -> str:
    """Write the section of `results.md`."""
    rows = [[f"`{busy.function}`", f"{busy.own:.1%}", f"{busy.whole:.1%}"] for busy in found]
    head = (
        f"{process} of {name}, load {plan.load}, {plan.seconds:.0f} s at {SAMPLES_A_SECOND} samples a second"
    )
    return f"{head}, {surroundings()}\n\n" + table(["function", "itself", "with what it calls"], rows)


def main(arguments: list[str] | None = None) -> int:
    """Profile what the arguments ask for; 2 without a sampler."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__.splitlines()[0])
    parser.add_argument("--load", default="bulk", choices=("bulk", "single", "aggregates"))
    parser.add_argument("--process", default="door,writer", help="door, writer or both with a comma")
    parser.add_argument("--store", default="sqlite", choices=("sqlite", "cassandra"))
    parser.add_argument("--durability", default="everysec")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument(
        "--stacks", type=Path, help="folder for the folded stacks, which flame graphs are made of"
    )
    parser.add_argument("--no-report", action="store_true", help="print only, leave results.md alone")
    options = parser.parse_args(arguments)
    reason = lacking()
    if reason is not None:
        print(reason)
        return 2
    plan = Plan(options.load, options.seconds)
    for process in options.process.split(","):
        system = Aspectstore(options.store, options.durability)
        with scratch_directory() as directory:
            stacks = measure(system, process, plan, directory)
        text = report(system.name, process, plan, busiest(stacks))
        print(text)
        if options.stacks:
            options.stacks.mkdir(parents=True, exist_ok=True)
            (options.stacks / f"{process}-{plan.load}.folded").write_text("\n".join(stacks), encoding="utf-8")
        if not options.no_report:
            replace_section(f"profile {process} {plan.load}", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
