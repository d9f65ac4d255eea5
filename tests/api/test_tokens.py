"""Logging in, as clients of every kind do it (wire 7.1, TB-01 … TB-11)."""

import base64
import json
import re

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from api.identity.scopes import ALL_SCOPES, DEVICE_SCOPES
from tests.api.doors import NOW_MS, basic, bearer, token_of

NOW_S = NOW_MS // 1_000


async def login(service, headers=None, **form):
    """Ask the token endpoint."""
    return await service.http.post("/oauth/token", data=form, headers=headers or {})


async def board_login(service, password="p@ss!w:o/rd"):
    """Log the device user in, as TimeBase's agent does."""
    form = {"grant_type": "password", "scope": "trust", "password": password, "username": "board"}
    return await login(service, basic("web", "secret"), **form)


def claims_of(token):
    """Read a token's claims without looking at its signature."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_client_credentials_give_a_bearer_token(service):
    """A technical user gets a token of 1,799 s with all its scopes (wire 7.1)."""
    answer = await login(service, basic("acme-tech", "s3cret"), grant_type="client_credentials")

    body = answer.json()
    assert answer.status_code == 200
    assert list(body) == ["access_token", "token_type", "expires_in", "scope", "jti"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1_799)
    assert body["scope"] == " ".join(ALL_SCOPES)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


async def test_claims_are_those_of_the_design(service):
    """A token says who, whose, what and until when; it has no `nbf` (design 8.14)."""
    claims = claims_of(await token_of(service.http, "acme-tech", "s3cret"))

    assert {"iss", "sub", "jti", "iat", "exp", "ten", "scope", "client_id", "cat"} == set(claims)
    assert (claims["ten"], claims["sub"], claims["client_id"]) == ("acme", "acme-tech", "acme-tech")
    assert (claims["iat"], claims["exp"]) == (NOW_S, NOW_S + 1_799)
    assert claims["scope"] == list(ALL_SCOPES)


async def test_clients_can_verify_tokens_with_the_published_key(service):
    """The first published key is the one that signed, with a PEM of several lines beside it (wire 7.1)."""
    token = await token_of(service.http, "acme-tech", "s3cret")

    keys = (await service.http.get("/token_keys")).json()["keys"]

    assert {"kid", "alg", "use", "kty", "n", "e", "value"} == set(keys[0])
    assert (keys[0]["alg"], keys[0]["use"], keys[0]["kty"]) == ("RS256", "sig", "RSA")
    assert re.fullmatch(r"-----BEGIN PUBLIC KEY-----\n(?:.+\n)+-----END PUBLIC KEY-----\n", keys[0]["value"])
    verified = jwt.decode(token, RSAKey.import_key(keys[0]["value"]), ["RS256"])
    assert verified.header["kid"] == keys[0]["kid"]
    assert jwt.decode(token, KeySet.import_key_set({"keys": keys}), ["RS256"]).claims == verified.claims


async def test_a_rotated_key_stands_first_and_old_tokens_stay_good(service):
    """After a rotation new tokens are signed by the new first key; older ones work until they expire."""
    before = (await service.http.get("/token_keys")).json()["keys"]
    await service.door.services.identity.keys.rotate(NOW_MS, 2048)

    after = (await service.http.get("/token_keys")).json()["keys"]
    fresh = bearer(await token_of(service.http, "acme-tech", "s3cret"))

    assert after[1:] == before
    service.door.services.identity.tokens.forget()
    assert (await service.http.get("/metrics", headers=service.acme)).status_code == 200
    assert (await service.http.get("/metrics", headers=fresh)).status_code == 200


async def test_secret_may_come_in_the_form(service):
    """A client without a Basic header sends id and secret in the form (TB-06)."""
    answer = await login(
        service, grant_type="client_credentials", client_id="acme-tech", client_secret="s3cret"
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        (basic("acme-tech", "wrong"), {}),
        (basic("nobody", "s3cret"), {}),
        (basic("acme-tech", ""), {}),
        ({"authorization": "Basic !!!"}, {}),
        ({"authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()}, {}),
        ({"authorization": "Bearer x"}, {}),
        ({}, {}),
        ({}, {"client_id": "acme-tech", "client_secret": "wrong"}),
        ({}, {"client_id": "acme-tech"}),
    ],
)
async def test_bad_client_credentials(service, headers, form):
    """Whatever is wrong with a client's credentials, the answer is the platform's 401 (wire 7.1)."""
    answer = await login(service, headers, grant_type="client_credentials", **form)

    assert answer.status_code == 401
    assert answer.json() == {"error": "unauthorized", "error_description": "Bad credentials"}
    assert answer.headers["www-authenticate"] == 'Basic realm="aspectstore"'


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "password", "username": "board", "password": "x"}, "unauthorized_client"),
        ({"grant_type": "client_credentials", "scope": "root"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "iot.tim.r root"}, "invalid_scope"),
    ],
)
async def test_refusals_are_those_of_rfc_6749(service, form, error):
    """What the protocol forbids is answered with its own error words."""
    answer = await login(service, basic("acme-tech", "s3cret"), **form)

    assert answer.status_code == 400
    assert set(answer.json()) <= {"error", "error_description"}
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=password&grant_type=password",
        b"a=%ff",
        b"\xff",
        b"&".join(b"k%d=1" % i for i in range(99)),
    ],
)
async def test_malformed_forms_are_refused(service, body):
    """A repeated parameter, bytes that are no UTF-8 and too many fields are the client's fault: 400."""
    headers = {**basic("acme-tech", "s3cret"), "content-type": "application/x-www-form-urlencoded"}

    answer = await service.http.post("/oauth/token", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


async def test_a_token_may_ask_for_less(service):
    """A client that asks for some of its scopes gets exactly those."""
    answer = await login(
        service, basic("acme-tech", "s3cret"), grant_type="client_credentials", scope="iot.tim.w iot.tim.r"
    )

    assert answer.json()["scope"] == "iot.tim.r iot.tim.w"
    headers = bearer(answer.json()["access_token"])
    assert (await service.http.get("/metrics", headers=headers)).status_code == 403


async def test_password_grant_of_the_article(service):
    """The agent of the article logs in as it always did (TB-01, TB-02, TB-07)."""
    answer = await service.http.post(
        "/oauth/token",
        content="grant_type=password&scope=trust&password=p@ss!w:o/rd&username=board",
        headers={
            "authorization": "Basic d2ViOnNlY3JldA==",
            "content-type": "application/x-www-form-urlencoded",
        },
    )

    body = answer.json()
    assert answer.status_code == 200
    assert (body["token_type"], body["expires_in"]) == ("bearer", 300)
    assert body["scope"] == " ".join(DEVICE_SCOPES)
    assert body["refresh_token"]
    assert claims_of(body["access_token"])["ten"] == "acme"


@pytest.mark.parametrize("password", ["a&b", "a+b", "50%", "%zz", "100%ff"])
async def test_passwords_that_cannot_be_sent_raw_are_refused_politely(service, password):
    """`&`, `+` and `%` do not survive an unescaped form: 400, never 500 (TB-04)."""
    answer = await service.http.post(
        "/oauth/token",
        content=f"grant_type=password&scope=trust&password={password}&username=board",
        headers={**basic("web", "secret"), "content-type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 400


async def test_wrong_password_is_a_refusal_in_json(service):
    """A wrong password and an unknown user are told apart by nobody (TB-05)."""
    wrong = await board_login(service, "wrong")
    unknown = await login(
        service, basic("web", "secret"), grant_type="password", username="nobody", password="wrong"
    )

    assert (wrong.status_code, unknown.status_code) == (400, 400)
    assert wrong.json() == unknown.json() == {
        "error": "invalid_grant", "error_description": "Bad credentials"
    }  # fmt: skip


async def test_refresh_gives_a_new_pair(service):
    """A refresh without a scope gives a new access token and again a refresh token (TB-03)."""
    first = (await board_login(service)).json()

    answer = await login(
        service, basic("web", "secret"), grant_type="refresh_token", refresh_token=first["refresh_token"]
    )

    second = answer.json()
    assert answer.status_code == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert second["scope"] == first["scope"]


async def test_reuse_of_a_refresh_token_ends_its_family(service):
    """A refresh token that was used already was stolen, or its successor was: both end (S4)."""
    first = (await board_login(service)).json()["refresh_token"]
    form = {"grant_type": "refresh_token"}
    second = (await login(service, basic("web", "secret"), **form, refresh_token=first)).json()[
        "refresh_token"
    ]

    reused = await login(service, basic("web", "secret"), **form, refresh_token=first)
    successor = await login(service, basic("web", "secret"), **form, refresh_token=second)

    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert (successor.status_code, successor.json()["error"]) == (400, "invalid_grant")
    assert (await board_login(service)).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "acme..", "acme.00.x", "ü.ü.ü", "a.b.c.d", "x" * 9_000])
async def test_foreign_refresh_tokens_are_refused(service, token):
    """Anything that is not one of our refresh tokens is refused."""
    answer = await login(service, basic("web", "secret"), grant_type="refresh_token", refresh_token=token)

    assert answer.status_code == 400


async def test_refresh_tokens_belong_to_their_client(service):
    """A refresh token of one client is worth nothing in another's hand."""
    token = (await board_login(service)).json()["refresh_token"]

    answer = await login(
        service, basic("other-tech", "0ther"), grant_type="refresh_token", refresh_token=token
    )

    assert answer.status_code == 400


async def test_lifetimes(service):
    """An expired access token is 401; refreshing works until the refresh token expires (TB-07, TB-08)."""
    granted = (await board_login(service)).json()
    headers, form = bearer(granted["access_token"]), {"grant_type": "refresh_token"}
    alive = await service.http.post("/oauth/check_token", data={"token": "x"}, headers=headers)
    service.clock.advance(300_000)

    expired = await service.http.post("/oauth/check_token", data={"token": "x"}, headers=headers)
    service.clock.advance(86_000_000)
    renewed = await login(service, basic("web", "secret"), **form, refresh_token=granted["refresh_token"])
    service.clock.advance(86_400_000)
    too_late = await login(
        service, basic("web", "secret"), **form, refresh_token=renewed.json()["refresh_token"]
    )

    assert (alive.status_code, expired.status_code) == (403, 401)
    assert (renewed.status_code, too_late.status_code) == (200, 400)


async def test_users_of_another_tenant_need_their_own_client(service):
    """Only the shared client of `core` logs users of every tenant in (TB-01)."""
    answer = await login(
        service, basic("other-tech", "0ther"), grant_type="password", username="board", password="p@ss!w:o/rd"
    )

    assert answer.status_code == 400


async def test_check_token_tells_the_callers_tenant_only(service):
    """Whoever asks what a token says must have one, and learns about his own tenant's only (TB-09)."""
    token = service.acme["authorization"].removeprefix("Bearer ")

    own = await service.http.post("/oauth/check_token", data={"token": token}, headers=service.acme)
    foreign = await service.http.post("/oauth/check_token", data={"token": token}, headers=service.other)
    nobody = await service.http.post("/oauth/check_token", data={"token": token})

    assert (own.json()["ten"], own.json()["active"]) == ("acme", True)
    assert (foreign.status_code, nobody.status_code) == (403, 401)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_may_be_written_in_any_case(service, scheme):
    """TimeBase's agent writes `bearer` (TB-11)."""
    token = service.acme["authorization"].removeprefix("Bearer ")

    answer = await service.http.get("/metrics", headers={"authorization": f"{scheme} {token}"})

    assert answer.status_code == 200


async def test_guessing_is_braked(service):
    """After some wrong secrets a pair of account and address has to wait, also with the right one (S15)."""
    for _ in range(6):
        await login(service, basic("acme-tech", "wrong"), grant_type="client_credentials")

    braked = await login(service, basic("acme-tech", "s3cret"), grant_type="client_credentials")
    service.clock.advance(300_000)
    later = await login(service, basic("acme-tech", "s3cret"), grant_type="client_credentials")

    assert braked.status_code == 429
    assert int(braked.headers["retry-after"]) > 0
    assert braked.json()["error"] == "slow_down"
    assert later.status_code == 200


async def test_secrets_with_special_characters(service):
    """A client may send its secret raw or percent-encoded in the Basic header (RFC 6749, 2.3.1)."""
    from api.identity.setup import Credentials, add_client

    await add_client(service.catalog, service.passwords, Credentials("acme", "odd", "a%41:ü"))

    raw = await login(service, basic("odd", "a%41:ü"), grant_type="client_credentials")
    encoded = await login(service, basic("odd", "a%2541%3A%C3%BC"), grant_type="client_credentials")

    assert (raw.status_code, encoded.status_code) == (200, 200)


async def test_refresh_tokens_past_their_time_are_swept(service):
    """Families that nobody renewed do not stay in the catalogue for ever."""
    await board_login(service)
    service.clock.advance(80_000_000)
    await board_login(service)
    service.clock.advance(10_000_000)

    await service.door.services.refresh()

    assert len(await service.catalog.list("acme", "token")) == 1
