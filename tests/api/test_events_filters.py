"""Which events a filter wants: over HTTP as clients send it, and by itself (wire 4.4, 9)."""

import json
from urllib.parse import quote

import pytest

from schemas.errors import Invalid
from schemas.event_filters import parse_event_filter
from tests.api.events import STANDARD, call, codes_of, create, root_of, words_of

HEX = "0123456789abcdef" * 2
DAY_0, DAY_7 = "2026-01-01T00:00:00.000Z", "2026-01-08T00:00:00.000Z"
DAY_0_MS, DAY_7_MS = 1_767_225_600_000, 1_767_830_400_000

EVENT = {"id": "i", "typeId": STANDARD, "timestamp": DAY_0, "severity": 20, "code": "E-7", "on": True,
         "ratio": 0.5, "seen": DAY_7, "none": None, "list": [1]}  # fmt: skip


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"severity": 20},
        {"severity": "20"},
        {"severity": 20.0},
        {"severity": {"eq": 20}},
        {"severity": {"in": {"value": [30, 20]}}},
        {"severity": {"in": ["20"]}},
        {"severity": {"between": "[20, 30)"}},
        {"severity": {"between": "(19,20]"}},
        {"severity": {"after": 19, "before": "21"}},
        {"ratio": 0.5},
        {"on": True},
        {"on": "true"},
        {"none": None},
        {"absent": None},
        {"code": {"contains": "-"}},
        {"code": {"startsWith": "E", "endsWith": "7"}},
        {"code": {"or": [{"eq": "x"}, {"eq": "E-7"}]}},
        {"code": {"and": [{"contains": "E"}, {"contains": "7"}]}},
        {"code": {"not": {"eq": "x"}}},
        {"and": {"code": "E-7", "severity": 20}},
        {"and": [{"code": "E-7"}, {"severity": 20}]},
        {"or": {"code": "x", "severity": 20}},
        {"or": [{"code": "x"}, {"and": {"severity": 20, "on": True}}]},
        {"not": {"code": "x"}},
        {"seen": {"between": f"[{DAY_0},{DAY_7}]"}},
        {"seen": {"after": "2026-01-08T00:30:00+01:00"}},
        {"or": [{"timestamp": {"before": DAY_0}}, {"timestamp": {"between": f"[{DAY_0}, {DAY_7})"}}]},
        {"timestamp": {"not": {"before": DAY_0}}},
    ],
)
def test_what_passes(condition):
    """Each of these wants the event, and the opposite of each does not."""
    assert parse_event_filter(condition).passes(EVENT)
    assert not parse_event_filter({"not": condition}).passes(EVENT)


@pytest.mark.parametrize(
    "condition",
    [
        {"severity": 21},
        {"severity": None},
        {"severity": {"between": "(20,30)"}},
        {"severity": {"between": "[10,20)"}},
        {"severity": {"contains": "2"}},
        {"severity": {"before": DAY_7}},
        {"code": {"before": DAY_7}},
        {"on": {"after": 0}},
        {"absent": "x"},
        {"absent": {"after": 1}},
        {"list": "1"},
        {"list": None},
        {"on": 1},
        {"seen": {"between": f"[{DAY_0},{DAY_7})"}},
        {"severity": {"in": []}},
    ],
)
def test_what_does_not_pass(condition):
    """Other values, other kinds of values, and what is not there."""
    assert not parse_event_filter(condition).passes(EVENT)


@pytest.mark.parametrize(
    ("tree", "entity", "start_ms", "end_ms"),
    [
        ({"entityId": HEX}, HEX, None, None),
        ({"entityId": {"eq": HEX}}, HEX, None, None),
        ({"and": {"entityId": HEX, "timestamp": {"after": DAY_0}}}, HEX, DAY_0_MS + 1, None),
        ({"timestamp": {"between": f"[{DAY_0},{DAY_7})"}}, None, DAY_0_MS, DAY_7_MS),
        ({"timestamp": {"between": f"( {DAY_0} , {DAY_7} ]"}}, None, DAY_0_MS + 1, DAY_7_MS + 1),
        ({"timestamp": {"before": DAY_7, "after": DAY_0}}, None, DAY_0_MS + 1, DAY_7_MS),
        ({"timestamp": {"before": DAY_7}}, None, None, DAY_7_MS),
        ({"timestamp": DAY_0}, None, DAY_0_MS, DAY_0_MS + 1),
        ({"and": [{"timestamp": {"after": DAY_0}}, {"timestamp": {"before": DAY_7}}]}, None,
         DAY_0_MS + 1, DAY_7_MS),
    ],
)  # fmt: skip
def test_place_and_time_go_to_the_store(tree, entity, start_ms, end_ms):
    """Nothing of them is left to be tried on each event; brackets say which ends belong to a range."""
    found = parse_event_filter(tree)

    assert (found.entity, found.start_ms, found.end_ms, found.test) == (entity, start_ms, end_ms, None)


