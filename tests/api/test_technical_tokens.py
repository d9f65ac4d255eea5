"""The Technical Token Manager and the two shapes of public keys (wire 5.3, 7.1, 7.2)."""

from __future__ import annotations

import base64
import json
import re

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from api.identity.scopes import ALL_SCOPES
from tests.api.doors import NOW_MS, basic, bearer, token_of

PATH = "/api/technicaltokenmanager/v3/oauth/token"
SEVERAL = "/api/technicaltokenmanager/v3/oauthTokens"
AGENTS = "/api/agentmanagement/v3/oauth"
SAMPLE = {"appName": "cli", "appVersion": "1.0.0", "hostTenant": "acme", "userTenant": "acme"}


def space(client="acme-tech", secret="s3cret"):
    """Give the header in which platform clients send their secret."""
    return {"x-space-auth-key": basic(client, secret)["authorization"]}


async def ask(service, headers=None, query="", **body):
    """Ask for a token as the Node SDK does."""
    return await service.http.post(PATH + query, json=body, headers=space() if headers is None else headers)


async def test_the_sdks_request(service):
    """Secret in `X-SPACE-AUTH-KEY`, JSON with application and tenants: a token, and when (wire 7.2)."""
    answer = await ask(service, **SAMPLE)

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "jti", "timestamp"}
    assert (body["token_type"], body["expires_in"], body["timestamp"]) == ("bearer", 1_799, NOW_MS)
    assert body["scope"] == " ".join(ALL_SCOPES)
    headers = bearer(body["access_token"])
    assert (await service.http.get("/metrics", headers=headers)).status_code == 200


WAYS = {
    "in the Authorization header": (basic("acme-tech", "s3cret"), "", SAMPLE),
    "with the grant": (space(), "", {**SAMPLE, "grant_type": "client_credentials"}),
    "as parameters of the query": (
        space(),
        "?appName=a&hostTenant=acme&userTenant=acme&caller_context=x&grant_type=client_credentials",
        None,
    ),
    "with nothing": (space(), "", {}),
    "without a body": (space(), "", None),
    "with what nobody knows": (space(), "?x=1", {"y": "2"}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_way_to_ask(service, way):
    """JSON or query, each field optional, either header: clients differ in all of it (wire 7.2)."""
    headers, query, body = WAYS[way]

    content = None if body is None else json.dumps(body)
    answer = await service.http.post(PATH + query, content=content, headers=headers)

    assert answer.status_code == 200, answer.text


async def test_a_form_will_do(service):
    """Fields may come as a form, too."""
    answer = await service.http.post(PATH, data={"appName": "a", "userTenant": "acme"}, headers=space())

    assert answer.status_code == 200


async def test_the_headers_own_secret_goes_first(service):
    """With both headers the one of this interface counts, for a client may send its token along."""
    answer = await ask(service, {**space(), **bearer("x")}, **SAMPLE)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, space(secret="guess"), space("nobody"), {"x-space-auth-key": "x"}, basic("acme-tech", "x")],
)
async def test_bad_credentials(service, headers):
    """Whatever is wrong with the secret: the platform's 401 (wire 0.7)."""
    answer = await ask(service, headers, **SAMPLE)

    assert answer.status_code == 401
    assert answer.json() == {"error": "unauthorized", "error_description": "Bad credentials"}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", b'{"userTenant":"other"}'), ("", b'{"hostTenant":"nobody"}'), ("?userTenant=other", b""),
        ("", b'{"grant_type":"password"}'), ("", b'{"appName":1}'), ("", b"[]"), ("", b"{"), ("", b'"x"'),
        ("", b'{"userTenant":"acme","userTenant":"other"}'), ("?appName=a&appName=b", b""), ("", b"\xff"),
    ],
)  # fmt: skip
async def test_requests_that_cannot_be(service, query, body):
    """Foreign and unknown tenants alike, other grants, what is no text and no object: 400 (RFC 6749, 5.2)."""
    answer = await service.http.post(PATH + query, content=body, headers=space())

    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "error_description"}


async def test_foreign_and_unknown_tenants_look_alike(service):
    """Nobody learns here which tenants there are."""
    foreign = await ask(service, userTenant="other")
    unknown = await ask(service, userTenant="nobody")

    assert foreign.json() == unknown.json()


async def test_several_tokens(service):
    """One token for each tenant that is named, each of which must be the client's own (wire 7.2)."""
    body = {"hostTenantId": "acme", "userTenantIds": ["acme"], "appName": "cli"}

    answer = await service.http.post(SEVERAL, json=body, headers=space())
    foreign = await service.http.post(SEVERAL, json={"userTenantIds": ["acme", "other"]}, headers=space())
    several = await service.http.post(SEVERAL, json={"userTenantIds": ["a", "b", "c"]}, headers=space())
    none = await service.http.post(SEVERAL, json={}, headers=space())

    (token,) = answer.json()
    assert (token["userTenantId"], token["timestamp"]) == ("acme", NOW_MS)
    assert [foreign.status_code, several.status_code, none.status_code] == [400, 400, 400]


async def test_platform_clients_verify_what_they_got(service):
    """`keys[0]` has the token's key id and a PEM of several lines that verifies it (wire 7.1, 13.4)."""
    token = (await ask(service, **SAMPLE)).json()["access_token"]
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))

    first = (await service.http.get("/token_keys")).json()["keys"][0]

    assert header == {"alg": "RS256", "kid": first["kid"], "typ": "JWT"}
    assert first["value"].splitlines()[0] == "-----BEGIN PUBLIC KEY-----"
    assert jwt.decode(token, RSAKey.import_key(first["value"]), ["RS256"]).claims["ten"] == "acme"


async def test_agents_put_the_line_breaks_in_themselves(service):
    """Their key's PEM is one line; with the two breaks that the SDK inserts it verifies (wire 5.3, 13.3)."""
    token = await token_of(service.http, "acme-tech", "s3cret")

    key = (await service.http.get(f"{AGENTS}/token_key")).json()
    keys = (await service.http.get(f"{AGENTS}/token_keys")).json()["keys"]

    assert set(key) == {"kty", "e", "n", "kid", "alg", "use", "value"}
    assert keys[0] == key
    assert re.fullmatch(r"-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=]+-----END PUBLIC KEY-----", key["value"])
    pem = key["value"].replace("KEY-----", "KEY-----\n", 1).replace("-----END", "\n-----END")
    assert jwt.decode(token, RSAKey.import_key(pem), ["RS256"]).header["kid"] == key["kid"]
    platform = (await service.http.get("/token_keys")).json()["keys"][0]
    assert {**platform, "value": ""} == {**key, "value": ""}
