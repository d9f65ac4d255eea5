"""The plan of every statement: keys and their beginnings, never a table (SM-38).

Cassandra answers by the partition key and a beginning of the clustering columns, or it reads every node; so
its plans can be read off the text and the schema. SQLite is asked for its plans.
"""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import pytest

from storage.cassandra.migrate import statements_of
from storage.sqlite import catalog, series
from storage.statements import parse, texts

STORAGE = Path(__file__).resolve().parents[2] / "storage"
CASSANDRA = STORAGE / "cassandra"

COLD = {
    ("statements.cql", "list_series"),  # a walk over a whole store, for its check; no request waits for it
    ("migrate.cql", "read_migrations"),  # a table of a few rows, read at the start
    ("catalog.sql", "trim"),  # once in a thousand changes, through a table of one day
    # Walks of who erases a tenant (decision 32), through partition keys only:
    *(("erasing.cql", f"walk_{table}") for table in ("deltas", "pins", "blocks", "heads")),
    *(("events.cql", f"walk_{table}") for table in ("places", "times", "versions", "days")),
    *(("catalog.cql", f"walk_{table}") for table in ("documents", "names")),
    *(("catalog.sql", name) for name in ("names_of", "forget_changes")),
}
"""Statements that read whole tables, each with its reason; no request of a client waits for any."""

CREATED = re.compile(
    r"CREATE TABLE IF NOT EXISTS (\w+) \(.*?PRIMARY KEY \((\([^)]*\)|\w+)(.*?)\)\n?\)", re.DOTALL
)
SINGLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \(\s*(\w+) \w+ PRIMARY KEY")
TABLE = re.compile(r"\b(?:FROM|UPDATE) (\w+)(\.\w+)?")
WHERE = re.compile(r"\bWHERE (.*?)(?:\bIF\b|\bORDER\b|\bLIMIT\b|$)", re.DOTALL)
TERM = re.compile(r"(\w+) (=|IN|>=|>|<=|<) ")


BODY = "SELECT body FROM deltas WHERE tenant = ? AND asset = ? AND aspect = ?"


def keys_of(source: str) -> dict[str, tuple[list[str], list[str]]]:
    """Read (partition columns, clustering columns) of each table that a file creates."""
    keys: dict[str, tuple[list[str], list[str]]] = {}
    for text in statements_of(source):
        single = SINGLE.match(text)
        if single:
            keys[single[1]] = ([single[2]], [])
            continue
        created = CREATED.match(text + "\n)" if not text.endswith("\n)") else text)
        if created:
            keys[created[1]] = (re.findall(r"\w+", created[2]), re.findall(r"\w+", created[3]))
    return keys


SCHEMA = "".join(path.read_text(encoding="utf-8") for path in sorted((CASSANDRA / "schema").glob("*.cql")))
KEYS = keys_of(SCHEMA)


def trouble_of(text: str, keys: dict[str, tuple[list[str], list[str]]]) -> str:
    """Say why Cassandra would read more than rows of one partition; nothing if it would not."""
    table = TABLE.search(text)
    if table is None or table[2] or text.startswith("INSERT"):
        return ""
    if "ALLOW FILTERING" in text:
        return "filters"
    where = WHERE.search(text)
    if where is None:
        return f"walks all of {table[1]}"
    terms = dict(TERM.findall(where[1] + " "))
    if table[1] not in keys:
        return f"no file creates {table[1]}"
    partition, clustering = keys[table[1]]
    if any(terms.get(column) != "=" for column in partition):
        return f"does not name a partition of {table[1]}"
    named = [column in terms for column in clustering]
    if named != sorted(named, reverse=True) or not set(terms) <= {*partition, *clustering}:
        return f"{sorted(terms)} is no beginning of the key of {table[1]}"
    return ""


CQL = [
    (path.name, name, statement.text)
    for path in sorted(CASSANDRA.glob("*.cql"))
    for name, statement in parse(path.read_text(encoding="utf-8")).items()
]


def test_keys_are_read_from_the_schema() -> None:
    """The keys of the design: a slice's deltas and a part's blocks are partitions (design 4.1 to 4.3)."""
    expected = {
        "deltas": (["tenant", "asset", "aspect", "slice"], ["last", "first"]),
        "blocks": (["tenant", "asset", "aspect", "slice", "part"], ["variable", "block_id"]),
        "heads": (["tenant", "asset", "aspect"], ["slice"]),
        "slices": (["tenant", "asset", "aspect"], ["slice"]),
        "cursors": (["shard"], []),
        "documents": (["tenant", "kind", "bucket"], ["id"]),
    }

    assert expected == {table: KEYS[table] for table in expected}


@pytest.mark.parametrize(("file", "name", "text"), CQL, ids=lambda value: str(value)[:30])
def test_cassandra_reads_one_partition(file: str, name: str, text: str) -> None:
    """By the whole partition key, and by a beginning of the key within it."""
    if file == "migrate.cql":
        keys = KEYS | keys_of(
            ";\n".join(each for _, _, each in CQL if each.startswith("CREATE TABLE")) + ";\n"
        )
    else:
        keys = KEYS

    assert ((file, name) in COLD) == bool(trouble_of(text, keys)), trouble_of(text, keys)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (BODY, "partition"),
        (f"{BODY} AND slice IN ?", "partition"),
        (f"{BODY} AND slice = ? AND first > ?", "beginning"),
        ("SELECT body FROM heads WHERE tenant = ? AND asset = ? AND aspect = ? AND version = ?", "beginning"),
        ("SELECT slice FROM slices", "walks"),
        ("DELETE FROM slices WHERE tenant = ?", "partition"),
        ("SELECT slice FROM slices WHERE slice = ? ALLOW FILTERING", "filters"),
        ("SELECT a FROM nowhere WHERE a = ?", "creates"),
    ],
)
def test_each_trouble_is_found(text: str, trouble: str) -> None:
    """A rule that finds nothing in a statement made to break it would protect nobody."""
    assert trouble in trouble_of(text, KEYS)


FILES = [("statements.sql", series.SCHEMA), ("catalog.sql", catalog.SCHEMA)]


@pytest.mark.parametrize(("file", "schema"), FILES, ids=["series", "catalogue"])
def test_sqlite_reads_by_keys(file: str, schema: tuple[str, ...]) -> None:
    """Every step of every plan searches by a key; only what is cold scans."""
    connection = apsw.Connection(":memory:")
    for step in schema:
        connection.execute(step)
    scanning: set[str] = set()

    for name, text in texts("storage.sqlite", file).items():
        count = max((number for number in range(1, 10) if f"?{number}" in text), default=0)
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * count)]
        if any(step.startswith("SCAN") and step != "SCAN CONSTANT ROW" for step in steps):
            scanning.add(name)

    assert {name for where, name in COLD if where == file} == scanning