@pytest.mark.parametrize(
    "tree",
    [
        {"or": {"entityId": HEX}},
        {"not": {"timestamp": {"before": DAY_7}}},
        {"entityId": {"contains": "a"}},
        {"entityId": "x"},
        {"timestamp": {"or": [{"before": DAY_7}]}},
    ],
)
def test_what_the_store_cannot_judge_is_tried(tree):
    """Alternatives and opposites of place and time are tried on each event."""
    found = parse_event_filter(tree)

    assert (found.entity, found.start_ms, found.end_ms, found.is_timed) == (None, None, None, False)
    assert found.test is not None


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ([], "an object is expected"),
        ({"and": 1}, "an object is expected"),
        ({"or": 1}, "or: an object or an array is expected"),
        ({"code": {"like": "x"}}, "the function 'like' is not known"),
        ({"code": ["x"]}, "a plain value is expected"),
        ({"code": {"contains": 1}}, "a text is expected"),
        ({"code": {"or": {}}}, "or inside a field takes an array"),
        ({"code": {"in": 1}}, "in takes"),
        ({"code": {"in": ["x"] * 1_001}}, "of at most 1000"),
        ({"code": {"after": "x"}}, "a time or a number is expected"),
        ({"code": {"after": 10**400}}, "a time or a number is expected"),
        ({"code": {"between": "1,2"}}, "between takes"),
        ({"timestamp": {"between": f"[{DAY_0}]"}}, "between takes"),
        ({"timestamp": {"after": "x"}}, "'x' is not a time"),
        ({"timestamp": 5}, "timestamp: a time is expected"),
        ({str(number): 1 for number in range(51)}, "at most 50 conditions"),
    ],
)
def test_what_is_no_filter(tree, words):
    """A filter that means nothing is refused, never ignored."""
    with pytest.raises(Invalid, match="filter: ") as refusal:
        parse_event_filter(tree)

    assert words in str(refusal.value)


async def test_filters_of_the_sdk(service):
    """By entity, by type, by id and by a range of times, as existing clients send them (wire 9)."""
    root = await root_of(service)
    await create(service, "08:00:00Z", code="a", severity=20)
    made = await create(service, "09:00:00Z", code="b", severity=30)
    until = {"between": "[2025-12-31T08:00:00.000Z,2025-12-31T09:00:00.000Z)"}

    assert await codes_of(service, {"entityId": root}) == ["b", "a"]
    assert await codes_of(service, {"entityId": "0" * 32}) == []
    assert await codes_of(service, {"typeId": STANDARD}) == ["b", "a"]
    assert await codes_of(service, {"typeId": "acme.Other"}) == []
    assert await codes_of(service, {"id": made["id"], "typeId": STANDARD}) == ["b"]
    assert await codes_of(service, {"id": made["id"], "typeId": "acme.Other"}) == []
    assert await codes_of(service, {"id": {"in": {"value": [made["id"], "x"]}}, "entityId": root}) == ["b"]
    assert await codes_of(service, {"id": made["id"], "timestamp": until}) == []
    assert await codes_of(service, {"timestamp": until, "entityId": root, "typeId": STANDARD}) == ["a"]
    assert await codes_of(service, {"severity": 20}) == ["a"]


async def test_ids_are_found_however_old(service):
    """Who names an event does not mean the last seven days."""
    made = await create(service, "2001-01-01T00:00:00Z", code="old")

    assert await codes_of(service, {"id": made["id"]}) == ["old"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "filter: Not JSON"),
        ('{"a":1,"a":2}', "filter: The member"),
        ("[]", "filter: an object"),
        ('{"a":"' + "x" * 10_000 + '"}', "filter: at most 10000 characters."),
    ],
)
async def test_bad_filters_are_refused(service, text, words):
    """400 in the shape of event management."""
    answer = await call(service, "GET", "/events?filter=" + quote(text))

    assert answer.status_code == 400
    assert words_of(answer)[0].startswith(words)


async def test_links_repeat_the_filter(service):
    """The next page is that of the same filter."""
    await create(service)
    tree = json.dumps({"severity": {"not": {"eq": 40}}})

    answer = await call(service, "GET", "/events?size=1&filter=" + quote(tree))

    assert answer.json()["_links"]["self"]["href"].endswith("&filter=" + quote(tree, safe=""))
