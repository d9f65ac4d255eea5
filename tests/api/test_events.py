"""Events as the Node SDK and its CLI use them (wire 9, 0.5 to 0.7)."""

import re

import pytest

from storage.event_port import EventRow
from tests.api.doors import NOW_MS
from tests.api.events import BASE, STANDARD, call, codes_of, create, listed, root_of, words_of

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def row(entity, age_ms):
    """Make a stored event of the tenant `acme`."""
    event_id = f"{age_ms:08}{UNKNOWN[8:]}"
    return EventRow("acme", entity, NOW_MS - age_ms, event_id, STANDARD, 0, b'["",{}]')


async def test_billboard(service):
    """`GET /` with the slash, as the SDK calls it, names the collections."""
    answer = await call(service, "GET", "/")

    base = "http://door" + BASE
    assert answer.json() == {
        "self": {"href": f"{base}/"},
        "events": {"href": f"{base}/events"},
        "eventTypes": {"href": f"{base}/eventTypes"},
        "createEventsJobs": {"href": f"{base}/createEventsJobs"},
        "deleteEventsJobs": {"href": f"{base}/deleteEventsJobs"},
    }
    assert answer.headers["content-type"] == "application/hal+json"


async def test_a_created_event_byte_for_byte(service):
    """201 with the input and id, type, correlation id, etag, sharing and its link; three digits and Z."""
    root = await root_of(service)
    body = {
        "entityId": root,
        "timestamp": "2025-12-31T09:30:00+01:00",
        "severity": 20,
        "correlationId": "c-1",
    }

    answer = await call(service, "POST", "/events?", body)

    link = answer.headers["location"]
    event_id = link.rpartition("/")[2]
    assert answer.status_code == 201
    assert UUID.fullmatch(event_id)
    assert link == f"http://door{BASE}/events/{event_id}"
    assert answer.text == (
        f'{{"id":"{event_id}","typeId":"{STANDARD}","correlationId":"c-1",'
        f'"timestamp":"2025-12-31T08:30:00.000Z","entityId":"{root}","severity":20,"etag":0,'
        f'"sharing":{{"modes":[]}},"_links":{{"self":{{"href":"{link}"}}}}}}'
    )
    assert answer.headers["etag"] == '"0"'
    assert answer.headers["content-type"] == "application/hal+json"
    assert (await call(service, "GET", f"/events/{event_id}")).content == answer.content


async def test_an_event_of_the_node_agent(service):
    """The agent adds sourceType, sourceId and source to the standard event: unknown members are kept."""
    made = await create(
        service,
        sourceType="Agent",
        sourceId="a1",
        source="Meowz",
        severity="30",
        acknowledged="false",
        x=None,
    )

    assert UUID.fullmatch(made["correlationId"])
    assert {"sourceType": "Agent", "sourceId": "a1", "source": "Meowz", "x": None}.items() <= made.items()
    assert made["severity"] == 30
    assert made["acknowledged"] is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entityId": None}, "/entityId: An event has a text as entityId."),
        ({"entityId": "A" * 32}, "/entityId: An asset id is expected: 32 lowercase hexadecimal digits."),
        ({"entityId": "a" * 32}, "/entityId: There is no such asset."),
        ({"timestamp": None}, "/timestamp: An event has a text as timestamp."),
        ({"timestamp": "yesterday"}, "/timestamp: 'yesterday' is not a time"),
        ({"timestamp": "1969-12-31T23:59:59Z"}, "/timestamp: Events are kept from 1970 on."),
        ({"typeId": "acme.None"}, "/typeId: There is no such event type."),
        ({"typeId": 5}, "/typeId: The id of an event type is expected."),
        ({"correlationId": 5}, "/correlationId: A text of at most 255 characters is expected."),
        ({"severity": "high"}, "/severity: INTEGER is expected."),
        ({"severity": 20.5}, "/severity: INTEGER is expected."),
        ({"severity": True}, "/severity: INTEGER is expected."),
        ({"acknowledged": "perhaps"}, "/acknowledged: BOOLEAN is expected."),
        ({"description": ["a"]}, "/description: STRING is expected."),
        ({"big": 2**63}, "/big: An integer beyond 64 bits; send it as a text."),
        ({"text": "x" * 70_000}, "An event has at most 65536 bytes."),
        ({"n" * 129: 1}, "The name of a member has 1 to 128 characters."),
        ({f"m{number}": 1 for number in range(201)}, "An event has at most 200 members."),
    ],
)
async def test_what_an_event_may_not_be(service, change, words):
    """400 with an array of logref and message, which begins with the place (wire 0.7)."""
    body = {"entityId": await root_of(service), "timestamp": "2025-12-31T08:00:00Z", **change}

    answer = await call(service, "POST", "/events", body)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/vnd.error+json"
    assert [set(each) for each in answer.json()] == [{"logref", "message"}]
    assert answer.json()[0]["logref"] == answer.headers["x-request-id"]
    assert words_of(answer)[0].startswith(words)
    assert await codes_of(service) == []


