"""API keys and the signatures that they make (TB-13)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

import msgspec
import pytest

from api.identity import signatures
from api.identity.accounts import Accounts
from api.identity.scopes import DEVICE_SCOPES, OPERATIONS_READ, PLATFORM, SERIES_READ
from api.identity.setup import add_user
from runtime.clock import ManualClock
from schemas.limits import SIGNED_BODY_BYTES_MAX
from tests.api.doors import NOW_MS, POLICY, bearer, running_door, token_of
from tests.api.masts import MAST, PATH, running_site
from tests.api.served import served_site

KEYS = "/api/aspectstore/v1/api-keys"
METRICS = "/metrics"


def signature(secret, payload):
    """Sign a payload as the documentation of TimeBase says."""
    digest = hmac.new(secret.encode(), payload if isinstance(payload, bytes) else payload.encode(), "sha384")
    return base64.b64encode(digest.digest()).decode()


def signed(key, payload):
    """Give the two headers of a request with this payload."""
    return {"x-deltix-apikey": key["id"], "x-deltix-signature": signature(key["secret"], payload)}


async def made(service, headers=None, status=201, **asked):
    """Make a key; gives it, secret and all."""
    asked = asked or {"client": "acme-tech"}
    answer = await service.http.post(KEYS, json=asked, headers=headers or service.acme)
    assert answer.status_code == status, answer.text
    return answer.json()


# -- the signature ---------------------------------------------------------------------------------

EXAMPLES = [
    (
        "GET", "/api/v0/charting/bbo",
        (
            b"startTime=2009-06-19T19:22:00.000Z&endTime=2009-06-19T19:25:00.000Z&symbols=AAPL&levels=1"
            b"&maxPoints=6000&type=TRADES_BBO"
        ),
        b"",
        "7amMhPgGq2mXo6twDUyDUlWAYJ9g+PyemZ1yIj6yhCnk4TS5viVi9DCGpaWX+GZz",
    ),
    (
        "POST", "/api/v0/bars1min/goog/select", b"",
        (
            b'{"from":null,"to":null,"offset":0,"rows":1000,"reverse":false,"space":null,'
            b'"types":["deltix.timebase.api.messages.BarMessage"]}'
        ),
        "DtMdHJ4vc0LYx9H0YB80dICiah10x/i1KFrJ+Ba+RyOw5wc+6WcXdxCHA3GFYrIe",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "query", "body", "expected"), EXAMPLES)
def test_the_examples_of_the_documentation(method, path, query, body, expected):
    """The two signatures that TimeBase's manual prints for `TEST_API_SECRET` hold (TB-13)."""
    target = (path, path.encode(), query)

    assert signatures.holds("TEST_API_SECRET", expected, method, target, body)
    assert not signatures.holds("TEST_API_SECREt", expected, method, target, body)
    assert not signatures.holds("TEST_API_SECRET", expected, method, target, body + b" ")


READINGS = {
    "keys sorted as sent": (b"b=1&A=2", "GET/xa=2&b=1"),
    "keys sorted when small": (b"B=1&a=2", "GET/xa=2&b=1"),
    "keys sorted before they are small": (b"a=2&B=1", "GET/xb=1&a=2"),
    "values as sent": (b"a=2&a=1", "GET/xa=2&a=1"),
    "values sorted": (b"a=2&a=1", "GET/xa=1&a=2"),
    "escapes read": (b"time=10%3A00&x=a+b", "GET/xtime=10:00&x=a b"),
    "an empty value": (b"a=", "GET/xa="),
}


@pytest.mark.parametrize("kind", READINGS)
def test_what_clients_do_differently(kind):
    """Where the contract leaves something open, each way that clients have is understood."""
    query, payload = READINGS[kind]

    assert signatures.holds("s", signature("s", payload), "get", ("/X", b"/X", query), b"")


@pytest.mark.parametrize("path", [("/a b", b"/a%20B"), ("/ü", b"/%C3%BC")])
def test_paths_with_and_without_escapes(path):
    """A client may sign the path as it is sent, or as it is meant."""
    plain, raw = path
    for signed_path in (plain, raw.decode().lower()):
        payload = f"DELETE{signed_path}"
        assert signatures.holds("s", signature("s", payload), "DELETE", (plain, raw, b""), b"")


@pytest.mark.parametrize("text", ["", "x", "====", "ü", "A" * 64 + "=", "A" * 5_000, "AAAA", " " * 64])
def test_what_is_no_signature(text):
    """Anything that is not 48 bytes in base64 is refused, whatever it is."""
    assert not signatures.holds("s", text, "GET", ("/", b"/", b""), b"")


