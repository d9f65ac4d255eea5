"""Event types: what the events of a type have, and how a type changes (wire 9)."""

import pytest

from tests.api.events import BASE, STANDARD, TYPE, call, create, listed, root_of, words_of

LEAK = f"{BASE}/eventTypes/acme.Leak"
BASE_TYPE = STANDARD.replace("MindSphereStandardEvent", "BaseEvent")
VALVE = {"name": "valve", "type": "ENUM", "filterable": False, "required": False, "updatable": False,
         "values": ["north", "south"]}  # fmt: skip
LITRES = {"name": "litres", "type": "DOUBLE", "filterable": True, "required": True, "updatable": True,
          "values": []}  # fmt: skip


async def make_leak(service, **changes):
    """Create the type of the tests; gives it."""
    answer = await call(service, "POST", "/eventTypes", {**TYPE, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_the_standard_type_exists(service):
    """The CLI makes its template of the fields of the standard type."""
    answer = await call(service, "GET", f"/eventTypes/{STANDARD}")

    fields = [(field["name"], field["type"]) for field in answer.json()["fields"]]
    assert fields == [
        ("severity", "INTEGER"), ("description", "STRING"), ("code", "STRING"), ("source", "STRING"),
        ("acknowledged", "BOOLEAN"),
    ]  # fmt: skip
    assert answer.json()["parentId"] == BASE_TYPE
    assert (await call(service, "GET", f"/eventTypes/{BASE_TYPE}")).json()["parentId"] is None


async def test_a_created_type(service):
    """201 with id, defaults and etag; without an id it is made of tenant and name."""
    answer = await call(service, "POST", "/eventTypes", TYPE)

    assert answer.status_code == 201
    assert answer.headers["etag"] == '"0"'
    assert answer.headers["location"] == f"http://door{LEAK}"
    assert answer.json() == {
        "id": "acme.Leak",
        "name": "Leak",
        "parentId": BASE_TYPE,
        "ttl": 7,
        "scope": "LOCAL",
        "fields": [LITRES, VALVE],
        "etag": 0,
        "owner": "acme",
        "sharing": {"modes": []},
        "_links": {"self": {"href": f"http://door{LEAK}"}},
    }
    assert (await call(service, "GET", "/eventTypes/acme.Leak")).json() == answer.json()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "other.Leak"}, "/id: The id must begin with the name of the tenant: acme."),
        ({"id": "Leak"}, "/id: A type id reads acme.name"),
        ({"name": "", "id": "acme.X"}, "/name: A name has 1 to 128"),
        ({"parentId": "acme.None"}, "/parentId: A type"),
        ({"ttl": 0}, "/ttl: A number of days from 1"),
        ({"scope": "WORLD"}, "/scope: One of LOCAL, GLOBAL."),
        ({"fields": [{"name": "a b", "type": "STRING"}]}, "/fields/0/name: A name has letters"),
        ({"fields": [LITRES, LITRES]}, "/fields/1/name: 'litres' is there already"),
        ({"fields": [{"name": "timestamp", "type": "STRING"}]}, "/fields/0/name: 'timestamp' is there"),
        ({"fields": [{"name": "etag", "type": "STRING"}]}, "/fields/0/name: 'etag' is there"),
        ({"parentId": STANDARD, "fields": [{"name": "code", "type": "STRING"}]}, "/fields/0/name: 'code'"),
        ({"fields": [{"name": "a", "type": "FLOAT"}]}, "/fields/0/type: One of STRING"),
        ({"fields": [{"name": "a", "type": "ENUM"}]}, "/fields/0/values: An ENUM has values"),
        ({"fields": [{"name": "a", "type": "STRING", "values": ["x"]}]}, "/fields/0/values: An ENUM"),
        ({"fields": [{**VALVE, "values": ["x" * 256]}]}, "/fields/0/values: At most 100 values"),
        ({"fields": [{"name": f"f{n}", "type": "LINK"} for n in range(101)]}, "/fields: A type has at most"),
        ({"name": 5}, "/name: "),
    ],
)
async def test_what_a_type_may_not_be(service, change, words):
    """400 with the place of each problem, and nothing is stored."""
    answer = await call(service, "POST", "/eventTypes", {**TYPE, **change})

    assert answer.status_code == 400
    assert words_of(answer)[0].startswith(words)
    assert (await call(service, "GET", "/eventTypes")).json()["page"]["totalElements"] == 2


async def test_a_family_has_an_end(service):
    """A type stands a few steps below the built-in one, as each step is read for an event."""
    parent = BASE_TYPE
    for number in range(9):
        parent = (await make_leak(service, name=f"T{number}", parentId=parent, fields=[]))["id"]

    answer = await call(service, "POST", "/eventTypes", {"name": "Last", "parentId": parent})

    assert words_of(answer)[0].startswith("/parentId: A type")


