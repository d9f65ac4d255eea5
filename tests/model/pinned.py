"""The programs of `pinned.toml`: for each rule, interleavings that go wrong without it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from tests.model.program import Step, parse


class Pinned(NamedTuple):
    """One program, the rule that it needs, and what happens without it."""

    rule: str
    story: str
    program: tuple[Step, ...]
    simulator_only: bool
    """True: the real functions cannot break the rule in this way."""
    two_slices: bool
    """True: only the real functions have what it takes."""


def _read(kind: str) -> tuple[Pinned, ...]:
    with Path(__file__).with_suffix(".toml").open("rb") as file:
        cases = tomllib.load(file)[kind]
    return tuple(
        Pinned(
            case.get("rule", ""),
            case["story"],
            tuple(parse(case["steps"])),
            simulator_only=case.get("simulator_only", False),
            two_slices=case.get("two_slices", False),
        )
        for case in cases
    )


PINNED = _read("program")
"""Programs that go wrong without their rule."""

STORIES = _read("story")
"""Programs that must go right, and would not with one careless line."""
