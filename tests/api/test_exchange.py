"""Messages of agents: stored where mappings say, merged by time, durable at the answer (wire 6.3, MS-86)."""

from __future__ import annotations

import json

import pytest

from schemas.errors import StoreUnavailable, StreamUnavailable
from schemas.limits import EXCHANGE_BODY_BYTES_MAX, MULTIPART_PARTS_MAX
from tests.api.devices import EXCHANGE, INGEST, Device, configured_device
from tests.api.masts import MAST, SECOND, at
from tests.api.stations import GATEWAY, configuration
from tests.schemas.device_messages import NODE_TYPE, c_message, meta, node_message, sampling, series

EVENTS = "/api/eventmanagement/v3/events"
FILES = "/api/iotfile/v3/files"
EVERY_TYPE = {
    "dp-t": ("DOUBLE", ""), "dp-n": ("LONG", ""), "dp-l": ("INT", ""), "dp-r": ("BOOLEAN", ""),
    "dp-s": ("STRING", ""), "dp-b": ("BIG_STRING", ""), "dp-d": ("TIMESTAMP", ""), "dp-x": ("DOUBLE", ""),
}  # fmt: skip
VARIABLES = {
    "dp-t": "temperature", "dp-n": "count", "dp-l": "level", "dp-r": "running", "dp-s": "label",
    "dp-b": "note", "dp-d": "since",
}  # fmt: skip


@pytest.fixture
async def device(site):
    """A configured agent of the open tenant; every data point but `dp-x` has a mapping."""
    found = await configured_device(site, EVERY_TYPE)
    for point, variable in VARIABLES.items():
        await found.station.mapped(point, variable)
    return found


async def reason_of(device):
    """Give why the only record of the quarantine was refused."""
    (record,) = await device.quarantined()
    return record["dropReason"]


# -- storing ---------------------------------------------------------------------------------------


async def test_every_value_is_a_text_of_the_variables_type(device):
    """Values and codes are texts; a code is kept where the variable has one (wire 6.3)."""
    await device.sent(
        sampling(
            at(-1), dp_t=("1.5", "64"), dp_n=("9007199254740993", "0"), dp_l="-7", dp_r="true", dp_s="ü",
            dp_b="long", dp_d="2026-01-01T00:00:00.000Z",
        )
    )  # fmt: skip

    assert await device.rows() == [
        {
            "_time": at(-1), "temperature": 1.5, "temperature_qc": "64", "count": 9007199254740993,
            "count_qc": "0", "level": -7, "running": True, "label": "ü", "note": "long",
            "since": "2026-01-01T00:00:00.000Z",
        }
    ]  # fmt: skip
    assert await device.quarantined() == []


async def test_values_of_one_time_become_one_record(device):
    """Samplings of the same time merge, in one message and over several; other variables stay (wire 6.3)."""
    await device.sent(sampling(at(-2), dp_t="1"), sampling(at(-1), dp_t="2"), sampling(at(-2), dp_l="3"))
    await device.sent(sampling(at(-1), dp_l="4"), sampling(at(-2), dp_t="5"))

    assert await device.rows() == [
        {"_time": at(-2), "temperature": 5.0, "temperature_qc": "0", "level": 3},
        {"_time": at(-1), "temperature": 2.0, "temperature_qc": "0", "level": 4},
    ]


async def test_a_message_merges_into_what_was_written_otherwise(device):
    """The records of a device replace no record that a PUT wrote (design 3.2)."""
    await device.mast.wrote([{"_time": at(-1), "pressure": 7.0, "level": 1}])

    await device.sent(sampling(at(-1), dp_l="2"))

    assert await device.rows() == [{"_time": at(-1), "pressure": 7.0, "level": 2}]