async def test_an_id_is_taken_once(service):
    """409 for a second type with the id; another tenant has its own."""
    await make_leak(service)

    again = await call(service, "POST", "/eventTypes", TYPE)
    theirs = await call(service, "POST", "/eventTypes", TYPE, who=service.other)

    assert (again.status_code, theirs.status_code) == (409, 201)
    assert theirs.json()["id"] == "other.Leak"
    assert (await call(service, "GET", "/eventTypes/acme.Leak", who=service.other)).status_code == 404


async def test_types_are_listed(service):
    """Built-in ones and own, filtered and sorted as every list."""
    await make_leak(service)
    path = '/eventTypes?sort=name,desc&filter={"name":{"contains":"a"}}'

    answer = await call(service, "GET", path)

    names = [each["name"] for each in answer.json()["_embedded"]["eventTypes"]]
    assert names == ["MindSphereStandardEvent", "Leak", "BaseEvent"]
    assert answer.json()["page"]["totalElements"] == 3


async def test_events_of_a_type(service):
    """Required fields must be there, texts become what the type says, other members are kept."""
    await make_leak(service)
    place = {"entityId": await root_of(service), "timestamp": "2025-12-31T08:00:00Z", "typeId": "acme.Leak"}

    lacking = await call(service, "POST", "/events", {**place, "litres": None})
    wrong = await call(service, "POST", "/events", {**place, "litres": 1, "valve": "west"})
    made = await create(service, typeId="acme.Leak", litres="1.5e1", valve="north", note="by hand")

    assert words_of(lacking) == ["/litres: The type requires it."]
    assert words_of(wrong) == ["/valve: ENUM is expected."]
    assert (made["litres"], made["valve"], made["note"]) == (15.0, "north", "by hand")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("STRING", "x", "x"), ("STRING", 1, None), ("LINK", "http://a", "http://a"), ("LINK", False, None),
        ("INTEGER", "5", 5), ("INTEGER", 5.0, 5), ("INTEGER", "5.5", None), ("INTEGER", "x", None),
        ("DOUBLE", "1e3", 1000.0), ("DOUBLE", 1, 1), ("DOUBLE", "NaN", None), ("DOUBLE", True, None),
        ("BOOLEAN", "TRUE", True), ("BOOLEAN", False, False), ("BOOLEAN", 0, None),
        ("TIMESTAMP", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000Z"), ("TIMESTAMP", 5, None),
        ("TIMESTAMP", "today", None), ("UUID", "0" * 8 + "-0000-4000-8000-" + "0" * 12, ...),
        ("UUID", "0", None),
    ],
)  # fmt: skip
async def test_values_of_each_type(service, kind, value, expected):
    """Numbers and booleans also as texts, which people fill into templates; nothing else is guessed."""
    await make_leak(service, name="Kind", fields=[{"name": "field", "type": kind}])
    place = {"entityId": await root_of(service), "timestamp": "2025-12-31T08:00:00Z", "typeId": "acme.Kind"}

    answer = await call(service, "POST", "/events", {**place, "field": value})

    if expected is None:
        assert words_of(answer) == [f"/field: {kind} is expected."]
    else:
        assert answer.json()["field"] == (value if expected is ... else expected)


async def test_fields_are_inherited(service):
    """An event of a type has the fields of the whole family."""
    await make_leak(service)
    await make_leak(service, name="Big", parentId="acme.Leak", fields=[{"name": "depth", "type": "INTEGER"}])
    place = {"entityId": await root_of(service), "timestamp": "2025-12-31T08:00:00Z", "typeId": "acme.Big"}

    answer = await call(service, "POST", "/events", {**place, "depth": "x"})

    assert sorted(words_of(answer)) == ["/depth: INTEGER is expected.", "/litres: The type requires it."]


