"""The token contract of TimeBase's device agents, byte for byte, over a socket (TB-01 … TB-11, TB-15).

Requests are written as MicroPython's `urequests` sends them: HTTP/1.0, `Host`, headers as the agent's code
lists them, a form that nobody has escaped.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from api.identity.passwords import Passwords
from api.identity.scopes import DEVICE_SCOPES
from api.identity.setup import add_user
from runtime.clock import ManualClock
from tests.api.doors import NOW_MS, POLICY, fresh_catalog, running_door
from tests.api.served import served_site

BASIC = "Basic d2ViOnNlY3JldA=="
USER, PASSWORD = "board-7", "p@ss!w:o/rd"


@pytest.fixture
async def site():
    """A door behind the real server, with a device's user."""
    async with served_site() as running:
        passwords = Passwords(8)
        await add_user(running.catalog, passwords, "acme", USER, PASSWORD)
        yield running


async def post(site, path, body, *lines):
    """Send a request as a board does; gives status, headers by lower-case name, and the body."""
    wire = await site.connect()
    head = [f"POST {path} HTTP/1.0", "Host: 127.0.0.1", *lines, f"Content-Length: {len(body.encode())}"]
    await wire.send("\r\n".join([*head, "", body]).encode())
    status, headers, content = await wire.answer()
    return status, {name.lower(): value for name, value in headers.items()}, content


async def login(site, body, authorization=BASIC):
    """Ask for a token."""
    lines = [f"Authorization: {authorization}", "Content-Type: application/x-www-form-urlencoded"]
    return await post(site, "/oauth/token", body, *lines)


def password_form(password=PASSWORD, order=("grant_type", "scope", "password", "username")):
    """Write the agent's form, unescaped, its fields in any order: a dictionary has none on the board."""
    fields = {"grant_type": "password", "scope": "trust", "password": password, "username": USER}
    return "&".join(f"{name}={fields[name]}" for name in order)


