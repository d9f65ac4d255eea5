"""Named statements out of `.sql` and `.cql` files; the only way a statement gets into Python.

A file starts with whatever its header comment says. Then, for each statement:

    -- name --
    -- One or more lines that say what it does and why so.
    SELECT …

up to the next name. A closing semicolon is cut off; several statements under one name stay as they are.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import NamedTuple

NAME_LINE = re.compile(r"^-- ([a-z][a-z0-9_]*) --$")
COMMENT = re.compile(r"^\s*--")
CONDITION = re.compile(r"\bIF\b")


class Statement(NamedTuple):
    """One statement of a file."""

    name: str
    sentence: str
    """What the file says it does."""
    text: str

    @property
    def conditional(self) -> bool:
        """Tell whether it is a compare-and-set: CQL with an IF."""
        return CONDITION.search(self.text) is not None


def parse(source: str) -> dict[str, Statement]:
    """Split a file into its statements by name.

    A ValueError for a name given twice and for one without a sentence or a text.
    """
    statements: dict[str, Statement] = {}
    for name, lines in _sections(source):
        sentence = " ".join(line.strip().removeprefix("--").strip() for line in lines if COMMENT.match(line))
        text = "\n".join(line for line in lines if not COMMENT.match(line)).strip().removesuffix(";")
        if name in statements:
            raise ValueError(f"statement {name} stands there twice")
        if not sentence or not text:
            raise ValueError(f"statement {name} needs a sentence and a text")
        statements[name] = Statement(name, sentence, text)
    return statements


def load(package: str, file: str) -> dict[str, Statement]:
    """Parse a statement file that lies in a package."""
    return parse(read(package, file))


def texts(package: str, file: str) -> dict[str, str]:
    """Parse a statement file that lies in a package and keep the text of each name."""
    return {name: statement.text for name, statement in load(package, file).items()}


def read(package: str, file: str) -> str:
    """Read a text file that lies in a package."""
    return resources.files(package).joinpath(file).read_text(encoding="utf-8")


def _sections(source: str) -> list[tuple[str, list[str]]]:
    sections: list[tuple[str, list[str]]] = []
    for line in source.splitlines():
        found = NAME_LINE.match(line)
        if found:
            sections.append((found.group(1), []))
        elif sections:
            sections[-1][1].append(line)
    return sections
