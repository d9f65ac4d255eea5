"""Subscriptions over HTTP: made, read, changed, suspended, removed, replayed (MS-84)."""

import json
from dataclasses import replace

import pytest

from api.identity.scopes import ALL_SCOPES, ASSETS_READ, SERIES_READ, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE
from api.routes.subscriptions import PATH
from runtime.clock import ManualClock
from runtime.vault import Vault
from schemas.errors import Unavailable
from schemas.limits import SUBSCRIPTIONS_OF_TENANT_MAX
from schemas.standings import DeadRange, Standing, decode_standing, encode_standing
from schemas.subscriptions import Subscription
from schemas.webhooks import parse_networks
from streams.notice_port import LogId, Posting
from tests.api.doors import NOW_MS, POLICY, bearer, running_door

ASSET = "a" * 32
WEBHOOK = {"url": "https://hooks.example/in"}
DATA = {"kind": "data", "webhook": WEBHOOK}


async def make(service, body, headers=None):
    """Make a subscription and give the answer's body."""
    answer = await service.http.post(PATH, json=body, headers=headers or service.acme)
    assert 201 == answer.status_code, answer.text
    return answer.json()


def stored(service, made, tenant="acme"):
    """Read a subscription as the catalogue has it."""
    import msgspec

    document = service.catalog._documents[tenant, "subscription"][made["id"]]
    return msgspec.json.decode(document.body, type=Subscription)


def secret_of(service, made):
    """Open the secret of a webhook with the key of the doors of tests."""
    told = stored(service, made)
    assert told.webhook.secret == ""
    return Vault(bytes(32)).open(f"webhook acme/{told.id}", told.webhook.sealed)