async def test_one_data_point_feeds_many_series(device):
    """Fan-out: a value goes to each of its variables, whatever assets they belong to (MS-85)."""
    await device.station.mapped("dp-t", "temperature", asset=SECOND)
    await device.station.mapped("dp-t", "FRWheel", aspect="tyres")

    await device.sent(sampling(at(-1), dp_t="1.5"))

    assert [row["temperature"] for row in await device.rows() + await device.rows(asset=SECOND)] == [1.5] * 2
    assert await device.rows("tyres") == [{"_time": at(-1), "FRWheel": 1.5}]


async def test_two_agents_feed_one_aspect(device):
    """What several agents send at one time is one record (MS-85)."""
    gateway = Device(device.site, agent=GATEWAY)
    await gateway.station.configured(0, {"g-p": ("DOUBLE", "")}, agent=GATEWAY)
    await gateway.station.mapped("g-p", "pressure", agent=GATEWAY)

    await device.sent(sampling(at(-1), dp_l="1"))
    await gateway.sent(sampling(at(-1), g_p="2"))

    assert await device.rows() == [{"_time": at(-1), "pressure": 2.0, "level": 1}]


async def test_an_empty_text_is_no_value(device):
    """As in a record that is written directly, it is neither stored nor refused (MS-28)."""
    await device.sent(sampling(at(-1), dp_t="", dp_l="1", dp_s=""))

    assert (await device.rows(), await device.quarantined()) == ([{"_time": at(-1), "level": 1}], [])


async def test_ingest_does_the_same_with_json(device):
    """The body has the samplings alone; the sender stands in the query (wire 6.4)."""
    body = json.dumps({"timeseries": [sampling(at(-1), dp_l="1")]}).encode()

    own = await device.send(body, "application/json", f"{INGEST}?senderId={device.agent}")
    for_it = await device.mast.send("POST", INGEST, body, {"senderId": GATEWAY})
    foreign = await device.send(body, "application/json", f"{INGEST}?senderId={GATEWAY}")
    unknown = await device.mast.send("POST", INGEST, body, {"senderId": "f" * 32})

    assert [answer.status_code for answer in (own, for_it, foreign, unknown)] == [200, 200, 403, 404]
    assert await device.rows() == [{"_time": at(-1), "level": 1}]
    (record,) = await device.quarantined()  # The gateway has no mapping.
    assert record["agentId"] == GATEWAY


async def test_a_member_that_stands_twice_is_not_chosen(device):
    """Two values for one are kept with the place; two lots of time series are 400 (design 8.10)."""
    twice = json.dumps([sampling(at(-1), dp_l="1")]).replace('"value": "1"', '"value": "1", "value": "2"')
    body, media = c_message((meta(configurationId="CF"), "application/json", twice.encode()))
    series = json.dumps([sampling(at(-1), dp_l="1")])
    both = f'{{"timeseries":{series},"timeseries":[]}}'.encode()

    kept = await device.send(body, media)
    refused = await device.send(both, "application/json", f"{INGEST}?senderId={device.agent}")

    assert (kept.status_code, refused.status_code) == (200, 400)
    assert "twice, at /0/values/0/value" in await reason_of(device)
    assert await device.rows() == []


async def test_a_stolen_message_stores_nothing(device):
    """Sent by nobody, by another agent, by another tenant's agent of that id: no record changes (MS-87)."""
    message = node_message([sampling(at(-1), dp_l="1")])
    foreign = Device(device.site, device.site.other)
    gateway = Device(device.site, agent=GATEWAY)
    nobody = Device(device.site)
    nobody.headers = {}

    statuses = [(await thief.send(message)).status_code for thief in (nobody, foreign, gateway)]
    await device.sent(sampling(at(-1), dp_l="1"))
    before = await device.rows()
    await device.sent(sampling(at(-1), dp_l="1"))

    assert statuses == [401, 200, 200]
    assert before == await device.rows() == [{"_time": at(-1), "level": 1}]
    assert {each["agentId"] for each in await device.quarantined()} == {GATEWAY}
    assert await device.site.other.of(MAST, "weather").rows() == []


