"""PUT of one series goes past framework and ASGI; what it answers is what the framework's route answers."""

from __future__ import annotations

import contextlib
import gzip
import json

import httpx
import pytest
import zstandard

from tests.api.masts import MAST, PATH, at
from tests.api.served import served_site

MB = 1_048_576
GOOD = json.dumps([{"_time": at(0), "level": 1}]).encode()
HERE = f"{PATH}/{MAST}/weather"


def case(path=HERE, body=GOOD, token="acme", method="PUT", **headers):
    """Describe one request."""
    named = [(name.rstrip("2").replace("_", "-").encode(), value) for name, value in headers.items()]
    return method, path, body, token, named


CASES = {
    "one record": case(),
    "a known key": case(idempotency_key=b"a"),
    "the same key again": case(idempotency_key=b"a"),
    "a used key": case(body=GOOD + b" ", idempotency_key=b"a"),
    "an empty key": case(idempotency_key=b""),
    "a long key": case(idempotency_key=b"x" * 129),
    "a key that is no ASCII": case(idempotency_key=b"\xe9"),
    "two keys": case(idempotency_key=b"b", idempotency_key2=b"c"),
    "the first of two keys": case(body=GOOD + b"  ", idempotency_key=b"b"),
    "the second of two keys": case(body=GOOD + b"  ", idempotency_key=b"c"),
    "two tokens": case(authorization=b"Bearer x"),
    "two tokens, the bad one first": case(token="bad", authorization=b"Bearer x"),
    "two media types": case(content_type=b"application/json", content_type2=b"text/plain"),
    "two media types, the other way": case(content_type=b"text/plain", content_type2=b"application/json"),
    "JSON with a charset": case(content_type=b"application/json; charset=utf-8"),
    "an empty media type": case(content_type=b""),
    "text": case(content_type=b"text/plain"),
    "a body that is not gzip": case(content_encoding=b"gzip"),
    "a compressed body": case(body=gzip.compress(GOOD, mtime=0), content_encoding=b"GZIP"),
    "a compressed body cut off": case(body=gzip.compress(GOOD, mtime=0)[:-9], content_encoding=b"gzip"),
    "a bomb": case(body=gzip.compress(b" " * 4 * MB, mtime=0), content_encoding=b"gzip"),
    "zstd": case(body=zstandard.compress(GOOD), content_encoding=b"zstd"),
    "an unknown coding": case(content_encoding=b"br"),
    "two codings": case(body=gzip.compress(GOOD, mtime=0), content_encoding=b"gzip, zstd"),
    "an identity coding": case(content_encoding=b"Identity"),
    "no token": case(token=None),
    "a bad token": case(token="bad"),
    "another scheme": case(token=None, authorization=b"Basic eDp5"),
    "no scope": case(token="reader"),
    "bad token and bad body": case(token="bad", body=b"{"),
    "no scope and wrong media": case(token="reader", content_type=b"text/plain"),
    "a dangling question mark": case(HERE + "?"),
    "an unknown parameter": case(HERE + "?a=1&a=2"),
    "waiting": case(HERE + "?wait=applied"),
    "waiting for something else": case(HERE + "?wait=soon"),
    "waiting for nothing": case(HERE + "?wait="),
    "waiting without a value": case(HERE + "?wait"),
    "waiting twice": case(HERE + "?wait=soon&wait=applied"),
    "waiting twice, the other way": case(HERE + "?wait=applied&wait=soon"),
    "an escaped parameter": case(HERE + "?wait=%61pplied"),
    "a blank in a parameter": case(HERE + "?wait=applied+"),
    "a semicolon in the query": case(HERE + "?x=1;wait=soon"),
    "broken escapes in the query": case(HERE + "?x=%zz%ff&wait=%"),
    "a bad parameter and a bad body": case(HERE + "?wait=soon", body=b"["),
    "an empty body": case(body=b""),
    "no JSON": case(body=b"{"),
    "no UTF-8": case(body=b"\xff"),
    "a deep body": case(body=b"[" * 100_000),
    "a wrong type": case(body=GOOD.replace(b"1}", b"true}")),
    "two problems": case(body=b'[{"x":1}]'),
    "a full megabyte": case(body=GOOD + b" " * (MB - len(GOOD))),
    "a megabyte and a byte": case(body=GOOD + b" " * (MB + 1 - len(GOOD))),
    "an unknown asset": case(f"{PATH}/{'e' * 32}/weather"),
    "another tenant's token": case(token="other"),
    "an unknown aspect": case(f"{PATH}/{MAST}/wind"),
    "an escaped aspect": case(f"{PATH}/{MAST}/wea%74her"),
    "an aspect escaped twice": case(f"{PATH}/{MAST}/wea%2574her"),
    "an escaped slash": case(f"{PATH}/{MAST}%2Fweather"),
    "a blank aspect": case(f"{PATH}/{MAST}/%20"),
    "an aspect that is no ASCII": case(f"{PATH}/{MAST}/w%C3%A9"),
    "an aspect that is no UTF-8": case(f"{PATH}/{MAST}/%FF"),
    "a slash at the end": case(HERE + "/"),
    "too many parts": case(HERE + "/more"),
    "no aspect": case(f"{PATH}/{MAST}"),
    "two slashes": case(f"{PATH}//{MAST}/weather"),
    "an upper-case asset": case(f"{PATH}/{MAST.upper()}/weather"),
    "a closed shard": case(token="closed"),
    "strict: a limit in the headers": case(token="rigid"),
    "strict: the whole burst": case(body=GOOD + b" " * (MB - len(GOOD)), token="rigid"),
    "strict: above the burst": case(body=GOOD + b" " * (MB - len(GOOD)), token="rigid"),
    "strict: too old": case(body=GOOD.replace(b"2026", b"2020"), token="rigid"),
}


