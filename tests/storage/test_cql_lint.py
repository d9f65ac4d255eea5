"""Three kinds of write timestamps, never mixed: every CQL file is read (design 4.16).

A table says above its CREATE which kind it has. `position`: every write names its timestamp. `default`:
none does, and rows are written once. `compare-and-set`: every write has an IF, so none names a timestamp.
"""

import re
from pathlib import Path

import pytest

from storage.cassandra.migrate import statements_of
from storage.statements import parse

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "storage" / "cassandra"
KINDS = ("position", "default", "compare-and-set")

KIND = re.compile(r"timestamps: ([a-z-]+)")
CREATED = re.compile(r"CREATE TABLE(?: IF NOT EXISTS)? (\w+)")
WRITTEN = re.compile(
    r"^(?:INSERT INTO|UPDATE|DELETE FROM|DELETE .*? FROM|TRUNCATE(?: TABLE)?) (\w+)", re.DOTALL
)


def kinds_of(source: str) -> dict[str, str]:
    """Read which kind of timestamp each table of a file declares in the comment right above it."""
    kinds = {}
    comment = ""
    for line in source.splitlines():
        created, declared = CREATED.match(line), KIND.search(comment)
        if created and declared:
            kinds[created[1]] = declared[1]
        comment = comment + line if line.startswith("--") else ""
    return kinds


def problems_of(text: str, kinds: dict[str, str]) -> list[str]:
    """Say what is wrong with one statement."""
    found = []
    if "ALLOW FILTERING" in text:
        found.append("reads more than a partition")
    if re.search(r"\bBATCH\b", text):
        found.append("a batch hides which table a condition is on")
    written = WRITTEN.match(text) or re.match(r"DELETE FROM (\w+)", text)
    if written is None:
        return found
    kind = kinds.get(written[1])
    stamped = re.search(r"USING (?:TTL \S+ AND )?TIMESTAMP", text) is not None
    conditional = re.search(r"\bIF\b", text) is not None
    if kind is None:
        found.append(f"writes {written[1]}, which no file creates")
    elif kind == "position" and (conditional or not stamped):
        found.append(f"{written[1]} wants USING TIMESTAMP and no IF")
    elif kind == "default" and (conditional or stamped):
        found.append(f"{written[1]} wants neither TIMESTAMP nor IF")
    elif kind == "compare-and-set" and (stamped or not conditional):
        found.append(f"{written[1]} wants IF and no TIMESTAMP")
    return found


CQL_FILES = sorted(ROOT.glob("*/**/*.cql"))
SOURCES = {path: path.read_text(encoding="utf-8") for path in CQL_FILES if ".venv" not in path.parts}
ALL_KINDS = {table: kind for source in SOURCES.values() for table, kind in kinds_of(source).items()}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_table_says_its_kind(path: Path) -> None:
    """A table that is created without a declared kind of timestamp fails here."""
    source = SOURCES[path]

    declared = kinds_of(source)

    assert set(CREATED.findall(source)) == set(declared)
    assert set(declared.values()) <= set(KINDS)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.parent.name != "schema"], ids=lambda path: path.name
)
def test_every_write_keeps_the_kind_of_its_table(path: Path) -> None:
    """No statement mixes positions, clocks and compare-and-set."""
    problems = {
        name: problems
        for name, statement in parse(SOURCES[path]).items()
        if (problems := problems_of(statement.text, ALL_KINDS))
    }

    assert problems == {}


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.parent.name == "schema"], ids=lambda path: path.name
)
def test_a_schema_file_only_creates(path: Path) -> None:
    """A schema file can be applied again after half of it was: IF NOT EXISTS everywhere."""
    assert path.parent == FOLDER / "schema"
    assert re.fullmatch(r"\d{4}_[a-z_]+\.cql", path.name)
    for text in statements_of(SOURCES[path]):
        assert re.match(
            r"(CREATE (TABLE|INDEX|TYPE) IF NOT EXISTS|ALTER TABLE \w+ ADD IF NOT EXISTS) ", text
        ), text


def test_schema_files_have_numbers_of_their_own() -> None:
    """Two files of one number would have no order."""
    numbers = [path.name[:4] for path in SOURCES if path.parent.name == "schema"]

    assert len(set(numbers)) == len(numbers)


def test_compressed_bodies_are_not_compressed_again() -> None:
    """Tables of blobs that are compressed by us have table compression off (design 4.10)."""
    texts = [text for source in SOURCES.values() for text in statements_of(source)]
    for table in ("deltas", "blocks"):
        (text,) = [text for text in texts if re.match(rf"CREATE TABLE IF NOT EXISTS {table}\b", text)]
        assert "compression = {'enabled': 'false'}" in text


def test_the_kinds_of_the_design() -> None:
    """Deltas and cursors carry positions, heads and shards are compared and set, blocks are written once."""
    expected = {
        "deltas": "position",
        "cursors": "position",
        "blocks": "default",
        "slices": "default",
        "heads": "compare-and-set",
        "shards": "compare-and-set",
        "survived": "compare-and-set",
    }

    assert expected == {table: ALL_KINDS[table] for table in expected}


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO deltas (a) VALUES (?)",
        "INSERT INTO deltas (a) VALUES (?) IF NOT EXISTS",
        "DELETE FROM deltas WHERE a = ?",
        "DELETE body FROM deltas WHERE a = ?",
        "TRUNCATE deltas",
        "INSERT INTO blocks (a) VALUES (?) USING TIMESTAMP ?",
        "INSERT INTO blocks (a) VALUES (?) IF NOT EXISTS",
        "DELETE FROM blocks USING TIMESTAMP ? WHERE a = ?",
        "UPDATE heads SET b = ? WHERE a = ?",
        "UPDATE heads USING TIMESTAMP ? SET b = ? WHERE a = ?",
        "DELETE FROM heads WHERE a = ?",
        "INSERT INTO heads (a) VALUES (?)",
        "INSERT INTO unknown_table (a) VALUES (?)",
        "SELECT a FROM heads ALLOW FILTERING",
        "BEGIN BATCH INSERT INTO heads (a) VALUES (?) IF NOT EXISTS APPLY BATCH",
    ],
)
def test_the_lint_finds_what_is_planted(text: str) -> None:
    """Each way to mix the kinds is found."""
    assert problems_of(text, ALL_KINDS) != []


def test_the_lint_sees_a_table_without_a_kind() -> None:
    """A declaration belongs to the table right below it only."""
    source = "-- timestamps: default; so.\nCREATE TABLE IF NOT EXISTS a (x int);\nCREATE TABLE b (x int);\n"

    assert kinds_of(source) == {"a": "default"}
    assert CREATED.findall(source) == ["a", "b"]
