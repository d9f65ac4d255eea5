"""What a head may claim: a host, and who stands behind a proxy (S12).

What the head of every answer has is looked at in the access matrix.
"""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.api.doors import POLICY
from tests.api.masts import MAST, PATH, running_site
from tests.api.served import served_site

GOOD = ["door", "door:8080", "127.0.0.1:80", "[::1]:8080", "my_service.example-1.org", "DOOR"]
BAD = {
    "none": [],
    "two": ["door", "evil.example"],
    "twice the same": ["door", "door"],
    "empty": [""],
    "a port alone": [":80"],
    "a name and a path": ["door/evil"],
    "an account": ["door@evil.example"],
    "a script": ['"><script>'],
    "a port that is none": ["door:8x"],
    "no ASCII": ["dör"],
    "a blank": ["door evil.example"],
    "half an address": ["[::1"],
}
WAYS = {"the bare path": f"{PATH}/{MAST}/weather", "the framework": "/api/assetmanagement/v3/assets/root"}

CLAIMS = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-host": "evil.example",
    "x-forwarded-proto": "https",
    "x-forwarded-port": "444",
    "x-forwarded-prefix": "/evil",
    "x-forwarded-server": "evil.example",
    "x-real-ip": "203.0.113.7",
    "forwarded": "for=203.0.113.7;host=evil.example;proto=https",
    "x-original-url": "/health",
    "x-rewrite-url": "/health",
    "x-http-method-override": "DELETE",
    "x-method-override": "DELETE",
    "x-tenant": "other",
}
DOCS = ("/docs", "/docs/openapi.json", "/docs/openapi.yaml")


@pytest.fixture
async def site():
    """A site behind the real server."""
    async with served_site() as running:
        yield running


def client_of(site):
    """Give a client that comes over the socket."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", trust_env=False)


async def ask(site, path, hosts, version="1.1"):
    """Send a GET with these Host lines on a connection of its own; gives the answer."""
    wire = await site.connect()
    lines = [f"GET {path} HTTP/{version}", *(f"Host: {host}" for host in hosts)]
    lines += [f"Authorization: {site.open.headers['authorization']}", "", ""]
    await wire.send("\r\n".join(lines).encode("latin-1"))
    return await wire.answer()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("host", GOOD)
async def test_a_request_names_its_host(site, way, host):
    """Names, addresses and ports as servers have them are taken, on both paths."""
    assert (await ask(site, WAYS[way], [host]))[0] == 200


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", BAD)
async def test_a_request_without_a_clear_host_is_refused(site, way, kind):
    """No host, several, or one that is none: 400 and the end of the connection (RFC 9112, 3.2)."""
    status, headers, body = await ask(site, WAYS[way], BAD[kind])

    assert (status, headers["connection"]) == (400, "close")
    assert b"evil" not in body
    assert headers["cache-control"] == "no-store"


async def test_http_1_0_needs_no_host(site):
    """Old clients name none (RFC 1945)."""
    assert (await ask(site, WAYS["the framework"], [], "1.0"))[0] == 200


@pytest.mark.parametrize(
    ("public_url", "origin"),
    [("", "http://named.example:81"), ("https://real.example", "https://real.example")],
)
async def test_links_repeat_the_host_or_the_public_url(public_url, origin):
    """Without a public URL links lead to where the client asked; with one no head enters them."""
    async with running_site(replace(POLICY, public_url=public_url)) as site:
        headers = {**site.open.headers, "host": "named.example:81"}
        answer = await site.http.get(WAYS["the framework"], headers=headers)

    assert {link["href"].partition("/api")[0] for link in answer.json()["_links"].values()} == {origin}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_nobody_is_believed_to_be_a_proxy(site, claim):
    """No header changes scheme, host, path, method or tenant: the answers are the same bytes."""
    async with client_of(site) as http:
        for path in (*WAYS.values(), "/api/aspectstore/v1/dead-letters"):
            plain = await http.get(path, headers=site.open.headers)
            claimed = await http.get(path, headers={**site.open.headers, claim: CLAIMS[claim]})

            assert plain.status_code == claimed.status_code == 200
            assert plain.content == claimed.content


async def test_the_brake_counts_addresses_that_are_seen(site):
    """A guesser who names another address with each try is braked all the same (S15)."""
    statuses = []
    async with client_of(site) as http:
        for number in range(7):
            answer = await http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=("acme-tech", "wrong"),
                headers={"x-forwarded-for": f"203.0.113.{number}", "forwarded": f"for=203.0.113.{number}"},
            )
            statuses.append(answer.status_code)

    assert statuses == [401] * 5 + [429] * 2


@pytest.mark.parametrize("path", DOCS)
async def test_pages_are_not_framed_and_load_nothing(site, path):
    """The pages of the docs stand in no frame, send no form, and are what they say they are."""
    headers = (await site.http.get(path)).headers
    rules = dict(rule.strip().partition(" ")[::2] for rule in headers["content-security-policy"].split(";"))

    assert rules["default-src"] == "'none'"
    assert [rules[name] for name in ("frame-ancestors", "base-uri", "form-action")] == ["'none'"] * 3
    assert "script-src" not in rules
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_a_form_of_a_foreign_page_does_nothing(site):
    """A browser would send such a form without a token, and there is no cookie to stand in for one (S12)."""
    for path in ("/api/assetmanagement/v3/assets", "/api/aspectstore/v1/dead-letters/replay"):
        for media in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"):
            headers = {"content-type": media, "origin": "https://evil.example", "cookie": "token=x"}
            answer = await site.http.post(path, content=b'{"name":"x"}', headers=headers)

            assert answer.status_code == 401