# -- requests --------------------------------------------------------------------------------------


async def test_a_signed_request_is_answered(service):
    """A key of a client may read what the client may, whatever the order of its query."""
    key = await made(service)

    listed = await service.http.get(KEYS, headers=signed(key, f"GET{KEYS}"))
    metrics = await service.http.get(f"{METRICS}?B=1&a=2", headers=signed(key, "GET/metricsa=2&b=1"))

    assert (listed.status_code, metrics.status_code) == (200, 200)


CHANGED = {
    "another method": ("GET", KEYS, "", "POST{path}"),
    "another path": ("GET", METRICS, "", "GET/metricz"),
    "a parameter more": ("GET", METRICS, "?a=1", "GET/metrics"),
    "a parameter less": ("GET", METRICS, "", "GET/metricsa=1"),
    "another value": ("GET", METRICS, "?a=2", "GET/metricsa=1"),
    "a value in other letters": ("GET", METRICS, "?a=X", "GET/metricsa=x"),
    "another secret": ("GET", METRICS, "", None),
}


@pytest.mark.parametrize("kind", CHANGED)
async def test_a_changed_request_is_refused(service, kind):
    """Method, path and query are bound: 401, in the words of every other bad signature."""
    key = await made(service)
    method, path, query, payload = CHANGED[kind]
    if payload is None:
        key, payload = {**key, "secret": key["secret"][:-1]}, f"GET{path}"

    headers = signed(key, payload.replace("{path}", path))
    answer = await service.http.request(method, path + query, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "The API key or its signature does not hold."


@pytest.mark.parametrize(
    "headers",
    [
        {"x-deltix-apikey": ""}, {"x-deltix-apikey": "acme"}, {"x-deltix-apikey": "acme." + "0" * 32},
        {"x-deltix-apikey": "nobody." + "0" * 32}, {"x-deltix-apikey": "core." + "0" * 32},
        {"x-deltix-apikey": "../key.x"}, {"x-deltix-signature": "x" * 64},
    ],
)  # fmt: skip
async def test_unknown_keys(service, headers):
    """A key that there is not is answered as a wrong signature is, and asks nothing of other kinds."""
    answer = await service.http.get(METRICS, headers={"x-deltix-signature": "A" * 64, **headers})

    assert answer.status_code == 401


async def test_the_body_is_bound(service):
    """A body that was not signed is refused, though everything else is right; also an empty one."""
    key = await made(service)
    body = b'{"client":"acme-tech","label":"by key"}'
    headers = signed(key, b"POST" + KEYS.encode() + body)

    statuses = [
        (await service.http.post(KEYS, content=content, headers=headers)).status_code
        for content in (body.replace(b"by", b"my"), body + b" ", b"", body)
    ]

    assert statuses == [401, 401, 401, 201]


async def test_a_token_goes_before_a_signature(service):
    """With both, the token decides: a bad one is not saved by a good signature."""
    key = await made(service)
    headers = signed(key, "GET/metrics")

    good = await service.http.get(METRICS, headers={**service.acme, "x-deltix-apikey": "x"})
    bad = await service.http.get(METRICS, headers={**bearer("x"), **headers})

    assert (good.status_code, bad.status_code) == (200, 401)


async def test_a_key_does_what_it_was_given(service):
    """A key with one scope is refused elsewhere with the name of the scope that lacks."""
    key = await made(service, client="acme-tech", scopes=[SERIES_READ])

    answer = await service.http.get(METRICS, headers=signed(key, "GET/metrics"))

    assert answer.status_code == 403
    assert OPERATIONS_READ in answer.text


async def test_a_key_of_a_user(service):
    """It acts in the user's name with the user's scopes."""
    key = await made(service, user="board")

    assert key["scopes"] == list(DEVICE_SCOPES)
    assert (await service.http.get(METRICS, headers=signed(key, "GET/metrics"))).status_code == 403


async def test_a_key_reaches_no_other_tenant(service):
    """What another tenant's client signs is done in that tenant."""
    key = await made(service, service.other, client="other-tech")

    listed = await service.http.get(KEYS, headers=signed(key, f"GET{KEYS}"))

    assert [one["id"] for one in listed.json()["apiKeys"]] == [key["id"]]
    assert key["id"].startswith("other.")


async def test_a_signed_write_takes_the_ordinary_way():
    """PUT and GET of records work with a signature, in process and over a socket, and the body is bound."""
    async with served_site() as site:
        key = (await site.http.post(KEYS, json={"client": "acme-tech"}, headers=site.open.headers)).json()
        path, body = f"{PATH}/{MAST}/weather", b'[{"_time":"2026-01-01T00:00:00.000Z","temperature":1.5}]'
        target = path.lower().encode()
        statuses = []
        for method, content, over in (
            (b"PUT", body, body), (b"PUT", body, b"[]"), (b"GET", b"", b""), (b"GET", b"", b"x"),
        ):  # fmt: skip
            wire = await site.connect()
            head = [
                b"%s %s HTTP/1.1" % (method, path.encode()), b"Host: door",
                b"X-Deltix-ApiKey: %s" % key["id"].encode(),
                b"X-Deltix-Signature: %s" % signature(key["secret"], method + target + over).encode(),
            ]  # fmt: skip
            if content:
                head.append(b"Content-Length: %d" % len(content))
            await wire.send(b"\r\n".join([*head, b"", content]))
            statuses.append((await wire.answer())[0])

    assert statuses == [204, 401, 200, 401]


async def test_large_bodies_come_with_a_token():
    """A signature needs the whole body: a file beyond the limit, or of unknown length, is 413."""
    async with running_site() as site:
        key = (await site.http.post(KEYS, json={"client": "acme-tech"}, headers=site.open.headers)).json()
        path = f"/api/iotfile/v3/files/{MAST}/big.bin"

        async def unannounced():
            yield b"x"

        headers = signed(key, f"PUT{path}x")
        small = await site.http.put(path, content=b"x", headers=headers)
        chunked = await site.http.put(path, content=unannounced(), headers=headers)
        announced = {**headers, "content-length": str(SIGNED_BODY_BYTES_MAX + 1)}
        large = await site.http.put(path, content=b"x", headers=announced)

    assert [small.status_code, chunked.status_code, large.status_code] == [201, 413, 413]


async def test_a_flood_of_parameters_is_not_sorted(service):
    """A query that nobody would read is refused before it is looked at (S7)."""
    key = await made(service)
    query = "&".join(f"a{number}=1" for number in range(100))

    answer = await service.http.get(f"{METRICS}?{query}", headers=signed(key, "GET/metrics"))

    assert answer.status_code == 401


# -- what a key hangs on ---------------------------------------------------------------------------


async def test_a_deleted_key_is_refused_at_once_and_elsewhere_within_a_second(service):
    """Here at once; at another door when it has read the change log."""
    key = await made(service)
    headers = signed(key, "GET/metrics")
    policy = replace(POLICY, catalog_refresh_s=3_600.0)
    async with running_door(service.catalog, ManualClock(NOW_MS), policy) as second:
        before = [(await one.http.get(METRICS, headers=headers)).status_code for one in (service, second)]

        gone = await service.http.delete(f"{KEYS}/{key['id']}", headers=service.acme)
        await second.door.services.refresh()

        after = [(await one.http.get(METRICS, headers=headers)).status_code for one in (service, second)]

    assert (before, gone.status_code, after) == ([200, 200], 204, [401, 401])


async def test_a_key_ends_when_it_was_told_to(service):
    """`expires` is the end, to the second; a past one is refused."""
    key = await made(service, client="acme-tech", expires="2026-01-01T00:00:20.000Z")
    headers = signed(key, "GET/metrics")
    service.clock.advance(19_000)
    in_time = await service.http.get(METRICS, headers=headers)
    service.clock.advance(1_000)

    assert (in_time.status_code, (await service.http.get(METRICS, headers=headers)).status_code) == (200, 401)
    await made(service, None, 400, client="acme-tech", expires="2026-01-01T00:00:20.000Z")


async def test_a_key_ends_with_its_account(service):
    """Of a user who is gone, suspended or replaced by one of the same name a key is worth nothing."""
    key = await made(service, user="board")
    path = "/api/aspectstore/v1/receipts/x"
    headers = signed(key, f"GET{path}")
    accounts = Accounts(service.catalog)
    seen = [(await service.http.get(path, headers=headers)).status_code]
    _, user = await accounts.read("acme", "user", "board")
    for changed in (
        msgspec.structs.replace(user, suspended=True),
        msgspec.structs.replace(user, created_ms=user.created_ms + 1),
        user,
    ):
        document, _ = await accounts.change("acme", "user", "board", lambda _, to=changed: to, unknown="")
        await service.door.services.refresh()
        seen.append((await service.http.get(path, headers=headers)).status_code)
    await service.catalog.remove("acme", "user", "board", document.version)
    await service.door.services.refresh()
    seen.append((await service.http.get(path, headers=headers)).status_code)

    assert seen == [404, 401, 401, 404, 401]


async def test_a_key_loses_what_its_account_loses(service):
    """A scope that was taken from the client is gone from its keys."""
    await add_user(service.catalog, service.passwords, "acme", "eyes", "x", scopes=(OPERATIONS_READ,))
    key = await made(service, user="eyes")
    headers = signed(key, "GET/metrics")
    before = await service.http.get(METRICS, headers=headers)
    accounts = Accounts(service.catalog)

    def weaker(user):
        return msgspec.structs.replace(user, scopes=(SERIES_READ,))

    await accounts.change("acme", "user", "eyes", weaker, unknown="")
    await service.door.services.refresh()

    after = await service.http.get(METRICS, headers=headers)

    assert (before.status_code, after.status_code) == (200, 403)


# -- administration --------------------------------------------------------------------------------


async def test_the_secret_is_shown_once_and_stored_encrypted(service):
    """The list has no secret, and neither has the catalogue in clear (S16)."""
    key = await made(service, client="acme-tech", label="logger 7")
    listed = (await service.http.get(KEYS, headers=service.acme)).json()["apiKeys"]
    (document,) = await service.catalog.list("acme", "apikey")

    assert listed == [{name: value for name, value in key.items() if name != "secret"}]
    assert listed[0]["label"] == "logger 7"
    assert len(key["secret"]) >= 43
    assert key["secret"].encode() not in document.body
    digest = hashlib.sha256(key["secret"].encode()).hexdigest().encode()
    assert digest not in document.body


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, ""), ({"user": "board", "client": "acme-tech"}, ""), ({"user": "nobody"}, "/user"),
        ({"client": "other-tech"}, "/client"), ({"client": ""}, "/client"),
        ({"user": "board", "scopes": [OPERATIONS_READ]}, "/scopes/0"),
        ({"user": "board", "scopes": ["x"]}, "/scopes/0"), ({"user": "board", "scopes": []}, "/scopes"),
        ({"user": "board", "expires": "soon"}, ""), ({"user": "board", "secret": "mine"}, ""),
        ({"user": "board", "label": "x" * 129}, "/label"),
    ],
)  # fmt: skip
async def test_keys_that_cannot_be(service, asked, pointer):
    """One account of the tenant, scopes that it has, a time to come: anything else is named and refused."""
    answer = await service.http.post(KEYS, json=asked, headers=service.acme)

    assert answer.status_code == 400
    assert answer.json()["errors"][0].get("pointer", "") == pointer


