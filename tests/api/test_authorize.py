"""The login page and its code flow: RFC 6749, 4.1, with RFC 7636 demanded of all (design 7, S4, S12)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import re
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from api.identity.accounts import AUTHORIZATION_CODE, REFRESH_TOKEN, Accounts, Client
from api.identity.redirects import is_registered, may_register, source_of
from api.identity.scopes import DEVICE_SCOPES, SERIES_READ
from runtime.clock import ManualClock
from tests.api.doors import NOW_MS, POLICY, basic, bearer, running_door

BACK = "https://console.example/back?tab=1"
LOOPBACK = "http://127.0.0.1/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The pair of RFC 7636, appendix B."""
USER, PASSWORD = "board", "p@ss!w:o/rd"
GRANTS = (AUTHORIZATION_CODE, REFRESH_TOKEN)


@pytest.fixture
async def page(service):
    """A door with a public client `console` and a confidential one, `server`, of the tenant `acme`."""
    accounts = Accounts(service.catalog)
    uris = (BACK, LOOPBACK)
    await accounts.add(Client("console", "acme", "", DEVICE_SCOPES, GRANTS, redirect_uris=uris))
    hashed = service.passwords.hash("s3cret")
    await accounts.add(Client("server", "acme", hashed, DEVICE_SCOPES, GRANTS, redirect_uris=uris))
    await accounts.add(Client("foreign", "other", "", DEVICE_SCOPES, GRANTS, redirect_uris=uris))
    await accounts.add(Client("once", "acme", "", DEVICE_SCOPES, (AUTHORIZATION_CODE,), redirect_uris=uris))
    return service


