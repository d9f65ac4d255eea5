"""What the measurements of one store with bounds have in common: their arguments and their end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from bench.report import replace_section, table

Verdict = tuple[str, str, bool]
"""What was asked, what was found, whether it holds."""


def store_arguments(module: str, summary: str) -> argparse.ArgumentParser:
    """Make the parser of a measurement of one store: which, how durable, and whether files are written."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=summary)
    parser.add_argument("--store", default="sqlite", choices=("sqlite", "cassandra"))
    parser.add_argument("--durability", default="everysec")
    parser.add_argument("--no-report", action="store_true", help="print only, write no file")
    return parser


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Write verdicts as a table."""
    rows = [[asked, found, "yes" if holds else "**no**"] for asked, found, holds in verdicts]
    return table(["asked", "found", "holds"], rows)


def conclude(
    section: str, text: str, verdicts: Sequence[Verdict], draw: Callable[[], object], *, written: bool
) -> int:
    """Print a report and write it, with its plots; 1 when a bound does not hold."""
    print(text)
    if written:
        replace_section(section, text)
        draw()
    return int(not all(holds for _, _, holds in verdicts))
