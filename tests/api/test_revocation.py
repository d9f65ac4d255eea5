"""Logging out: what was taken back is refused everywhere before it would have ended (RFC 7009, S4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.identity.accounts import AUTHORIZATION_CODE, REFRESH_TOKEN, Accounts, Client
from api.identity.scopes import DEVICE_SCOPES
from runtime.clock import ManualClock
from tests.api.doors import NOW_MS, POLICY, basic, bearer, running_door, token_of

WEB = basic("web", "secret")
TECH = basic("acme-tech", "s3cret")


async def login(service):
    """Log the board in; gives its tokens."""
    form = {"grant_type": "password", "username": "board", "password": "p@ss!w:o/rd"}
    answer = await service.http.post("/oauth/token", data=form, headers=WEB)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def renew(service, token):
    """Try a refresh token; gives the status."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return (await service.http.post("/oauth/token", data=form, headers=WEB)).status_code


async def check(service, token):
    """Try an access token; gives the status."""
    answer = await service.http.post("/oauth/check_token", data={"token": token}, headers=bearer(token))
    return answer.status_code


async def revoke(service, token, headers=WEB, **form):
    """Take a token back; gives the answer."""
    return await service.http.post("/oauth/revoke", data={"token": token, **form}, headers=headers)


@pytest.mark.parametrize("member", ["refresh_token", "access_token"])
@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "nonsense"}])
async def test_a_logout_ends_the_login(service, member, hint):
    """With either of its tokens: both are refused at once, and a second try is no error (S4)."""
    tokens, others = await login(service), await login(service)

    answer = await revoke(service, tokens[member], **hint)
    again = await revoke(service, tokens[member], **hint)

    assert (answer.status_code, answer.content, again.status_code) == (200, b"", 200)
    assert [await check(service, tokens["access_token"]), await renew(service, tokens["refresh_token"])] == [
        401, 400,
    ]  # fmt: skip
    assert [await check(service, others["access_token"]), await renew(service, others["refresh_token"])] == [
        200, 200,
    ]  # fmt: skip


async def test_other_doors_follow(service):
    """A door that verified the token a moment ago refuses it once it has read the change log."""
    tokens = await login(service)
    policy = replace(POLICY, catalog_refresh_s=3_600.0)
    async with running_door(service.catalog, ManualClock(NOW_MS), policy) as second:
        before = await check(second, tokens["access_token"])
        await revoke(service, tokens["refresh_token"])
        await second.door.services.refresh()
        after = await check(second, tokens["access_token"])
    async with running_door(service.catalog, ManualClock(NOW_MS)) as third:
        later = await check(third, tokens["access_token"])

    assert (before, after, later) == (200, 401, 401)


async def test_a_renewed_login_ends_as_a_whole(service):
    """Every access token of the login ends, not the newest alone."""
    first = await login(service)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await service.http.post("/oauth/token", data=form, headers=WEB)).json()

    await revoke(service, second["refresh_token"])

    assert [await check(service, one["access_token"]) for one in (first, second)] == [401, 401]


async def test_reuse_of_a_refresh_token_ends_access_tokens_too(service):
    """When a stolen refresh token shows, what it was exchanged for is refused as well (S4)."""
    first = await login(service)
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = (await service.http.post("/oauth/token", data=form, headers=WEB)).json()

    reused = await renew(service, first["refresh_token"])
    await service.door.services.refresh()

    assert reused == 400
    assert [await check(service, one["access_token"]) for one in (first, second)] == [401, 401]


async def test_a_clients_own_token_ends_alone(service):
    """A token that a secret gave can be taken back; others of the client hold on."""
    one, two = [await token_of(service.http, "acme-tech", "s3cret") for _ in range(2)]

    answer = await revoke(service, one, TECH)

    assert answer.status_code == 200
    assert [await check(service, one), await check(service, two)] == [401, 200]


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
async def test_foreign_tokens_are_left_alone(service, kind):
    """Another client's token is answered as an unknown one is, and goes on (RFC 7009, 2.1)."""
    tokens = await login(service)

    foreign = await revoke(service, tokens[kind], basic("other-tech", "0ther"))
    unknown = await revoke(service, "x", basic("other-tech", "0ther"))

    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content) == (200, b"")
    assert [await check(service, tokens["access_token"]), await renew(service, tokens["refresh_token"])] == [
        200, 200,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "acme." + "0" * 32 + ".x", "..", "acme..", "ü", "x" * 9_000, "a.b.c.d.e"]
)
async def test_unknown_tokens_are_no_error(service, token):
    """Whatever a client calls a token: 200 (RFC 7009, 2.2)."""
    assert (await revoke(service, token)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "form", "status"),
    [
        ({}, {}, 401), (basic("web", "guess"), {}, 401), (bearer("x"), {}, 401),
        ({}, {"client_id": "web"}, 401), ({}, {"client_id": "web", "client_secret": "guess"}, 401),
        ({}, {"client_id": "web", "client_secret": "secret"}, 200), ({}, {"client_id": "nobody"}, 401),
    ],
)  # fmt: skip
async def test_the_client_says_who_it_is(service, headers, form, status):
    """As at the token endpoint: by its secret, in the header or the form."""
    tokens = await login(service)

    answer = await revoke(service, tokens["refresh_token"], headers, **form)

    assert answer.status_code == status
    assert await check(service, tokens["access_token"]) == (401 if status == 200 else 200)


async def test_a_program_without_a_secret_logs_out(service):
    """A public client says its id, and no secret is its; it can end nothing but its own logins."""
    grants = (AUTHORIZATION_CODE, REFRESH_TOKEN)
    await Accounts(service.catalog).add(Client("console", "acme", "", DEVICE_SCOPES, grants))
    tokens = await login(service)

    answer = await revoke(service, tokens["refresh_token"], {}, client_id="console")
    nobodys = await revoke(service, "x", basic("console", "nobody has this secret"))

    assert (answer.status_code, await check(service, tokens["access_token"])) == (200, 200)
    assert nobodys.status_code == 401


@pytest.mark.parametrize("body", [b"", b"token_type_hint=x", b"token=a&token=b", b"\xff"])
async def test_a_form_without_a_token(service, body):
    """One token a request: 400 otherwise."""
    headers = {**WEB, "content-type": "application/x-www-form-urlencoded"}

    answer = await service.http.post("/oauth/revoke", content=body, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_the_list_of_what_ended_does_not_grow(service):
    """A line is forgotten when every token that it names has ended by itself."""
    tokens = await login(service)
    await revoke(service, tokens["refresh_token"])
    kept = len(await service.catalog.list("core", "revoked"))
    service.clock.advance(3_700_000)
    await service.door.services.refresh()

    assert kept == 1
    assert await service.catalog.list("core", "revoked") == []