def asked(**changes):
    """Give the parameters of a good authorization request with some replaced; None leaves one out."""
    good = {
        "response_type": "code", "client_id": "console", "redirect_uri": BACK, "state": "s&t=1",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


async def show(service, **changes):
    """Open the page."""
    return await service.http.get(f"/oauth/authorize?{urlencode(asked(**changes))}")


async def send(service, headers=None, password=PASSWORD, username=USER, **changes):
    """Send the page's form."""
    form = {**asked(**changes), "username": username, "password": password}
    return await service.http.post("/oauth/authorize", data=form, headers=headers or {})


async def code_of(service, **changes):
    """Log in and give the code."""
    answer = await send(service, **changes)
    assert answer.status_code == 303, answer.text
    return told(answer)["code"]


def told(answer):
    """Give what the client is told in the address that the user is sent back to."""
    return {name: value[0] for name, value in parse_qs(urlsplit(answer.headers["location"]).query).items()}


async def redeem(service, code, headers=None, **changes):
    """Exchange a code."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": "console",
        "code_verifier": VERIFIER, **changes,
    }  # fmt: skip
    sent = {name: value for name, value in form.items() if value is not None}
    return await service.http.post("/oauth/token", data=sent, headers=headers or {})


# -- the page --------------------------------------------------------------------------------------


async def test_the_page_repeats_the_request(page):
    """The form carries every parameter of the request, escaped, and asks for name and password."""
    answer = await show(page)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
    assert {name: html.unescape(value) for name, value in hidden} == asked()
    assert 'method="post" action="authorize"' in answer.text
    assert 'type="password"' in answer.text
    assert "console" in answer.text


async def test_the_page_runs_and_loads_nothing(page):
    """No script, no foreign address, one style by its hash, no frame, and a form that goes where it must."""
    answer = await show(page)
    said = answer.headers["content-security-policy"].split(";")
    rules = dict(rule.strip().partition(" ")[::2] for rule in said)
    style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)[1]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert rules["style-src"] == f"'sha256-{hashed}'"
    assert rules["form-action"] == "'self' https://console.example"
    assert "<script" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "set-cookie" not in answer.headers


async def test_nothing_of_the_request_becomes_markup(page):
    """A state, or a scope, that is markup stays text (S11)."""
    answer = await show(page, state='"><script>alert(1)</script>')

    assert answer.status_code == 200
    assert "<script" not in answer.text


UNTRUSTED = {
    "no client": {"client_id": None},
    "an unknown client": {"client_id": "nobody"},
    "a client without the grant": {"client_id": "acme-tech"},
    "no address": {"redirect_uri": None},
    "another address": {"redirect_uri": "https://evil.example/back"},
    "a longer address": {"redirect_uri": BACK + "&x=1"},
    "a deeper path": {"redirect_uri": "https://console.example/back/../evil?tab=1"},
    "an account before the host": {"redirect_uri": "https://console.example@evil.example/back?tab=1"},
    "a port that is an account": {"redirect_uri": "http://127.0.0.1:80@evil.example/cb"},
    "a host that goes on": {"redirect_uri": "http://127.0.0.1.evil.example/cb"},
    "a backslash": {"redirect_uri": "http://127.0.0.1\\@evil.example/cb"},
    "a fragment": {"redirect_uri": LOOPBACK + "#x"},
    "another loopback path": {"redirect_uri": "http://127.0.0.1:1234/other"},
    "loopback by https": {"redirect_uri": "https://127.0.0.1/cb"},
    "a script": {"redirect_uri": "javascript:alert(1)"},
    "a line break": {"redirect_uri": BACK + "\r\nx: y"},
}


@pytest.mark.parametrize("kind", UNTRUSTED)
async def test_nobody_is_sent_to_an_address_that_is_not_registered(page, kind):
    """Client or address that are not known: the user is told, by both methods, and sent nowhere (S4, S12)."""
    for answer in (await show(page, **UNTRUSTED[kind]), await send(page, **UNTRUSTED[kind])):
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "evil" not in answer.text
        assert "form-action 'none'" in answer.headers["content-security-policy"]


async def test_a_repeated_parameter_is_refused(page):
    """Two readers must not see two requests (RFC 6749, 3.1)."""
    query = urlencode(asked()) + "&client_id=other"
    body = {"content": query, "headers": {"content-type": "application/x-www-form-urlencoded"}}

    assert (await page.http.get(f"/oauth/authorize?{query}")).status_code == 400
    assert (await page.http.post("/oauth/authorize", **body)).status_code == 400


DOWNGRADES = {
    "no challenge": ({"code_challenge": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "no method, which would mean plain": ({"code_challenge_method": None}, "invalid_request"),
    "neither": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "a method in other letters": ({"code_challenge_method": "s256"}, "invalid_request"),
    "a short challenge": ({"code_challenge": CHALLENGE[:-1]}, "invalid_request"),
    "a challenge of other letters": ({"code_challenge": "+" * 43}, "invalid_request"),
    "the implicit flow": ({"response_type": "token"}, "unsupported_response_type"),
    "a hybrid flow": ({"response_type": "code token"}, "unsupported_response_type"),
    "no response type": ({"response_type": None}, "unsupported_response_type"),
    "a scope beyond the client": ({"scope": "iot.tim.r asm.w"}, "invalid_scope"),
}


@pytest.mark.parametrize("kind", DOWNGRADES)
async def test_weaker_requests_go_back_with_an_error(page, kind):
    """Without S256, or for another flow, no page is shown and no code given (PKCE downgrade, S4)."""
    changes, error = DOWNGRADES[kind]
    for answer in (await show(page, **changes), await send(page, **changes)):
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(BACK + "&")
        assert (told(answer)["error"], told(answer)["state"]) == (error, "s&t=1")
        assert "code" not in told(answer)


async def test_a_long_state_is_not_repeated(page):
    """What has to be handed through has a limit."""
    answer = await show(page, state="x" * 1_001)

    assert (answer.status_code, told(answer)["error"]) == (303, "invalid_request")
    assert "state" not in told(answer)


# -- the login -------------------------------------------------------------------------------------


async def test_a_login_gives_a_code_and_the_state(page):
    """Name and password send the user back with a code; the address that was registered keeps its query."""
    answer = await send(page)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("https://console.example/back?tab=1&code=acme.")
    assert told(answer)["state"] == "s&t=1"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_password_shows_the_page_again(page):
    """Wrong name and wrong password look alike, and the form is there for another try."""
    wrong = await send(page, password="guess")
    nobody = await send(page, username="nobody")

    assert (wrong.status_code, wrong.text) == (400, nobody.text)
    assert "Name or password is wrong." in wrong.text
    assert "guess" not in wrong.text


async def test_guessing_passwords_is_braked(page):
    """After some wrong ones the right one has to wait as well, and the answer says for how long (S15)."""
    for _ in range(6):
        await send(page, password="guess")

    braked = await send(page)
    page.clock.advance(300_000)

    assert (braked.status_code, braked.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert int(braked.headers["retry-after"]) > 0
    assert (await send(page)).status_code == 303


FOREIGN = {
    "another origin": {"origin": "https://evil.example"},
    "a hidden origin": {"origin": "null"},
    "an origin that begins like ours": {"origin": "http://door.evil.example"},
    "an origin that is none": {"origin": "http://["},
    "another site": {"sec-fetch-site": "cross-site"},
    "the same site": {"sec-fetch-site": "same-site"},
}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_form_of_a_foreign_page_is_refused(page, kind):
    """A browser says where a form came from; one of another page logs nobody in (S12)."""
    answer = await send(page, FOREIGN[kind])

    assert answer.status_code == 403
    assert "location" not in answer.headers


async def test_a_form_of_our_own_page_is_taken(page):
    """What browsers send with the page's form passes; so does what says nothing of itself."""
    own = {"origin": "http://door", "sec-fetch-site": "same-origin"}

    assert (await send(page, own)).status_code == 303


async def test_behind_a_proxy_the_origin_is_the_public_one(page):
    """With a public URL the page's origin is that, whatever the head of the request says."""
    policy = replace(POLICY, public_url="https://things.example/prefix")
    async with running_door(page.catalog, ManualClock(NOW_MS), policy) as door:
        taken = await send(door, {"origin": "https://things.example"})
        refused = await send(door, {"origin": "http://door"})

    assert (taken.status_code, refused.status_code) == (303, 403)


async def test_users_of_another_tenant_cannot_log_in_at_a_client(page):
    """A tenant's client serves its own users."""
    assert (await send(page, client_id="foreign")).status_code == 400


async def test_a_suspended_tenant_has_no_page(page):
    """Its clients are as unknown."""
    import msgspec

    from schemas.tenants import Tenant

    document = await page.catalog.get("core", "tenant", "acme")
    changed = msgspec.structs.replace(msgspec.json.decode(document.body, type=Tenant), suspended=True)
    await page.catalog.replace("core", "tenant", "acme", msgspec.json.encode(changed), document.version)

    assert (await show(page)).status_code == (await send(page)).status_code == 400


# -- the code --------------------------------------------------------------------------------------


async def test_a_code_gives_a_users_tokens(page):
    """The client gets the user's token of 1,799 s and a refresh token that it renews without a secret."""
    answer = await redeem(page, await code_of(page, scope=SERIES_READ))

    first = answer.json()
    assert (answer.status_code, first["expires_in"], first["scope"]) == (200, 1_799, SERIES_READ)
    headers = bearer(first["access_token"])
    checked = await page.http.post(
        "/oauth/check_token", data={"token": first["access_token"]}, headers=headers
    )
    assert (checked.json()["user_name"], checked.json()["client_id"]) == (USER, "console")
    form = {"grant_type": "refresh_token", "client_id": "console", "refresh_token": first["refresh_token"]}
    second = (await page.http.post("/oauth/token", data=form)).json()
    assert (second["expires_in"], second["scope"]) == (1_799, SERIES_READ)


async def test_a_client_without_the_refresh_grant_gets_no_refresh_token(page):
    """What could not be used is not given."""
    answer = await redeem(page, await code_of(page, client_id="once"), client_id="once")

    assert (answer.status_code, "refresh_token" in answer.json()) == (200, False)


async def test_a_second_use_of_a_code_ends_everything(page):
    """The code was stolen, or its first use was: refresh token and access token end, too (S4, RFC 9700)."""
    code = await code_of(page)
    first = (await redeem(page, code)).json()
    headers, asked_for = bearer(first["access_token"]), {"token": first["access_token"]}

    again = await redeem(page, code)
    await page.door.services.refresh()

    form = {"grant_type": "refresh_token", "client_id": "console", "refresh_token": first["refresh_token"]}
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert (await page.http.post("/oauth/token", data=form)).status_code == 400
    assert (await page.http.post("/oauth/check_token", data=asked_for, headers=headers)).status_code == 401


async def test_of_two_uses_at_once_one_wins_at_most(page):
    """A race gives one client tokens, never two."""
    code = await code_of(page)

    answers = await asyncio.gather(*(redeem(page, code) for _ in range(4)))

    assert [answer.status_code for answer in answers].count(200) <= 1
    assert {answer.status_code for answer in answers} <= {200, 400}


BAD_USES = {
    "no verifier": {"code_verifier": None},
    "an empty verifier": {"code_verifier": ""},
    "another verifier": {"code_verifier": "x" * 43},
    "the challenge as verifier": {"code_verifier": CHALLENGE},
    "a short verifier": {"code_verifier": VERIFIER[:-1]},
    "no address": {"redirect_uri": None},
    "another address that is registered": {"redirect_uri": LOOPBACK},
    "another client": {"client_id": "once"},
    "a foreign client": {"client_id": "foreign"},
    "a client that has a secret, without it": {"client_id": "server"},
    "no client": {"client_id": None},
    "a secret that a public client cannot have": {"client_secret": ""},
    "the text that no secret hashes to": {"client_secret": "nobody has this secret"},
}


@pytest.mark.parametrize("kind", BAD_USES)
async def test_a_code_is_bound(page, kind):
    """To its client, its address and its verifier: anything else is refused, and the code stays good (S4)."""
    code = await code_of(page)

    answer = await redeem(page, code, **BAD_USES[kind])

    assert answer.status_code in {400, 401}
    assert "access_token" not in answer.text
    assert (await redeem(page, code)).status_code == 200


async def test_a_code_lives_for_a_minute(page):
    """After 60 s it is worth nothing."""
    in_time, too_late = await code_of(page), await code_of(page)
    page.clock.advance(59_000)
    taken = await redeem(page, in_time)
    page.clock.advance(1_000)

    assert (taken.status_code, (await redeem(page, too_late)).status_code) == (200, 400)


async def test_a_code_is_no_refresh_token_and_none_is_a_code(page):
    """Each is good for its own grant only, and trying the other spoils nothing."""
    code = await code_of(page)
    as_token = {"grant_type": "refresh_token", "client_id": "console", "refresh_token": code}
    mixed = await page.http.post("/oauth/token", data=as_token)
    tokens = (await redeem(page, code)).json()

    mixed_too = await redeem(page, tokens["refresh_token"])

    assert (mixed.status_code, mixed_too.status_code) == (400, 400)
    renewing = {**as_token, "refresh_token": tokens["refresh_token"]}
    assert (await page.http.post("/oauth/token", data=renewing)).status_code == 200


async def test_a_client_with_a_secret_must_show_it(page):
    """Confidential clients may use the page; the challenge does not stand for their secret."""
    code = await code_of(page, client_id="server")

    guessed = await redeem(page, code, basic("server", "guess"), client_id=None)
    right = await redeem(page, code, basic("server", "s3cret"), client_id=None)

    assert (guessed.status_code, right.status_code) == (401, 200)


async def test_a_public_client_cannot_act_for_itself(page):
    """Whoever needs no secret gets no token of its own, and no user's by a password."""
    for grant in ("client_credentials", "password"):
        form = {"grant_type": grant, "client_id": "console", "username": USER, "password": PASSWORD}

        assert (await page.http.post("/oauth/token", data=form)).status_code == 401


async def test_a_native_program_takes_any_port(page):
    """The port of a loopback address is free, and the code is bound to the one that was used (RFC 8252)."""
    uri = "http://127.0.0.1:51004/cb"
    code = await code_of(page, redirect_uri=uri)

    elsewhere = await redeem(page, code, redirect_uri="http://127.0.0.1:51005/cb")

    assert elsewhere.status_code == 400
    assert (await redeem(page, code, redirect_uri=uri)).status_code == 200


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://a.example/cb", "https://a.example"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("https://a.example/cb?x=1&y=%20", "https://a.example"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:8000"),
        ("http://[::1]/cb", "http://[::1]"),
        ("http://localhost:3000/cb", "http://localhost:3000"),
        ("com.example.app:/cb", "com.example.app:"),
    ],
)
def test_addresses_that_may_be_registered(uri, source):
    """https, loopback addresses and a program's own scheme (RFC 8252); each as a source of a page's rules."""
    assert may_register(uri)
    assert is_registered(uri, [uri])
    assert source == source_of(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "", "/cb", "//a.example/cb", "http://a.example/cb", "https://", "https://a b.example/",
        "ftp://a.example", "javascript:alert(1)", "data:text/html,x", "https://user@a.example/cb",
        "http://localhost:80@a.example", "https://a.example/#x", "https://a.example/;x",
        "https://a.example/cb\n", "https://ä.example/cb", "myapp:/cb", "https://a.example/" + "x" * 500,
        "http://127.0.0.2/cb", "https://*.example/cb",
    ],
)  # fmt: skip
def test_addresses_that_may_not(uri):
    """Plain http to elsewhere, schemes without a domain, accounts, fragments, blanks, wildcards, lengths."""
    assert not may_register(uri)
    assert not is_registered(uri, [uri])


def test_the_challenge_is_that_of_the_standard():
    """The pair of RFC 7636, appendix B, is computed here by other means."""
    digest = hashlib.sha256(VERIFIER.encode()).digest()

    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == CHALLENGE