async def test_what_a_type_holds_fast(service):
    """A field that is not updatable keeps its value; one that is, and unknown members, change."""
    await make_leak(service)
    made = await create(service, typeId="acme.Leak", litres=1, valve="north", note="a")
    path, headers = f"/events/{made['id']}", {"if-match": "0"}

    refused = await call(service, "PUT", path, {"litres": 2, "valve": "south"}, headers=headers)
    changed = await call(service, "PUT", path, {"litres": 2, "valve": "north", "note": "b"}, headers=headers)

    assert words_of(refused) == ["/valve: The type does not let it be changed."]
    assert (changed.json()["litres"], changed.json()["note"]) == (2, "b")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_type_changes_by_operations(service, method):
    """PUT and PATCH alike take operations, as the SDK sends them (wire 13, line 10)."""
    await make_leak(service)
    operations = [
        {"op": "add", "path": "/fields", "value": {"name": "depth", "type": "INTEGER"}},
        {"op": "add", "path": "/fields/-", "value": [{"name": "link", "type": "LINK"}]},
        {"op": "replace", "path": "/scope", "value": "GLOBAL"},
        {"op": "replace", "path": "/ttl", "value": 9},
        {"op": "replace", "path": "/fields/valve/values", "value": ["north", "south", "west"]},
        {"op": "replace", "path": "/fields/litres/required", "value": False},
    ]

    answer = await call(service, method, "/eventTypes/acme.Leak?", operations)

    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert (body["ttl"], body["scope"], body["etag"]) == (9, "GLOBAL", 1)
    assert [field["name"] for field in body["fields"]] == ["litres", "valve", "depth", "link"]
    assert body["fields"][1]["values"] == ["north", "south", "west"]
    assert body["fields"][0]["required"] is False
    assert (await call(service, "GET", "/eventTypes/acme.Leak")).json() == body


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "remove", "path": "/fields/litres"}, "/0/op: Fields are added"),
        ({"op": "add", "path": "/ttl", "value": 1}, "/0/op: Fields are added"),
        ({"op": "add", "path": "/fields", "value": 1}, "/0/value: A field is an object"),
        ({"op": "replace", "path": "/id", "value": "acme.X"}, "/0/path: There is nothing"),
        ({"op": "replace", "path": "/fields/litres/type", "value": "STRING"}, "/0/path: There is nothing"),
        ({"op": "replace", "path": "/fields/none/required", "value": True}, "/0/path: There is nothing"),
        ({"op": "replace", "path": "", "value": True}, "/0/path: There is nothing"),
        ({"op": "replace", "path": "/ttl", "value": "long"}, "A value has the wrong type"),
        ({"op": "replace", "path": "/ttl", "value": -1}, "/ttl: A number of days"),
        ({"op": "add", "path": "/fields", "value": {"name": "x"}}, "A value has the wrong type"),
        ({"op": "add", "path": "/fields", "value": LITRES}, "/fields/2/name: 'litres' is there"),
    ],
)
async def test_what_an_operation_may_not_do(service, operation, words):
    """Nothing of a request is done if a part of it cannot be."""
    made = await make_leak(service)
    more = {"op": "replace", "path": "/name", "value": "Other"}

    answer = await call(service, "PATCH", "/eventTypes/acme.Leak", [operation, more])

    assert answer.status_code == 400
    assert words_of(answer)[0].startswith(words)
    assert (await call(service, "GET", "/eventTypes/acme.Leak")).json() == made


async def test_changes_under_if_match(service):
    """The etag is held against the present version where it is sent: 412 for a stale one."""
    await make_leak(service)
    path, operations = "/eventTypes/acme.Leak", [{"op": "replace", "path": "/ttl", "value": 9}]

    first = await call(service, "PUT", path, operations, headers={"if-match": "0"})
    stale = await call(service, "PUT", path, operations, headers={"if-match": "0"})
    removed = await call(service, "DELETE", path, headers={"if-match": "0"})

    assert (first.status_code, stale.status_code, removed.status_code) == (200, 412, 412)


async def test_a_type_is_removed(service):
    """204, unless another descends from it; its events stay, can be read and changed."""
    await make_leak(service)
    await make_leak(service, name="Big", parentId="acme.Leak", fields=[])
    made = await create(service, typeId="acme.Leak", litres=1)

    used = await call(service, "DELETE", "/eventTypes/acme.Leak")
    answers = [await call(service, "DELETE", f"/eventTypes/acme.{name}") for name in ("Big", "Leak", "Leak")]
    changed = await call(service, "PUT", f"/events/{made['id']}", {"litres": 2}, headers={"if-match": "0"})

    assert (used.status_code, words_of(used)) == (400, ["It is the parent of acme.Big."])
    assert [answer.status_code for answer in answers] == [204, 204, 404]
    assert answers[0].content == b""
    assert changed.json()["litres"] == 2
    assert [event["typeId"] for event in (await listed(service))[0]] == ["acme.Leak"]


@pytest.mark.parametrize("type_id", [STANDARD, BASE_TYPE])
async def test_built_in_types_stay(service, type_id):
    """They are everybody's: nobody changes or removes them."""
    operations = [{"op": "replace", "path": "/ttl", "value": 9}]

    changed = await call(service, "PUT", f"/eventTypes/{type_id}", operations)
    removed = await call(service, "DELETE", f"/eventTypes/{type_id}")

    assert (changed.status_code, removed.status_code) == (400, 400)


async def test_another_tenants_type_is_unknown(service):
    """Its id answers as one that never was, to every method (S1)."""
    await make_leak(service)
    operations = [{"op": "replace", "path": "/ttl", "value": 9}]

    answers = [
        await call(service, method, f"/eventTypes/{type_id}", body, who=service.other)
        for method, body in (("GET", None), ("PUT", operations), ("PATCH", operations), ("DELETE", None))
        for type_id in ("acme.Leak", "acme.Never", "other.Never")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert {tuple(words_of(answer)) for answer in answers} == {("There is no such event type.",)}
