"""Statements live in files, named and described."""

import re
from pathlib import Path

import pytest

from storage.statements import Statement, load, parse, texts

STORAGE = Path(__file__).resolve().parents[2] / "storage"
FILES = [
    (f"storage.{path.parent.name}", path.name)
    for path in sorted(STORAGE.glob("*/*.[cs]ql"))
    if re.search(r"^-- \w+ --$", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def test_a_file_is_split_by_names() -> None:
    """Header, names, sentences and texts are told apart; a last semicolon is cut off."""
    source = """-- About this file.

-- first_one --
-- Does a thing,
-- and why.
SELECT 1;

-- second --
-- Two steps.
DO a;
DO b;
"""

    assert parse(source) == {
        "first_one": Statement("first_one", "Does a thing, and why.", "SELECT 1"),
        "second": Statement("second", "Two steps.", "DO a;\nDO b"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "-- a --\n-- Says it.\nSELECT 1\n-- a --\n-- Again.\nSELECT 2",
        "-- a --\nSELECT 1",
        "-- a --\n-- Says it.\n",
    ],
    ids=["twice", "no sentence", "no text"],
)
def test_a_careless_file_is_refused(source: str) -> None:
    """A name given twice, one without a sentence and one without a text are errors at load."""
    with pytest.raises(ValueError, match="statement a"):
        parse(source)


def test_a_compare_and_set_is_recognised() -> None:
    """IF makes a statement conditional; a column that contains the letters does not."""
    assert Statement("a", "", "UPDATE t SET x = ? WHERE k = ? IF version = ?").conditional
    assert not Statement("a", "", "SELECT iffy FROM t WHERE notIF = ?").conditional


@pytest.mark.parametrize(("package", "file"), FILES, ids=lambda value: value)
def test_every_statement_is_used(package: str, file: str) -> None:
    """A statement that no module of its package names is dead; each one parses."""
    modules = (STORAGE / package.split(".")[1]).glob("*.py")
    code = "".join(path.read_text(encoding="utf-8") for path in modules)

    assert texts(package, file).keys() == load(package, file).keys()
    assert [] == [name for name in load(package, file) if f'"{name}"' not in code]