def caller_with(service, *scopes):
    """Give the headers of a caller of `acme` with these scopes."""
    from api.identity.tokens import Grant

    tokens = service.door.services.identity.tokens
    grant = Grant("acme", "acme-tech", "acme-tech", scopes, "client-token:v1", 1_799)
    return bearer(tokens.issue(grant, NOW_MS // 1_000)[0])


async def test_a_subscription_is_made_read_and_listed(service):
    """As it was asked for, with its owner; the list has all of the tenant's."""
    chosen = {
        "assets": [ASSET],
        "subtree": True,
        "aspects": ["weather"],
        "variables": ["level"],
        "threshold": {"variable": "level", "op": ">", "value": 5, "on": "crossing"},
    }
    body = {"kind": "data", "name": "Pumps", "filter": chosen, "payload": "values", "webhook": WEBHOOK}
    made = await make(service, body)
    secret = made["webhook"].pop("secret")

    assert len(secret) > 40
    assert {**body, "id": made["id"], "suspended": False, "owner": "acme-tech"} == {
        name: value for name, value in made.items() if name != "createdAt"
    }
    got = (await service.http.get(f"{PATH}/{made['id']}", headers=service.acme)).json()
    assert {**made, "deliveries": {"cursor": "0"}} == got
    listed = (await service.http.get(PATH, headers=service.acme)).json()
    assert {"subscriptions": [made]} == listed
    assert {"subscriptions": []} == (await service.http.get(PATH, headers=service.other)).json()


async def test_a_secret_is_shown_once(service):
    """When it is made and when it is renewed; every other answer leaves it out (S16)."""
    made = await make(service, DATA)
    first = made["webhook"]["secret"]
    path = f"{PATH}/{made['id']}"
    for method, part, body in (
        ("GET", "", None), ("PUT", "", DATA), ("POST", "/suspend", None), ("POST", "/resume", None),
    ):  # fmt: skip
        answer = await service.http.request(method, path + part, json=body, headers=service.acme)
        assert 200 == answer.status_code
        assert first not in answer.text
        assert "secret" not in answer.json()["webhook"]
    assert first == secret_of(service, made)

    renewed = (await service.http.post(f"{path}/secret", headers=service.acme)).json()
    assert renewed["webhook"]["secret"] not in {first, ""}
    assert renewed["webhook"]["secret"] == secret_of(service, made)


async def test_the_catalogue_has_no_secret(service):
    """It is sealed for this subscription: whoever reads the catalogue alone can sign nothing (S16)."""
    made = await make(service, DATA)
    document = await service.catalog.get("acme", "subscription", made["id"])

    assert made["webhook"]["secret"].encode() not in document.body
    told = stored(service, made)
    with pytest.raises(Unavailable):
        Vault(bytes(32)).open("webhook acme/another", told.webhook.sealed)


async def test_a_first_webhook_is_signed_too(service):
    """Its secret is shown when it is renewed."""
    made = await make(service, {"kind": "data"})
    answer = await service.http.put(f"{PATH}/{made['id']}", json=DATA, headers=service.acme)

    assert (200, False) == (answer.status_code, "secret" in answer.json()["webhook"])
    assert len(secret_of(service, made)) > 40


async def test_shared_records_are_asked_for_and_let_go(service):
    """`includeShared` is shown, changed and for data only; the owner's roles are noted with it."""
    made = await make(service, {"kind": "data", "includeShared": True})
    owner = stored(service, made).owner
    path = f"{PATH}/{made['id']}"
    off = (await service.http.put(path, json={"kind": "data"}, headers=service.acme)).json()
    refused = await service.http.post(
        PATH, json={"kind": "model", "includeShared": True}, headers=service.acme
    )

    assert (True, False) == (made["includeShared"], "includeShared" in off)
    assert (400, "/includeShared") == (refused.status_code, refused.json()["errors"][0]["pointer"])
    assert set(owner.covers) >= {"viewer", "engineer"}


async def test_without_a_key_nothing_is_signed(service):
    """An installation without a key of its own says what to set: 409; what needs no secret works."""
    policy = replace(POLICY, secrets_key=b"")
    async with running_door(service.catalog, ManualClock(NOW_MS), policy) as second:
        with_webhook = await second.http.post(PATH, json=DATA, headers=service.acme)
        without = await second.http.post(PATH, json={"kind": "data"}, headers=service.acme)

    assert [409, 201] == [with_webhook.status_code, without.status_code]
    assert "ASPECTSTORE_SECRETS_KEY" in with_webhook.text


async def test_who_subscribes_must_be_allowed_to_read(service):
    """The scope of records for data, that of assets for the model (design 7)."""
    writer = caller_with(service, SUBSCRIPTIONS_WRITE)
    reader = caller_with(service, SUBSCRIPTIONS_WRITE, SERIES_READ)
    modeller = caller_with(service, SUBSCRIPTIONS_WRITE, ASSETS_READ)
    answers = [
        (await service.http.post(PATH, json={"kind": kind}, headers=headers)).status_code
        for headers in (writer, reader, modeller)
        for kind in ("data", "model")
    ]

    assert [403, 403, 201, 403, 403, 201] == answers


async def test_the_owner_is_the_account(service):
    """As the notifier looks for it: kind, name, and the roles that bring the scope."""
    owner = stored(service, await make(service, DATA)).owner

    assert ("client", "acme-tech") == (owner.kind, owner.name)
    assert {"viewer", "engineer", "tenant admin"} <= set(owner.roles)
    assert "upload-only" not in owner.roles


BAD = [
    ({}, ""),
    ({"kind": "topic"}, "/kind"),
    ({"kind": "data", "more": 1}, ""),
    ({"kind": "data", "name": "x" * 129}, "/name"),
    ({"kind": "data", "payload": "all"}, "/payload"),
    ({"kind": "model", "payload": "values"}, "/payload"),
    ({"kind": "data", "filter": {"kinds": ["asset"]}}, "/filter/kinds"),
    ({"kind": "model", "filter": {"kinds": ["tenant"]}}, "/filter/kinds/0"),
    ({"kind": "model", "filter": {"aspects": ["a"]}}, "/filter/aspects"),
    ({"kind": "data", "filter": {"assets": ["x"]}}, "/filter/assets/0"),
    ({"kind": "data", "filter": {"assets": ["a" * 32] * 101}}, "/filter/assets"),
    ({"kind": "data", "filter": {"subtree": True}}, "/filter/subtree"),
    ({"kind": "data", "filter": {"aspects": [""]}}, "/filter/aspects/0"),
    ({"kind": "data", "filter": {"variables": ["x" * 65]}}, "/filter/variables/0"),
    (
        {"kind": "data", "filter": {"threshold": {"variable": "x", "op": "~", "value": 1}}},
        "/filter/threshold/op",
    ),
    (
        {"kind": "data", "filter": {"threshold": {"variable": "x", "op": ">", "value": "1"}}},
        "/filter/threshold/op",
    ),
    (
        {"kind": "data", "filter": {"threshold": {"variable": "", "op": ">", "value": 1}}},
        "/filter/threshold/variable",
    ),
    (
        {"kind": "data", "filter": {"threshold": {"variable": "x", "op": ">", "value": 1e300}}},
        "/filter/threshold/value",
    ),
    (
        {"kind": "data", "filter": {"threshold": {"variable": "x", "op": "=", "value": 1, "on": "x"}}},
        "/filter/threshold/on",
    ),
    ({"kind": "data", "webhook": {"url": "ftp://x/"}}, "/webhook/url"),
    ({"kind": "data", "webhook": {"url": "http://hooks.example/"}}, "/webhook/url"),
    ({"kind": "data", "webhook": {"url": "https://10.0.0.1/"}}, "/webhook/url"),
    ({"kind": "data", "webhook": {"url": "https://[::1]/"}}, "/webhook/url"),
    ({"kind": "data", "webhook": {"url": "https://u:p@hooks.example/"}}, "/webhook/url"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD)
async def test_what_cannot_be_told_is_refused(service, body, pointer):
    """With the place of what is wrong; nothing is stored."""
    answer = await service.http.post(PATH, json=body, headers=service.acme)

    assert 400 == answer.status_code, answer.text
    assert pointer in {error.get("pointer", "") for error in answer.json()["errors"]}, answer.text
    assert {"subscriptions": []} == (await service.http.get(PATH, headers=service.acme)).json()


async def test_a_setting_lets_webhooks_into_a_network(service):
    """Private addresses, and http, where the operator named the network (S9)."""
    import dataclasses

    ports = service.door.services.ports
    policy = dataclasses.replace(ports.policy, webhook_networks=parse_networks("10.0.0.0/8"))
    object.__setattr__(ports, "policy", policy)
    for url, status in (
        ("http://10.1.2.3/", 201), ("http://name.example/", 201), ("http://11.1.2.3/", 400),
        ("https://192.168.0.1/", 400),
    ):  # fmt: skip
        body = {"kind": "data", "webhook": {"url": url}}
        assert status == (await service.http.post(PATH, json=body, headers=service.acme)).status_code, url


async def test_a_tenant_has_so_many(service):
    """Each holds memory of the stream server."""
    for _ in range(SUBSCRIPTIONS_OF_TENANT_MAX):
        await make(service, {"kind": "data"})

    answer = await service.http.post(PATH, json={"kind": "data"}, headers=service.acme)
    assert 409 == answer.status_code
    await make(service, {"kind": "data"}, service.other)


async def test_a_subscription_is_changed(service):
    """Name, filter, payload and address; kind, owner, secret and beginning stay."""
    made = await make(service, DATA)
    before = stored(service, made)
    service.clock.advance(5_000)
    new = {"kind": "data", "name": "N", "payload": "values", "webhook": {"url": "https://b.example/"}}
    answer = await service.http.put(f"{PATH}/{made['id']}", json=new, headers=service.acme)

    assert 200 == answer.status_code, answer.text
    after = stored(service, made)
    assert ("N", "values", "https://b.example/") == (after.name, after.payload, after.webhook.url)
    assert (before.webhook.sealed, before.owner, before.since_us) == (
        after.webhook.sealed, after.owner, after.since_us,
    )  # fmt: skip
    assert before.changed_ms + 5_000 == after.changed_ms
    other_kind = await service.http.put(f"{PATH}/{made['id']}", json={"kind": "model"}, headers=service.acme)
    assert 400 == other_kind.status_code
    reader = caller_with(service, SUBSCRIPTIONS_WRITE)
    assert 403 == (await service.http.put(f"{PATH}/{made['id']}", json=DATA, headers=reader)).status_code


async def test_a_suspended_one_begins_anew(service):
    """What happened meanwhile is not told; twice is harmless."""
    made = await make(service, DATA)
    path = f"{PATH}/{made['id']}"
    for part, suspended in (("suspend", True), ("suspend", True), ("resume", False), ("resume", False)):
        service.clock.advance(1_000)
        answer = await service.http.post(f"{path}/{part}", headers=service.acme)
        assert (200, suspended) == (answer.status_code, answer.json()["suspended"])

    assert (NOW_MS + 3_000) * 1_000 == stored(service, made).since_us


async def test_a_removed_one_leaves_nothing(service):
    """Neither document nor notices nor standing."""
    made = await make(service, DATA)
    notices, name = service.door.services.ports.notices, LogId("acme", made["id"])
    await notices.post(Posting(notices={name: [b"{}"]}))

    assert 204 == (await service.http.delete(f"{PATH}/{made['id']}", headers=service.acme)).status_code
    assert 404 == (await service.http.delete(f"{PATH}/{made['id']}", headers=service.acme)).status_code
    assert [] == (await notices.read(name, 0, count=9)).notices


async def test_how_deliveries_stand_is_shown(service):
    """Cursor, failures, next try, reason; and what was given up, as runs."""
    made = await make(service, DATA)
    notices, name = service.door.services.ports.notices, LogId("acme", made["id"])
    dead = DeadRange(5, 9, NOW_MS, "it answered 500")
    standing = Standing(9, 3, NOW_MS, NOW_MS + 1_000, "it answered 500", (dead,))
    await notices.note(name, b"", encode_standing(standing))

    got = (await service.http.get(f"{PATH}/{made['id']}", headers=service.acme)).json()
    assert {
        "cursor": "9",
        "tries": 3,
        "failingSince": "2026-01-01T00:00:00.000Z",
        "nextTryAt": "2026-01-01T00:00:01.000Z",
        "reason": "it answered 500",
    } == got["deliveries"]
    listed = (await service.http.get(f"{PATH}/{made['id']}/dead-letters", headers=service.acme)).json()
    run = {"after": "5", "upto": "9", "givenUpAt": "2026-01-01T00:00:00.000Z", "reason": "it answered 500"}
    assert {"deadLetters": [run]} == listed

    answer = await service.http.post(f"{PATH}/{made['id']}/replay", json={"after": "5"}, headers=service.acme)
    assert 202 == answer.status_code
    assert Standing(5) == decode_standing(await notices.standing(name))


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "1" * 17, None, 5])
async def test_a_cursor_that_is_none_is_refused(service, after):
    """A replay from nowhere is a slip."""
    made = await make(service, DATA)
    body = {"after": after}

    answer = await service.http.post(f"{PATH}/{made['id']}/replay", json=body, headers=service.acme)
    assert 400 == answer.status_code


async def test_what_has_no_webhook_has_no_deliveries(service):
    """Nothing to renew and nothing to replay: its events are read."""
    made = await make(service, {"kind": "model"})
    path = f"{PATH}/{made['id']}"

    assert "deliveries" not in (await service.http.get(path, headers=service.acme)).json()
    for part, body in (("secret", None), ("replay", {"after": "0"})):
        answer = await service.http.post(f"{path}/{part}", json=body, headers=service.acme)
        assert 409 == answer.status_code, part


async def test_foreign_and_unknown_ones_are_not_found(service):
    """In the same words (MS-31)."""
    made = await make(service, DATA)
    unknown = "00000000-0000-4000-8000-000000000000"
    for method, part, body in (
        ("GET", "", None), ("PUT", "", DATA), ("DELETE", "", None), ("POST", "/suspend", None),
        ("POST", "/resume", None), ("POST", "/secret", None), ("GET", "/dead-letters", None),
        ("POST", "/replay", {"after": "0"}), ("GET", "/events", None),
    ):  # fmt: skip
        found = []
        for each in (made["id"], unknown):
            answer = await service.http.request(
                method, f"{PATH}/{each}{part}", json=body, headers=service.other
            )
            assert 404 == answer.status_code, (method, part)
            found.append([{**error, "logref": ""} for error in answer.json()["errors"]])
        assert found[0] == found[1]


async def test_readers_read_and_no_more(service):
    """The two scopes of subscriptions (design 7)."""
    made = await make(service, DATA)
    reader = caller_with(service, SUBSCRIPTIONS_READ)

    assert 200 == (await service.http.get(f"{PATH}/{made['id']}", headers=reader)).status_code
    assert 403 == (await service.http.post(f"{PATH}/{made['id']}/suspend", headers=reader)).status_code
    assert 403 == (await service.http.get(f"{PATH}/{made['id']}/events", headers=reader)).status_code
    assert {SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE} <= set(ALL_SCOPES)


async def test_somebody_else_was_faster(service, monkeypatch):
    """A change between reading and storing is not overwritten."""
    made = await make(service, DATA)
    replace = service.catalog.replace

    async def late(tenant, kind, document_id, body, built_on):
        if kind == "subscription":
            return None
        return await replace(tenant, kind, document_id, body, built_on)

    monkeypatch.setattr(service.catalog, "replace", late)
    answer = await service.http.put(f"{PATH}/{made['id']}", json=DATA, headers=service.acme)
    assert 409 == answer.status_code
    assert "again" in json.dumps(answer.json())