# -- other payloads --------------------------------------------------------------------------------


async def test_tuples_of_every_type_in_one_message(device):
    """An event, a file, time series and a word of its own in one message of the C library (wire 6.3)."""
    event = {
        "id": "1", "timestamp": at(-1), "severity": "20", "type": "Door", "description": "open",
        "details": {"n": 1},
    }  # fmt: skip
    body, media = c_message(
        series([sampling(at(-1), dp_l="1")]),
        (meta("businessEvent"), "application/json;charset=utf-8", [event]),
        (
            meta("file", fileName="logs/a.bin", creationDate=at(-1), fileType="text/x-log"),
            "application/octet-stream",
            b"\x00\r\n--x\n",
        ),
        (meta("acme.custom"), "text/plain", b"words"),
    )

    answers = [await device.send(body, media) for _ in range(2)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(200, b"")] * 2
    assert await device.rows() == [{"_time": at(-1), "level": 1}]
    listed = await device.mast.send("GET", EVENTS)
    (found,) = listed.json()["_embedded"]["events"]
    assert (found["entityId"], found["severity"], found["code"]) == (device.agent, 20, "Door")
    assert (found["description"], found["details"]) == ("open", {"n": 1})
    file = await device.mast.send("GET", f"{FILES}/{device.agent}/logs/a.bin")
    assert (file.content, file.headers["content-type"]) == (b"\x00\r\n--x\n", "text/x-log")
    assert "acme.custom" in await reason_of(device)


async def test_a_configuration_in_a_message_holds_for_its_time_series(device):
    """It is stored first; sent again, it ends no mapping that was made for it (wire 6.3)."""
    points = {"dp-l": ("INT", "")}
    described = meta("dataSourceConfiguration"), "application/json", configuration(points, "CF-2")
    body, media = c_message(series([sampling(at(-1), dp_l="1")], "CF-2"), described)

    await device.send(body, media)
    first = await reason_of(device)
    await device.station.mapped("dp-l", "level")
    again = await device.send(body, media)

    assert "Data point with no mapping count is <1>, including <[dp-l]>" in first
    assert (again.status_code, await device.rows()) == (200, [{"_time": at(-1), "level": 1}])


@pytest.mark.parametrize(
    ("described", "payload", "words"),
    [
        (meta("businessEvent"), b"{}", "the payload has no events"),
        (meta("businessEvent"), b'[{"severity":1}]', "timestamp"),
        (meta("file"), b"x", "fileName"),
        (meta("file", fileName="../x"), b"x", "A path has no empty part"),
        (meta("businessEvent"), b'[{"type":"a","type":"b"}]', "stands twice"),
        (meta("businessEvent"), b'[{"type":"\\u0000"}]', "holds NUL"),
        (meta("dataSourceConfiguration"), b"[]", "the payload is no configuration"),
        (meta("dataSourceConfiguration"), b'{"configurationId":"\\ud800"}', "half of a surrogate"),
        (meta("dataSourceConfiguration"), b"", "the payload is no configuration"),
        (meta("dataSourceConfiguration"), b'{"configurationId":"","dataSources":[]}', "1 to 36 characters"),
        (meta(configurationId="CF"), b"[", "the payload is not JSON"),
        (meta(configurationId="CF"), b'{"timestamp":1}', "the payload has no samplings"),
        (meta(configurationId=7), b"[]", "configurationId"),
    ],
)
async def test_what_is_wrong_inside_a_payload_is_kept_with_its_reason(device, described, payload, words):
    """The message was understood: 200, and the payload waits in the quarantine (wire 6.3)."""
    body, media = c_message((described, "application/json", payload))

    answer = await device.send(body, media)

    assert (answer.status_code, answer.content) == (200, b"")
    reason = await reason_of(device)
    assert reason.startswith("<[Dropped] ")
    assert words in reason