async def test_nesting_has_an_end(service):
    """Objects and arrays within one another are kept up to a depth."""
    deep, deeper = 1, 1
    for number in range(17):
        deeper = [deeper]
        deep = [deep] if number < 16 else deep
    kept = await create(service, deep=deep)

    refused = await call(
        service,
        "POST",
        "/events",
        {"entityId": kept["entityId"], "timestamp": kept["timestamp"], "deep": deeper},
    )

    assert kept["deep"] == deep
    assert words_of(refused) == ["/deep: More than 16 objects and arrays within one another."]


async def test_every_problem_is_named(service):
    """One answer lists all that must be mended."""
    answer = await call(service, "POST", "/events", {"severity": "x", "typeId": STANDARD})

    assert [words.partition(":")[0] for words in words_of(answer)] == ["/entityId", "/timestamp", "/severity"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/events", b'{"a":1,"a":2}', 400, 'The member "a" stands twice.'),
        ("POST", "/events", b"[1]", 400, None),
        ("POST", "/events", b"", 400, "A body is required."),
        ("GET", f"/events/{UNKNOWN}", None, 404, "There is no such event."),
        ("GET", "/events/x", None, 404, "There is no such event."),
        ("GET", "/nothing", None, 404, "There is nothing at this path."),
        ("PATCH", "/events", b"{}", 405, "The path does not know this method; Allow lists those it knows."),
    ],
)
async def test_refusals_are_arrays(service, method, path, body, status, words):
    """Whoever refuses, the framework or we, a stranger's request or a wrong body: one shape (wire 0.7)."""
    answer = await call(service, method, path, body)
    stranger = await call(service, method, path, body, headers={"authorization": "Bearer x"})

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/vnd.error+json"
    assert [list(each) for each in answer.json()] == [["logref", "message"]]
    assert words is None or words_of(answer) == [words]
    assert isinstance(stranger.json(), list)


async def test_conditional_reads(service):
    """304 for the version that the client has, 200 for another (wire 9)."""
    path = f"/events/{(await create(service))['id']}"

    assert (await call(service, "GET", path, headers={"if-none-match": '"0"'})).status_code == 304
    assert (await call(service, "GET", path, headers={"if-none-match": '"1"'})).status_code == 200


@pytest.mark.parametrize("match", ["0", '"0"', 'W/"0"'])
async def test_put_replaces_members(service, match):
    """200 and the next etag; what is left out is gone, but place, time, type and correlation stay."""
    made = await create(service, code="a", severity=20)

    answer = await call(
        service, "PUT", f"/events/{made['id']}", {"code": "b", "etag": 7}, headers={"if-match": match}
    )

    expected = {**made, "code": "b", "etag": 1}
    del expected["severity"]
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == expected
    assert (await call(service, "GET", f"/events/{made['id']}")).json() == expected


async def test_put_of_what_was_read(service):
    """A client may send the whole resource back, with the members that the service added."""
    made = await create(service, code="a")

    answer = await call(
        service, "PUT", f"/events/{made['id']}", {**made, "code": "b"}, headers={"if-match": "0"}
    )

    assert answer.json() == {**made, "code": "b", "etag": 1}


