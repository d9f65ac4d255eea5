"""Filters and orders of lists: every function, every nesting, against a slow and plain reading of them."""

import json
import random
import time

import pytest

from api.http.filters import (
    CONDITIONS_MAX,
    FILTER_CHARACTERS_MAX,
    KEPT_MAX,
    Field,
    Table,
    mentions,
    time_text,
)
from schemas.errors import Invalid

JANUARY, FEBRUARY = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.500Z"
THINGS = [
    {"name": "Motor", "typeId": "acme.Motor", "externalId": None, "deleted": None, "tags": ("a", "b")},
    {"name": "Pump", "typeId": "acme.Pump", "externalId": "7", "deleted": None, "tags": ()},
    {"name": "Pump 2", "typeId": "acme.Pump", "externalId": "true", "deleted": JANUARY, "tags": ("b",)},
    {"name": "pump", "typeId": "core.basicasset", "externalId": "x", "deleted": FEBRUARY, "tags": ("c",)},
]
FIELDS = {
    "name": Field(lambda thing: thing["name"]),
    "typeId": Field(lambda thing: thing["typeId"], str.lower),
    "externalId": Field(lambda thing: thing["externalId"]),
    "deleted": Field(lambda thing: thing["deleted"], time_text, is_time=True),
    "tags": Field(lambda thing: thing["tags"], has_many=True),
}