async def replay(cases, *, hot):
    """Send all requests in their order to a fresh door, with or without the bare path."""
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(served_site())
        if not hot:
            site.door.hot = None
        base = f"http://127.0.0.1:{site.port}"
        site.wire = await stack.enter_async_context(httpx.AsyncClient(base_url=base, trust_env=False))
        tokens = {mast.tenant: mast.headers["authorization"] for mast in (site.open, site.other, site.strict)}
        tokens |= {"bad": "Bearer x.y.z", "reader": await _reader(site), "closed": tokens["acme"]}
        return {name: await _answer(site, tokens, *request) for name, request in cases.items()}


async def _reader(site):
    """Log in as somebody who may only read."""
    form = {"grant_type": "client_credentials", "scope": "iot.tim.r"}
    answer = await site.http.post("/oauth/token", data=form, auth=("acme-tech", "s3cret"))
    return "Bearer " + answer.json()["access_token"]


async def _answer(site, tokens, method, path, body, token, headers):
    if token is not None:
        headers = [(b"authorization", tokens[token].encode()), *headers]
    held = site.stream.shard(site.open.shard)
    proved = held.proved
    if token == "closed":
        held.proved = "another process"
    url = httpx.URL(f"http://127.0.0.1:{site.port}{path}")
    answer = await site.wire.send(httpx.Request(method, url, content=body, headers=headers))
    held.proved = proved
    site.clock.advance(1)
    request_id = answer.headers.pop("x-request-id")
    text = answer.content.decode().replace(request_id, "<id>")
    return answer.status_code, _headers(answer), text


def _headers(answer):
    """Give all headers but the date; a receipt is where it stands (each installation has its own key)."""
    return sorted(
        (name, "<receipt>" if name == "write-receipt" else value)
        for name, value in answer.headers.multi_items()
        if name != "date"
    )


@pytest.fixture(scope="module")
def both():
    """Give all answers of the bare path and of the framework."""
    import asyncio

    return asyncio.run(replay(CASES, hot=True)), asyncio.run(replay(CASES, hot=False))


@pytest.mark.parametrize("name", CASES)
def test_the_bare_path_answers_as_the_framework_does(both, name):
    """Same status, same headers, same body, whatever a client may send (MS-20, S6, design 8.22)."""
    bare, framework = both

    assert framework[name] == bare[name]


def test_the_table_has_all_kinds_of_answers(both):
    """A table of refusals only, or of one status, would prove little."""
    statuses = {status for status, _, _ in both[0].values()}

    assert {204, 400, 401, 403, 404, 413, 415, 422, 429, 503} <= statuses


async def test_the_bare_path_is_taken():
    """PUT of one series never reaches the framework; everything else does."""
    async with served_site() as site:
        reached = []
        inner = site.door._inner

        async def watched(scope, receive, send):
            reached.append((scope["method"], scope["path"]))
            await inner(scope, receive, send)

        site.door._inner = watched
        base = f"http://127.0.0.1:{site.port}"
        async with httpx.AsyncClient(base_url=base, headers=site.open.headers, trust_env=False) as client:
            assert (await client.put(HERE, content=GOOD)).status_code == 204
            assert (await client.patch(HERE, content=GOOD)).status_code == 204
            assert (await client.get(HERE)).status_code == 200

    assert [("PATCH", HERE), ("GET", HERE)] == reached