async def test_put_needs_the_present_version(service):
    """400 without If-Match, 412 with a stale or a senseless one, 404 for an event that is none (wire 0.5)."""
    made = await create(service, code="a")
    path = f"/events/{made['id']}"

    assert (await call(service, "PUT", path, {})).status_code == 400
    assert (await call(service, "PUT", path, {}, headers={"if-match": "1"})).status_code == 412
    assert (await call(service, "PUT", path, {}, headers={"if-match": "x"})).status_code == 412
    unknown = await call(service, "PUT", f"/events/{UNKNOWN}", {}, headers={"if-match": "0"})
    assert unknown.status_code == 404
    assert (await call(service, "GET", path)).json() == made


async def test_an_event_never_moves(service):
    """Entity, time and type cannot be changed; sent unchanged, in any spelling, they are welcome."""
    made = await create(service)
    path, headers = f"/events/{made['id']}", {"if-match": "0"}
    for member, value in (
        ("entityId", "a" * 32),
        ("timestamp", "2025-12-31T08:00:00.001Z"),
        ("typeId", STANDARD.replace("MindSphereStandardEvent", "BaseEvent")),
    ):
        answer = await call(service, "PUT", path, {member: value}, headers=headers)

        words = "It stays as it was created; leave it out, or create another event."
        assert words_of(answer) == [f"/{member}: {words}"]
    same = {"timestamp": "2025-12-31T09:00:00+01:00", "typeId": STANDARD}
    assert (await call(service, "PUT", path, same, headers=headers)).status_code == 200


async def test_another_tenant_sees_nothing(service):
    """An event of another tenant answers as one that never was, to reads, writes and lists."""
    made = await create(service, code="mine")
    path = f"/events/{made['id']}"

    theirs = await call(service, "GET", path, who=service.other)
    never = await call(service, "GET", f"/events/{UNKNOWN}", who=service.other)
    written = await call(service, "PUT", path, {}, headers={"if-match": "0"}, who=service.other)
    placed = await call(
        service, "POST", "/events", {k: made[k] for k in ("entityId", "timestamp")}, who=service.other
    )
    events, _ = await listed(service, {"id": made["id"]}, who=service.other)

    assert (theirs.status_code, written.status_code, placed.status_code) == (404, 404, 400)
    assert words_of(theirs) == words_of(never) == words_of(written)
    assert words_of(placed) == ["/entityId: There is no such asset."]
    assert events == []


# -- lists -----------------------------------------------------------------------------------------


async def test_an_empty_list_byte_for_byte(service):
    """`_embedded` is there, with nothing in it; one page beyond the end is a page (wire 0.6)."""
    _, answer = await listed(service)
    _, beyond = await listed(service, page=1, sort="timestamp,desc")

    link = f"http://door{BASE}/events?page=0&size=20&sort=timestamp,desc"
    assert answer.text == (
        f'{{"_embedded":{{"events":[]}},"_links":{{"first":{{"href":"{link}"}},"self":{{"href":"{link}"}},'
        f'"last":{{"href":"{link}"}}}},"page":{{"size":20,"totalElements":0,"totalPages":0,"number":0}}}}'
    )
    assert beyond.json()["_embedded"] == {"events": []}


async def test_the_newest_comes_first(service):
    """The default order is timestamp,desc; the other way round, and a direction alone, are understood."""
    for at in ("08:00:00Z", "10:00:00Z", "09:00:00Z"):
        await create(service, at, code=at[:2])

    assert await codes_of(service) == ["10", "09", "08"]
    assert await codes_of(service, sort="timestamp,asc") == ["08", "09", "10"]
    assert await codes_of(service, sort="timestamp") == ["08", "09", "10"]
    assert await codes_of(service, sort="ASC") == ["08", "09", "10"]
    assert await codes_of(service, sort="DESC") == ["10", "09", "08"]
    assert await codes_of(service, sort="code,desc") == ["10", "09", "08"]


async def test_any_member_sorts(service):
    """Numbers come before texts, and those before what an event does not have."""
    for code, severity in (("a", 40), ("b", 20), ("c", 30)):
        await create(service, code=code, severity=severity)
    await create(service, code="d", severity=20)
    await create(service, code="e")

    assert await codes_of(service, sort="severity,code,asc") == ["b", "d", "c", "a", "e"]
    assert await codes_of(service, sort="severity,code,desc") == ["e", "a", "c", "d", "b"]