def chosen(tree, sort=""):
    """Give the places of the things that pass."""
    text = tree if isinstance(tree, str) else json.dumps(tree)
    found, total = Table(THINGS, FIELDS).page(text, sort, 0, 100)
    assert total == len(found)
    return [THINGS.index(thing) for thing in found]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ({}, [0, 1, 2, 3]),
        ({"name": "Pump"}, [1]),
        ({"name": {"eq": "Pump"}}, [1]),
        ({"externalId": 7}, [1]),
        ({"externalId": True}, [2]),
        ({"externalId": None}, [0]),
        ({"externalId": {"eq": None}}, [0]),
        ({"externalId": {"not": {"eq": None}}}, [1, 2, 3]),
        ({"name": {"in": {"value": ["Motor", "pump", "x"]}}}, [0, 3]),
        ({"name": {"in": ["Motor"]}}, [0]),
        ({"name": {"in": []}}, []),
        ({"externalId": {"in": [None, "x"]}}, [0, 3]),
        ({"name": {"contains": "um"}}, [1, 2, 3]),
        ({"externalId": {"contains": ""}}, [1, 2, 3]),
        ({"name": {"startsWith": "Pump"}}, [1, 2]),
        ({"name": {"endsWith": "2"}}, [2]),
        ({"name": {"startsWith": "P", "endsWith": "p"}}, [1]),
        ({"deleted": None}, [0, 1]),
        ({"deleted": {"before": FEBRUARY}}, [2]),
        ({"deleted": {"before": JANUARY}}, []),
        ({"deleted": {"after": JANUARY}}, [3]),
        ({"deleted": {"after": "2025-12-31T23:59:59.999Z"}}, [2, 3]),
        ({"deleted": "2026-01-01T01:00:00+01:00"}, [2]),
        ({"deleted": {"between": f"[{JANUARY}, {FEBRUARY})"}}, [2]),
        ({"deleted": {"between": f"({JANUARY}, {FEBRUARY}]"}}, [3]),
        ({"deleted": {"between": f"[{JANUARY},{FEBRUARY}]"}}, [2, 3]),
        ({"deleted": {"between": f"({JANUARY},{FEBRUARY})"}}, []),
        ({"and": {"name": {"contains": "P"}, "typeId": "ACME.PUMP"}}, []),
        ({"and": [{"name": "Pump"}, {"externalId": "7"}]}, [1]),
        ({"or": {"name": "Motor", "externalId": "x"}}, [0, 3]),
        ({"or": [{"name": "Motor"}, {"name": "pump"}]}, [0, 3]),
        ({"or": {}}, []),
        ({"and": {}}, [0, 1, 2, 3]),
        ({"not": {"name": {"contains": "ump"}}}, [0]),
        ({"not": {"or": {"name": "Motor", "not": {"deleted": None}}}}, [1]),
        ({"name": {"or": [{"eq": "Pump"}, {"endsWith": "2"}]}}, [1, 2]),
        ({"name": {"and": [{"startsWith": "P"}, {"not": {"contains": " "}}]}}, [1]),
        ({"name": {"contains": "ump"}, "externalId": "x"}, [3]),
        ({"tags": "b"}, [0, 2]),
        ({"tags": {"not": {"eq": "b"}}}, [1, 3]),
        ({"tags": {"in": ["a", "c"]}}, [0, 3]),
        ({"tags": None}, [1]),
        ({"typeId": "CORE.BASICASSET"}, [3]),
        ({"unknown": {"eq": "x"}}, [0, 1, 2, 3]),
        ({"not": {"unknown": "x"}}, []),
    ],
    ids=json.dumps,
)
def test_conditions(tree, expected):
    """Every function of the dialect, and and, or, not around fields and inside one (wire 4.4)."""
    assert chosen(tree) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "7", '"name"', "null", '{"name":{"near":1}}', '{"name":[]}', '{"name":{"contains":1}}',
        '{"name":{"in":"x"}}', '{"name":{"in":[[]]}}', '{"name":{"eq":{}}}', '{"name":{"or":{}}}',
        '{"and":1}', '{"or":[1]}', '{"not":[]}', '{"deleted":{"before":"yesterday"}}',
        '{"deleted":{"before":7}}',
        '{"name":{"before":"2026-01-01T00:00:00Z"}}', '{"deleted":"soon"}', '{"deleted":{"between":"x"}}',
        '{"deleted":{"between":"[2026-01-01T00:00:00Z]"}}', '{"deleted":{"between":"{a,b}"}}',
        '{"deleted":{"between":""}}', '{"name":"a","name":"b"}', '{"name":"\\u0000"}',
        '{"name":"' + "x" * FILTER_CHARACTERS_MAX + '"}',
        json.dumps({"or": [{"name": str(n)} for n in range(CONDITIONS_MAX)]}),
        '{"not":' * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_filter(text):
    """Bad JSON, bad shapes and unknown functions are refused, also of an empty list (wire 4.4)."""
    for things in (THINGS, []):
        with pytest.raises(Invalid, match="filter"):
            Table(things, FIELDS).page(text, "", 0, 10)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("ASC", [0, 1, 2, 3]),
        ("DESC", [0, 1, 2, 3]),
        ("nothing,desc", [0, 1, 2, 3]),
        ("name,asc", [0, 1, 2, 3]),
        ("name,desc", [3, 2, 1, 0]),
        ("name,DESC", [3, 2, 1, 0]),
        ("typeId", [0, 1, 2, 3]),
        ("typeId,desc", [3, 1, 2, 0]),
        ("typeId,name,desc", [3, 2, 1, 0]),
        (" typeId , name , desc ", [3, 2, 1, 0]),
        ("externalId", [1, 2, 3, 0]),
        ("externalId,desc", [0, 3, 2, 1]),
        ("tags", [1, 0, 2, 3]),
    ],
)
def test_orders(sort, expected):
    """Fields and one direction; without a value a thing is the greatest; equal ones stay (wire 4.4)."""
    assert chosen("", sort) == expected
    assert chosen({"not": {"name": "Motor"}}, sort) == [place for place in expected if place != 0]


def test_a_few_orders_and_results_are_kept():
    """They are worked out once, and a client that asks for all of them does not fill the memory."""
    table = Table(THINGS, FIELDS)
    for first in FIELDS:
        for second in FIELDS:
            for _ in range(2):  # worked out, then remembered
                found, _ = table.page(f'{{"{first}":null}}', f"{first},{second},desc", 0, 10)
            assert {thing["name"] for thing in found} == {
                THINGS[place]["name"] for place in chosen({first: None})
            }

    assert len(table._orders) <= KEPT_MAX
    assert len(table._passing) <= KEPT_MAX


