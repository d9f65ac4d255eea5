"""The dialect's message broker: subscribers of topics and messages on them (wire 11)."""

import json

import pytest

from api.routes.message_broker import BASE
from api.routes.subscriptions import PATH
from schemas.subscriptions import NEW_DATA, topic_id
from streams.notice_port import LogId

TOPIC = "mdsp.core.shop.v1.pubsub.orders"
HOOK = {"uri": "https://hooks.example/in"}


def path_of(subscriber="crm", version="1", topic=TOPIC):
    """Name the path of a subscriber."""
    return f"{BASE}/subscribers/{subscriber}/versions/{version}/topics/{topic}"


async def kept(service, subscriber, topic=TOPIC, tenant="acme"):
    """Give what waits for a subscriber."""
    notices = service.door.services.ports.notices
    page = await notices.read(LogId(tenant, topic_id(subscriber, "1", topic)), 0, count=9)
    return [json.loads(each.body)["body"] for each in page.notices]


async def test_a_subscriber_is_put_got_and_deleted(service):
    """As the SDK does it: PUT with the address, GET, DELETE with 204."""
    for uri in ("https://hooks.example/in", "https://other.example/in"):
        put = await service.http.put(path_of(), json={"uri": uri}, headers=service.acme)
        assert (200, {"uri": uri}) == (put.status_code, put.json())
        got = await service.http.get(path_of(), headers=service.acme)
        assert (200, {"uri": uri}) == (got.status_code, got.json())
    assert 404 == (await service.http.get(path_of(), headers=service.other)).status_code
    assert 404 == (await service.http.get(path_of(version="2"), headers=service.acme)).status_code

    deleted = await service.http.delete(path_of(), headers=service.acme)
    assert (204, b"") == (deleted.status_code, deleted.content)
    assert 404 == (await service.http.get(path_of(), headers=service.acme)).status_code
    assert 404 == (await service.http.delete(path_of(), headers=service.acme)).status_code


async def test_a_message_goes_to_the_subscribers_of_its_topic(service):
    """In the publisher's tenant, and nowhere else."""
    for subscriber, headers in (("crm", service.acme), ("erp", service.acme), ("crm", service.other)):
        await service.http.put(path_of(subscriber), json=HOOK, headers=headers)
    await service.http.put(path_of(topic="mdsp.core.x.v1.pubsub.y"), json=HOOK, headers=service.acme)
    body = {"order": {"no": 7}}
    sent = await service.http.post(f"{BASE}/topics/{TOPIC}/sendmessage", json=body, headers=service.acme)

    assert (200, {"topicId": TOPIC, "subscribers": 2}) == (sent.status_code, sent.json())
    assert [body] == await kept(service, "crm") == await kept(service, "erp")
    assert [] == await kept(service, "crm", tenant="other")
    assert [] == await kept(service, "crm", "mdsp.core.x.v1.pubsub.y")


async def test_the_wrong_get_of_an_sdk_publishes_nothing_but_the_header(service):
    """Existing programs send it without a body (wire 11)."""
    await service.http.put(path_of(), json=HOOK, headers=service.acme)
    sent = await service.http.get(f"{BASE}/topics/{TOPIC}/sendmessage?", headers=service.acme)

    assert (200, 1) == (sent.status_code, sent.json()["subscribers"])
    assert [{}] == await kept(service, "crm")


async def test_nobody_else_publishes_new_data(service):
    """What the service says of records cannot be made up (MS-84)."""
    await service.http.put(path_of(topic=NEW_DATA), json=HOOK, headers=service.acme)
    for method in ("POST", "GET"):
        sent = await service.http.request(
            method, f"{BASE}/topics/{NEW_DATA}/sendmessage", json={}, headers=service.acme
        )
        assert 409 == sent.status_code


@pytest.mark.parametrize(
    "path",
    [path_of("a%20b"), path_of(version="x" * 129), path_of(topic="-x"), path_of(topic="a%00"), path_of("ü")],
)
async def test_names_have_their_letters(service, path):
    """Whatever else stands in the path is refused."""
    assert 400 == (await service.http.put(path, json=HOOK, headers=service.acme)).status_code


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"uri":1}', b'{"uri":"http://x/"}', b'{"uri":"https://10.0.0.1/"}']
)
async def test_an_address_that_is_none_is_refused(service, body):
    """As with every webhook (S9)."""
    headers = {**service.acme, "content-type": "application/json"}
    assert 400 == (await service.http.put(path_of(), content=body, headers=headers)).status_code


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'"x"'])
async def test_a_message_is_an_object(service, body):
    """Its members stand beside the header, so it must have members."""
    headers = {**service.acme, "content-type": "application/json"}
    sent = await service.http.post(f"{BASE}/topics/{TOPIC}/sendmessage", content=body, headers=headers)
    assert 400 == sent.status_code


async def test_a_message_is_bounded(service):
    """64 KiB: larger things are stored as files and named."""
    body = {"x": "y" * 65_536}
    sent = await service.http.post(f"{BASE}/topics/{TOPIC}/sendmessage", json=body, headers=service.acme)
    assert 413 == sent.status_code


async def test_they_are_subscriptions_as_well(service):
    """Listed with the others, suspended and removed like them; changed here only."""
    await service.http.put(path_of(), json=HOOK, headers=service.acme)
    [listed] = (await service.http.get(PATH, headers=service.acme)).json()["subscriptions"]
    assert ("topic", TOPIC, "crm", "1") == tuple(
        listed[name] for name in ("kind", "topic", "subscriber", "version")
    )
    assert {"url": HOOK["uri"]} == listed["webhook"]
    path = f"{PATH}/{listed['id']}"
    changed = await service.http.put(
        path, json={"kind": "data", "webhook": {"url": "https://x.example/"}}, headers=service.acme
    )
    assert 409 == changed.status_code
    assert 409 == (await service.http.post(f"{path}/secret", headers=service.acme)).status_code
    assert 200 == (await service.http.post(f"{path}/suspend", headers=service.acme)).status_code
    sent = await service.http.post(f"{BASE}/topics/{TOPIC}/sendmessage", json={}, headers=service.acme)
    assert 0 == sent.json()["subscribers"]
    assert 204 == (await service.http.delete(path, headers=service.acme)).status_code