async def test_pages(service):
    """Page by page each event comes once; the links say where the others are (wire 0.6)."""
    for number in range(5):
        await create(service, f"08:00:0{number}Z", code=str(number))

    found = [await codes_of(service, page=page, size=2) for page in range(4)]
    _, middle = await listed(service, page=1, size=2)

    assert found == [["4", "3"], ["2", "1"], ["0"], []]
    assert middle.json()["page"] == {"size": 2, "totalElements": 5, "totalPages": 3, "number": 1}
    links = {name: link["href"] for name, link in middle.json()["_links"].items()}
    assert {name: re.search(r"page=(\d+)", href)[1] for name, href in links.items()} == {
        "first": "0", "prev": "0", "self": "1", "next": "2", "last": "2",
    }  # fmt: skip
    following = (await call(service, "GET", links["next"].partition(BASE)[2])).json()
    assert [event["code"] for event in following["_embedded"]["events"]] == ["0"]


async def test_sizes(service):
    """Twenty if nothing is said, a hundred at most, and 0 is a size (wire 0.6, 9)."""
    root = await root_of(service)
    for number in range(120):
        row = EventRow(
            "acme", root, NOW_MS - 1 - number, f"{number:08}{UNKNOWN[8:]}", STANDARD, 0, b'["",{}]'
        )
        await service.door.services.ports.events.create(row)

    assert len(await codes_of(service)) == 20
    assert len(await codes_of(service, size=2_000)) == 100
    assert (await listed(service, size=2_000))[1].json()["page"]["size"] == 100
    assert await codes_of(service, size=0) == []


async def test_a_list_looks_back_seven_days(service):
    """Without a time in the filter only the last week, and what is to come; with one, all there is."""
    await create(service, "2025-12-25T00:00:00.000Z", code="edge")
    await create(service, "2025-12-24T23:59:59.999Z", code="old")
    await create(service, "2026-01-02T00:00:00Z", code="future")
    root = await root_of(service)

    assert await codes_of(service) == ["future", "edge"]
    assert await codes_of(service, {"entityId": root}) == ["future", "edge"]
    assert await codes_of(service, {"timestamp": {"before": "2025-12-25T00:00:00Z"}}) == ["old"]
    assert await codes_of(service, {"timestamp": {"after": "1970-01-01T00:00:00Z"}}) == [
        "future", "edge", "old",
    ]  # fmt: skip


async def test_history_lists_earlier_versions(service):
    """Each event before what it was, newest version first; pages count every version."""
    first = await create(service, "08:00:00Z", code="a0")
    await create(service, "09:00:00Z", code="b0")
    for number in range(3):
        body, match = {"code": f"a{number + 1}"}, {"if-match": str(number)}
        await call(service, "PUT", f"/events/{first['id']}", body, headers=match)

    events, answer = await listed(service, history="true")

    assert [(event["code"], event["etag"]) for event in events] == [
        ("b0", 0), ("a3", 3), ("a2", 2), ("a1", 1), ("a0", 0),
    ]  # fmt: skip
    assert answer.json()["page"]["totalElements"] == 5
    assert "?history=true&page=0" in answer.json()["_links"]["self"]["href"]
    assert await codes_of(service) == ["b0", "a3"]
    assert await codes_of(service, history="true", page=1, size=2) == ["a2", "a1"]


async def test_a_list_has_an_etag(service):
    """The hash of its content: 304 while nothing changes."""
    await create(service)
    _, answer = await listed(service)
    headers = {"if-none-match": answer.headers["etag"]}

    assert (await call(service, "GET", "/events", headers=headers)).status_code == 304
    await create(service)
    assert (await call(service, "GET", "/events", headers=headers)).status_code == 200


async def test_a_list_reads_the_newest_ten_thousand(service):
    """A list over more events says that it is not over all of them; a narrower one is complete."""
    store, root = service.door.services.ports.events, await root_of(service)
    for number in range(10_001):
        await store.create(row(root, number))

    _, answer = await listed(service)
    _, narrow = await listed(service, {"timestamp": {"after": "2025-12-31T23:59:59Z"}})

    assert answer.headers["events-read"] == "10000"
    assert answer.json()["page"]["totalElements"] == 10_000
    assert "events-read" not in narrow.headers
    assert narrow.json()["page"]["totalElements"] == 1_000