def test_mentions():
    """Whether a filter asks about a field, not whether a value reads like one."""
    assert mentions('{"deleted":null}', "deleted")
    assert mentions('{"or":[{"not":{"deleted":null}}]}', "deleted")
    assert not mentions('{"name":"deleted"}', "deleted")
    assert not mentions("", "deleted")
    with pytest.raises(Invalid):
        mentions('{"deleted"', "deleted")


def plain(tree, thing):
    """Read a filter slowly: the oracle, which shares nothing with the table."""
    for name, condition in tree.items():
        if name == "and":
            passes = all(plain(part, thing) for part in condition)
        elif name == "or":
            passes = any(plain(part, thing) for part in condition)
        elif name == "not":
            passes = not plain(condition, thing)
        else:
            passes = _plain_test(condition, thing[name])
        if not passes:
            return False
    return True


def _plain_test(condition, value):
    ((function, argument),) = condition.items()
    if function == "not":
        return not _plain_test(argument, value)
    if function == "or":
        return any(_plain_test(inner, value) for inner in argument)
    if function in {"eq", "in"}:
        return value == argument if function == "eq" else value in argument
    if value is None:
        return False
    return {
        "contains": argument in value,
        "startsWith": value.startswith(argument),
        "endsWith": value.endswith(argument),
    }[function]


def random_tree(draw, depth):
    """Make a filter with every kind of nesting."""
    word = draw.choice(["and", "or", "not", "field", "field"]) if depth else "field"
    if word == "field":
        return {draw.choice(["name", "externalId"]): random_condition(draw, depth)}
    if word == "not":
        return {"not": random_tree(draw, depth - 1)}
    return {word: [random_tree(draw, depth - 1) for _ in range(draw.randrange(3))]}


def random_condition(draw, depth):
    """Make what stands behind a field."""
    word = draw.choice(["eq", "in", "contains", "startsWith", "endsWith", "not", "or"][: 7 if depth else 5])
    if word == "not":
        return {"not": random_condition(draw, depth - 1)}
    if word == "or":
        return {"or": [random_condition(draw, depth - 1) for _ in range(draw.randrange(3))]}
    text = "".join(draw.choice("ab") for _ in range(draw.randrange(3)))
    return {word: [text, None] if word == "in" else text}


def test_random_filters_against_the_plain_reading():
    """500 random filters choose what a plain reading of each chooses, in the order asked for (wire 4.4)."""
    draw = random.Random(4)
    for _ in range(500):
        things = [
            {
                "name": "".join(draw.choice("ab") for _ in range(draw.randrange(1, 4))),
                "externalId": draw.choice([None, "a", "ab", "b"]),
                "at": place,
            }
            for place in range(20)
        ]
        tree = random_tree(draw, 3)
        fields = {name: Field(lambda thing, name=name: thing[name]) for name in ("name", "externalId")}
        expected = [thing for thing in things if plain(tree, thing)]
        expected.sort(key=lambda thing: thing["name"])

        found, total = Table(things, fields).page(json.dumps(tree), "name,asc", 0, 1_000)

        assert (found, total) == (expected, len(expected)), tree


def test_a_condition_on_a_hundred_thousand_things_takes_milliseconds():
    """A column is looked through at once: far from a call of a function a thing and condition."""
    things = [{"name": f"pump-{number:06}"} for number in range(100_000)]
    table = Table(things, {"name": Field(lambda thing: thing["name"])}, ("name",))
    assert table.page('{"name":{"contains":"99"}}', "name,asc", 0, 10)[1] == 3_691

    best_s = float("inf")
    for number in range(5):
        began = time.process_time()
        table.page(f'{{"name":{{"contains":"{number}9"}}}}', "name,asc", 0, 10)
        best_s = min(best_s, time.process_time() - began)

    assert best_s < 0.05  # about 6 ms; the bound leaves room for a busy machine
