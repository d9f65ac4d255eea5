"""Tables in `results.md`: each question owns the text between two markers and replaces only that."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results.md"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def replace_section(name: str, text: str, path: Path = RESULTS) -> None:
    """Put the text between the markers of `name`; a section that is new comes last."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    present = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(present):
        written = pattern.sub(lambda _: section, present)
    else:
        written = present.rstrip("\n") + "\n\n" + section + "\n"
    path.write_text(written, encoding="utf-8")


def surroundings() -> str:
    """Say when and on what a table was made: figures of two machines cannot be compared."""
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    system = f"{platform.system()} {platform.release()}"
    return f"{day}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}"


def millions(rate: float) -> str:
    """Write a rate in millions."""
    return f"{rate / 1e6:.2f} M"