def claims_of(token):
    """Read a token's claims without looking at its signature."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


ORDERS = [
    ("grant_type", "scope", "password", "username"),
    ("username", "password", "scope", "grant_type"),
    ("password", "username", "grant_type", "scope"),
]


@pytest.mark.parametrize("order", ORDERS)
async def test_the_agents_login(site, order):
    """Client `web` with `secret`, the password grant, fields in any order: 200 (TB-01)."""
    status, headers, content = await login(site, password_form(order=order))

    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert set(json.loads(content)) == {
        "access_token", "refresh_token", "expires_in", "token_type", "scope", "jti",
    }  # fmt: skip


async def test_what_the_agent_reads_of_the_answer(site):
    """`access_token`, `refresh_token`, `expires_in` as a whole number of seconds, `bearer` (TB-02, TB-07)."""
    _, _, content = await login(site, password_form())

    answer = json.loads(content)
    assert (answer["expires_in"], answer["token_type"]) == (300, "bearer")
    assert answer["scope"] == " ".join(DEVICE_SCOPES)
    claims = claims_of(answer["access_token"])
    assert claims["exp"] - claims["iat"] == 300
    assert (claims["user_name"], claims["cat"], claims["ten"]) == (USER, "user-token:v1", "acme")


async def test_refreshing_without_a_scope(site):
    """The refresh grant with the same Basic header and nothing else gives both tokens again (TB-03)."""
    first = json.loads((await login(site, password_form()))[2])

    status, _, content = await login(site, f"grant_type=refresh_token&refresh_token={first['refresh_token']}")

    second = json.loads(content)
    assert (status, second["expires_in"], second["scope"]) == (200, 300, first["scope"])
    assert second["refresh_token"] not in {"", first["refresh_token"]}


@pytest.mark.parametrize("password", ["p@ss", "a!b", "a:b", "a/b", "a?b#c", "ä ö", "100% sure", "=x="])
async def test_raw_passwords(site, password):
    """What a form lets pass unescaped logs in: `@`, `!`, `:`, `/`, a lone `%`, blanks, umlauts (TB-04)."""
    await add_user(site.catalog, Passwords(8), "acme", "raw", password)

    status, _, content = await login(
        site, f"grant_type=password&scope=trust&password={password}&username=raw"
    )

    assert status == 200, content


@pytest.mark.parametrize("password", ["a&b", "a+b", "50%25", "&&&", "&password=x"])
async def test_passwords_that_a_form_changes(site, password):
    """`&`, `+` and an escape mean something in a form: refused with 400 and JSON, never 500 (TB-04)."""
    await add_user(site.catalog, Passwords(8), "acme", "raw", password)

    status, _, content = await login(
        site, f"grant_type=password&scope=trust&password={password}&username=raw"
    )

    assert status == 400
    assert set(json.loads(content)) == {"error", "error_description"}


async def test_a_wrong_password(site):
    """The agent prints status and text, and keeps its queue: 4xx, with a body in JSON (TB-05)."""
    status, headers, content = await login(site, password_form("wrong"))

    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(content) == {"error": "invalid_grant", "error_description": "Bad credentials"}


async def test_a_client_in_the_form(site):
    """Servers of the kind let clients send their secret in the form (TB-06)."""
    form = password_form() + "&client_id=web&client_secret=secret"
    line = "Content-Type: application/x-www-form-urlencoded"

    assert (await post(site, "/oauth/token", form, line))[0] == 200
    assert (await post(site, "/oauth/token", form.replace("=secret", "=guess"), line))[0] == 401


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
async def test_the_scheme_in_lower_case(site, scheme):
    """`Authorization: bearer <token>` is what the agent sends (TB-11)."""
    token = json.loads((await login(site, password_form()))[2])["access_token"]
    lines = [f"Authorization: {scheme} {token}", "Content-Type: application/x-www-form-urlencoded"]

    status, _, content = await post(site, "/oauth/check_token", f"token={token}", *lines)

    assert status == 200
    assert json.loads(content)["user_name"] == USER


async def test_checking_a_token_needs_one(site):
    """Whoever has no token of its own learns nothing of another one (TB-09)."""
    token = json.loads((await login(site, password_form()))[2])["access_token"]
    form, media = f"token={token}", "Content-Type: application/x-www-form-urlencoded"

    assert (await post(site, "/oauth/check_token", form, media))[0] == 401
    assert (await post(site, "/oauth/check_token", form, media, f"Authorization: {BASIC}"))[0] == 401


async def test_lifetimes_can_be_set():
    """Both lifetimes are the installation's to choose (TB-07); the access token ends with its own (TB-08)."""
    policy = replace(POLICY, device_token_s=60, refresh_token_s=600)
    catalog, clock = await fresh_catalog(), ManualClock(NOW_MS)
    form = {"grant_type": "password", "username": USER, "password": PASSWORD}
    async with running_door(catalog, clock, policy) as service:
        from api.identity.setup import Credentials, bootstrap

        await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
        await add_user(catalog, Passwords(8), "acme", USER, PASSWORD)
        await service.door.services.refresh()
        granted = (await service.http.post("/oauth/token", data=form, auth=("web", "secret"))).json()
        renewing = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
        headers = {"authorization": f"bearer {granted['access_token']}"}
        statuses = []
        for seconds in (59, 1, 541):
            clock.advance(1_000 * seconds)
            asked = {"token": granted["access_token"]}
            answer = await service.http.post("/oauth/check_token", data=asked, headers=headers)
            statuses.append(answer.status_code)
        too_late = await service.http.post("/oauth/token", data=renewing, auth=("web", "secret"))

    assert granted["expires_in"] == 60
    assert statuses == [200, 401, 401]
    assert too_late.status_code == 400


async def test_tokens_outlive_a_restart():
    """The keys are kept: a token, and a refresh token, of before work at a door that starts later (TB-10)."""
    from api.identity.setup import Credentials, bootstrap
    from storage.memory_catalog import MemoryCatalogStore

    catalog, clock = MemoryCatalogStore(), ManualClock(NOW_MS)
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    await add_user(catalog, Passwords(8), "acme", USER, PASSWORD)
    form = {"grant_type": "password", "username": USER, "password": PASSWORD}
    async with running_door(catalog, clock) as service:
        granted = (await service.http.post("/oauth/token", data=form, auth=("web", "secret"))).json()
    async with running_door(catalog, clock) as service:
        token = granted["access_token"]
        headers = {"authorization": f"bearer {token}"}
        checked = await service.http.post("/oauth/check_token", data={"token": token}, headers=headers)
        renewing = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
        renewed = await service.http.post("/oauth/token", data=renewing, auth=("web", "secret"))

    assert (checked.status_code, renewed.status_code) == (200, 200)


@pytest.mark.parametrize("path", ["/api/v0/streams", "/api/v0/download", "/oauth/users", "/api/v0/x/write"])
async def test_what_is_not_said_to_be_open_is_not(site, path):
    """Nothing beside the open routes of the design answers a stranger with more than a refusal (TB-15)."""
    status, _, _ = await post(site, path, "[]", "Content-Type: application/json")

    assert status in {401, 404, 405}