# -- refusing values -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "issue"),
    [
        ({"dp_x": "1"}, "Data point with no mapping count is <1>, including <[dp-x]>"),
        ({"nowhere": "1"}, "Data point with no mapping count is <1>, including <[nowhere]>"),
        ({"dp_t": "warm"}, "Value that is not of the property's type count is <1>, including <[dp-t]>"),
        ({"dp_t": "1,5"}, "Value that is not of the property's type count is <1>, including <[dp-t]>"),
        ({"dp_t": "1e999"}, "Value that is not of the property's type count is <1>, including <[dp-t]>"),
        ({"dp_n": "1.5"}, "Value that is not of the property's type count is <1>, including <[dp-n]>"),
        ({"dp_r": "TRUE"}, "Value that is not of the property's type count is <1>, including <[dp-r]>"),
        ({"dp_s": "x" * 256}, "Value that is not of the property's type count is <1>, including <[dp-s]>"),
        ({"dp_d": "now"}, "Value that is not of the property's type count is <1>, including <[dp-d]>"),
        ({"dp_t": ("1", "-1")}, "Quality code that is none count is <1>, including <[dp-t]>"),
    ],
)
async def test_one_bad_value_does_no_harm_to_the_others(device, bad, issue):
    """Valid values of the same message are stored, the bad one is kept with its reason (wire 6.5)."""
    await device.sent(sampling(at(-1), dp_l="1", **bad))

    assert await device.rows() == [{"_time": at(-1), "level": 1}]
    assert await reason_of(device) == (
        "<[Dropped] TimeSeries Data is dropped. Validation failed for reason <Pre-processing of <2> data "
        f"points ended with <1> valid and <1> dropped data points. Following issues found: {issue}.>>"
    )


@pytest.mark.parametrize(
    ("time", "issue"),
    [
        ("yesterday", "Timestamp that is no time"),
        (at(0, hours=24 * 31 + 1), "Timestamp outside the time that is taken"),
        ("1969-12-31T23:59:59.999Z", "Timestamp outside the time that is taken"),
    ],
)
async def test_samplings_out_of_time_are_kept(device, time, issue):
    """A time beyond the policy, or none at all, refuses what was measured then and nothing else (MS-27)."""
    await device.sent(sampling(time, dp_l="1"), sampling(at(-1), dp_l="2"))

    assert await device.rows() == [{"_time": at(-1), "level": 2}]
    assert f"{issue} count is <1>, including <[dp-l]>" in await reason_of(device)


async def test_another_configuration_than_the_agents_refuses_all(device):
    """ConfigurationId must be the present one; the message is taken and kept all the same (wire 6.3)."""
    await device.sent(sampling(at(-1), dp_l="1"), configuration="CF-old")

    assert await device.rows() == []
    assert "configurationId 'CF-old' is not that of the agent's configuration" in await reason_of(device)


async def test_by_an_invalid_mapping_nothing_goes(device):
    """A differing unit makes a mapping invalid: its values are kept (MS-85)."""
    await device.station.configured(1, {"dp-p": ("DOUBLE", "bar")}, name="CF-2")
    await device.station.mapped("dp-p", "pressure")

    await device.sent(sampling(at(-1), dp_p="1"), configuration="CF-2")

    assert await device.rows() == []
    issue = "Data point with an invalid mapping count is <1>, including <[dp-p]>"
    assert issue in await reason_of(device)


# -- refusing messages -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (b"", NODE_TYPE),
        (b"no parts", NODE_TYPE),
        (node_message([])[:-3], NODE_TYPE),
        (node_message([]), "multipart/mixed"),
        (node_message([]).replace(b"multipart/related", b"multipart/mixed"), NODE_TYPE),
        (node_message([]).replace(b";boundary=mindspherepart", b""), NODE_TYPE),
        (node_message([]).replace(b'"type":"standardTimeSeries"', b'"kind":1'), NODE_TYPE),
        (node_message([]).replace(b'"details":{', b'"details":["'), NODE_TYPE),
        (b"--mindspheremessage--\n", NODE_TYPE),
    ],
)
async def test_a_message_that_is_none_is_refused(device, body, media):
    """400 in the shape of the service, and nothing is kept (wire 6.3, 0.7)."""
    answer = await device.send(body, media)

    assert (answer.status_code, set(answer.json())) == (400, {"id", "message"})
    assert await device.quarantined() == []


