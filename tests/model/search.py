"""Random programs, and the smallest that still goes wrong.

`python -m tests.model.search 2000 [rule]` tells how many of 2,000 random programs go wrong with the
rule off and prints the smallest (no rule: everything on, where none may). Seeds make it repeatable.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial

from tests.model.oracle import Violation
from tests.model.program import TIMES, VARIABLES, Step, parse, written
from tests.model.rules import DESIGN, NAMES, Rules, without
from tests.model.simulator import Simulator, run

STEPS_MAX = 70
"""Draws of a random program; the longest pinned program has far fewer steps."""


FLOWS = (
    (6, "{w} take {n} · {w} write · {w} write · {w} write · {w} advance · {w} report"),
    (3, "{w} seal · {w} build · {w} swap"),
    (1, "{w} start"),
    (1, "{w} seal · {w} page {n} · {w} build · {w} swap late · {w} resolve"),
    (1, "{w} swap late · {w} resolve · store deliver"),
    (1, "{w} advance {n} · {w} report"),
    (1, "{w} fill · {w} report"),
    (1, "P blocks · P jobs · P deltas · P head · P drop"),
    (2, "time pass · P blocks · P jobs · P deltas · P head · P drop"),
    (2, "{r} tail · {r} head · {r} page {n} · {r} answer"),
    (2, "{r} head · {r} page {n} · {r} answer"),
    (2, "L latest"),
    (1, "J stage {t} {c} · J attach · J finish"),
    (1, "J attach · J finish"),
    (1, "{j} stage {t} {c}"),
    (2, "{j} stage {t} {c} · {j} attach kept · {j} finish"),
    (2, "{j} merge {t} {c} · {j} merge {t} {c} · {j} attach kept · {j} finish"),
    (1, "{j} attach kept · door undo 1"),
    (1, "{j} lose · {j} attach kept"),
    (1, "U pin"),
    (1, "U release"),
    (1, "store deliver"),
    (1, "stream trim"),
)
"""What actors usually do in a row, with weights; a flow may stop anywhere and be taken up anywhere."""


def random_steps(source: random.Random) -> list[Step]:
    """Draw an entry, a flow, or a part of one."""
    if source.random() < 0.3:
        return [random_write(source)]
    flow = source.choices([flow for _, flow in FLOWS], weights=[weight for weight, _ in FLOWS])[0]
    steps = flow_steps(
        flow,
        writer=source.choice("AAABBC"),
        reader=source.choice("RF"),
        count=str(source.randint(1, 4)),
        time=_time(source),
        cell=_cell(source),
        job=source.choice("KKMN"),
    )
    start = 0 if source.random() < 0.6 else source.randrange(len(steps))
    stop = len(steps) if source.random() < 0.6 else source.randint(start + 1, len(steps))
    return steps[start:stop]


def flow_steps(
    flow: str, *, writer: str, reader: str, count: str, time: str, cell: str, job: str
) -> list[Step]:
    """Write a flow out for these actors."""
    return parse(flow.format(w=writer, r=reader, n=count, t=time, c=cell, j=job).replace(" · ", "\n"))


def random_write(source: random.Random) -> Step:
    """Draw an entry that the door admits."""
    actions = ("put", "patch", "clear", "delete", "undo", "other")
    action = source.choices(actions, weights=(10, 6, 4, 4, 3, 2))[0]
    if action == "undo":
        return Step("door", action, (str(source.choice((1, 1, 1, 2, 3))),))
    if action in ("clear", "delete"):
        start = source.randrange(TIMES)
        return Step("door", action, (str(start), str(source.randint(start + 1, TIMES))))
    if action == "other":
        return Step("door", action)
    cells = [_cell(source, removing=action == "patch")]
    if source.random() < 0.3:
        cells = [f"{name}={source.randint(1, 99)}" for name in VARIABLES]
    return Step("door", action, (_time(source), *cells))


def _time(source: random.Random) -> str:
    return str(source.randrange(TIMES))


def _cell(source: random.Random, *, removing: bool = False) -> str:
    value = "-" if removing and source.random() < 0.2 else str(source.randint(1, 99))
    return f"{source.choice(VARIABLES)}={value}"


def random_run(seed: int, rules: Rules = DESIGN) -> tuple[list[Step], str | None]:
    """Run a random program; the steps that had an effect, and the violation if there was one."""
    source = random.Random(seed)
    simulator = Simulator(rules)
    program = parse("A start") if source.random() < 0.8 else []
    length = source.randint(15, STEPS_MAX)
    try:
        for step in program:
            simulator.step(step)
        for _ in range(length):
            for step in random_steps(source):
                program.append(step)
                if not simulator.step(step):
                    program.pop()
        simulator.settle()
    except Violation as violation:
        return program, str(violation)
    return program, None


def smallest(program: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Leave out steps, in ever smaller runs, as long as the rest still fails."""
    size = len(program) // 2
    while size:
        start = 0
        while start < len(program):
            shorter = program[:start] + program[start + size :]
            if fails(shorter):
                program = shorter
            else:
                start += size
        size = size // 2 if size > 1 or not _any_left(program, fails) else 1
    return program


def _any_left(program: list[Step], fails: Callable[[list[Step]], bool]) -> bool:
    return any(fails(program[:index] + program[index + 1 :]) for index in range(len(program)))


def _fails(rules: Rules, program: list[Step]) -> bool:
    return run(program, rules) is not None


def main(arguments: list[str]) -> None:
    """Search, and print what was found."""
    runs = int(arguments[0])
    names = arguments[1:] or ("", *NAMES)
    for name in names:
        rules = without(name) if name else DESIGN
        found = [program for seed in range(runs) for program, bad in [random_run(seed, rules)] if bad]
        sys.stdout.write(f"\n{name or 'everything on'}: {len(found)} of {runs}\n")
        if found:
            shortest = min((smallest(program, partial(_fails, rules)) for program in found[:20]), key=len)
            sys.stdout.write(
                f"{written(shortest)}\n# {run(shortest, rules)}\n# everything on: {run(shortest)}\n"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