async def test_nobody_gives_a_key_more_than_he_has(service):
    """A key for a mightier account is as mighty as its maker."""
    token = await token_of(service.http, "acme-tech", "s3cret", scope="aspectstore.accounts.w iot.tim.r")
    key = await made(service, bearer(token), client="acme-tech")

    assert set(key["scopes"]) == {"aspectstore.accounts.w", "iot.tim.r"}
    await made(service, bearer(token), 400, client="acme-tech", scopes=[PLATFORM])


async def test_a_tenant_has_so_many_keys_at_most(service, monkeypatch):
    """The list is one answer, so it has a limit: 409."""
    monkeypatch.setattr("api.identity.api_keys.API_KEYS_MAX", 1)
    await made(service)

    await made(service, None, 409, client="acme-tech")


async def test_without_a_vault_no_key_is_made(service):
    """An installation without a key of its own says what to set: 409."""
    policy = replace(POLICY, secrets_key=b"")
    async with running_door(service.catalog, ManualClock(NOW_MS), policy) as second:
        answer = await second.http.post(KEYS, json={"client": "acme-tech"}, headers=service.acme)

    assert answer.status_code == 409
    assert "ASPECTSTORE_SECRETS_KEY" in answer.text


async def test_a_door_with_another_vault_says_so(service):
    """A secret that cannot be opened is the operator's fault: 503, not 401."""
    key = await made(service)
    policy = replace(POLICY, secrets_key=bytes(31) + b"x")
    async with running_door(service.catalog, ManualClock(NOW_MS), policy) as second:
        answer = await second.http.get(METRICS, headers=signed(key, "GET/metrics"))

    assert answer.status_code == 503