async def test_sizes_of_a_message(device):
    """More than 10 MB is 413, and so are more tuples than are read; other media types are 415 (S7)."""
    too_long = await device.send(b"x" * (EXCHANGE_BODY_BYTES_MAX + 1))
    parts = b"--mindspheremessage\nA:b\n\n\n" * (MULTIPART_PARTS_MAX + 2) + b"--mindspheremessage--\n"
    too_many = await device.send(parts)
    other = await device.send(b"{}", "text/plain")

    assert [answer.status_code for answer in (too_long, too_many, other)] == [413, 413, 415]


async def test_only_agents_exchange(device):
    """A user's token names no agent, so there is nobody whose message it would be (wire 6.3)."""
    answer = await device.mast.send("POST", EXCHANGE, node_message([]), content_type=NODE_TYPE)

    assert answer.status_code == 403


# -- durability ------------------------------------------------------------------------------------


async def test_a_stream_that_fails_refuses_the_message(device, monkeypatch):
    """503 while values cannot be made durable, nothing is kept; sent again they are stored once (MS-86)."""
    append = device.site.stream.append

    async def down(_):
        raise StreamUnavailable("down")

    message = node_message([sampling(at(-1), dp_l="1", dp_x="2")])
    monkeypatch.setattr(device.site.stream, "append", down)
    failed = await device.send(message)
    monkeypatch.setattr(device.site.stream, "append", append)

    assert (failed.status_code, await device.quarantined()) == (503, [])
    assert (await device.send(message)).status_code == 200
    assert await device.rows() == [{"_time": at(-1), "level": 1}]
    assert len(await device.quarantined()) == 1


@pytest.mark.parametrize(("port", "method"), [("files", "write"), ("catalog", "create")])
async def test_a_quarantine_that_fails_refuses_the_message(device, monkeypatch, port, method):
    """503 between stream and quarantine; a repeat merges what was stored and keeps the rest once."""
    ports = device.site.door.services.ports
    target = getattr(ports, port)
    working = getattr(target, method)

    async def down(*_):
        raise StoreUnavailable("down")

    message = node_message([sampling(at(-1), dp_l="1", dp_x="2")])
    monkeypatch.setattr(target, method, down)
    failed = await device.send(message)
    monkeypatch.setattr(target, method, working)
    again = [(await device.send(message)).status_code for _ in range(2)]

    assert (failed.status_code, again) == (503, [200, 200])
    assert await device.rows() == [{"_time": at(-1), "level": 1}]
    assert len(await device.quarantined()) == 1


async def test_tenants_are_apart(device):
    """The same agent id in another tenant has mappings, series and a quarantine of its own (design 7)."""
    foreign = Device(device.site, device.site.other)

    await foreign.sent(sampling(at(-1), dp_l="1"))

    assert (await device.rows(), await device.quarantined()) == ([], [])
    assert (await foreign.rows(), len(await foreign.quarantined())) == ([], 1)


async def test_limits_hold_for_messages(site):
    """Under `strict` a series takes a megabyte at once; a message may have more and is taken when it may."""
    device = await configured_device(site)
    strict = Device(site, site.strict)
    await strict.station.configured(0)
    await strict.station.mapped("dp-t", "temperature")
    message = node_message([sampling(at(-n), dp_t="1." + "0" * 900) for n in range(700)])

    first = await strict.send(message)
    second = await strict.send(message)
    site.clock.advance(11_000)

    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["retry-after"]) >= 1
    assert (await strict.send(message)).status_code == 200
    assert device.mast.tenant == "acme"
