"""Some requests go past framework and ASGI; what they answer is what the framework's routes answer."""

from __future__ import annotations

import contextlib
import gzip
import json

import httpx
import pytest
import zstandard

from api import hot
from tests.api.masts import MAST, PATH, SECOND, at
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
    "as many parameters as there may be": case(HERE + "?" + "a&" * 63 + "wait=applied"),
    "a parameter too many": case(HERE + "?" + "a&" * 64 + "wait=applied"),
    "60 kB of parameters": case(HERE + "?" + "a&" * 29_000),
    "60 kB of parameters of a stranger": case(HERE + "?" + "a&" * 29_000, token=None),
    "60 kB of one parameter": case(HERE + "?a=" + "%41" * 19_000 + "&wait=soon"),
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


AGGREGATES = f"/api/iottsaggregates/v4/aggregates?assetId={MAST}&aspectName=weather"
DAY = f"from={at(0, hours=-24)}&to={at(60_000)}"
PAGE = json.dumps([{"_time": at(n), "temperature": n / 8, "note": "x" * 40} for n in range(100)]).encode()


def read(query="", path=HERE, token="acme", method="GET", body=b"", **headers):
    """Describe one request that reads."""
    return case(path + query, body, token, method, **headers)


def fold(query="", token="acme", **headers):
    """Describe one request for aggregates."""
    return case(AGGREGATES + query, b"", token, "GET", **headers)


CASES |= {
    "a page of records": case(body=PAGE),
    "the newest record": read(),
    "a range": read(f"?{DAY}"),
    "a range that goes on": read(f"?{DAY}&limit=7"),
    "a range, backwards": read(f"?{DAY}&sort=desc&limit=3"),
    "a range, escaped": read(f"?{DAY.replace(':', '%3A')}"),
    "some variables": read(f"?{DAY}&select=temperature,temperature_qc"),
    "an unknown variable": read("?select=nothing"),
    "the newest values": read("?latestValue=true"),
    "the newest values, shouted": read("?latestValue=TRUE"),
    "too many parameters of a read": read("?limit=1" + "&" * 64),
    "too many parameters of a reading stranger": read("?limit=1" + "&" * 64, token="bad"),
    "an unknown parameter of a read": read("?x=1&limit=1"),
    "a limit that is none": read(f"?{DAY}&limit=1e3"),
    "a limit beyond the limit": read(f"?{DAY}&limit=2001"),
    "an empty limit": read(f"?{DAY}&limit="),
    "two limits": read(f"?{DAY}&limit=5&limit=2"),
    "two limits, one bad": read(f"?{DAY}&limit=x&limit=2"),
    "from after to": read(f"?from={at(5)}&to={at(1)}"),
    "to alone": read(f"?to={at(5)}"),
    "a blank for a plus": read("?from=2026-01-01T00:00:00+01:00"),
    "nothing in the range": read(f"?from={at(0, hours=-99)}&to={at(0, hours=-98)}"),
    "an unknown asset, read": read(path=f"{PATH}/{'e' * 32}/weather"),
    "an unknown aspect, read": read(path=f"{PATH}/{MAST}/wind"),
    "an escaped aspect, read": read(path=f"{PATH}/{MAST}/wea%74her"),
    "no token, reading": read(token=None),
    "a bad token, reading": read(token="bad"),
    "another tenant, reading": read(token="other"),
    "a reader": read(token="reader"),
    "every format": read(accept=b"*/*"),
    "JSON, rather not": read(accept=b"application/json;q=0.1, text/html"),
    "CSV": read(f"?{DAY}", accept=b"text/csv"),
    "no format that there is": read(accept=b"application/xml"),
    "many wishes": read(accept=b"x/y," * 63 + b"application/json"),
    "a wish too many": read(accept=b"x/y," * 64 + b"application/json"),
    "two wishes": read(accept=b"text/csv", accept2=b"application/json"),
    "two wishes, the other way": read(accept=b"application/json", accept2=b"text/csv"),
    "an empty wish": read(accept=b""),
    "gzip": read(f"?{DAY}", accept_encoding=b"gzip"),
    "zstd, when reading": read(f"?{DAY}", accept_encoding=b"gzip;q=0.5, zstd"),
    "gzip of something small": read(accept_encoding=b"gzip"),
    "two codings wished": read(f"?{DAY}", accept_encoding=b"gzip", accept_encoding2=b"zstd"),
    "no coding, not even none": read(accept_encoding=b"identity;q=0"),
    "a bad receipt": read(read_after=b"x"),
    "two bad receipts": read(read_after=b"x", read_after2=b"-"),
    "no receipt": read(read_after=b"-"),
    "a read with a body": read(body=b"[]"),
    "a read with a coded body": read(body=b"[]", content_encoding=b"gzip"),
    "a read with a media type": read(content_type=b"text/plain"),
    "the head of a read": read(method="HEAD"),
    "the options of a series": read(method="OPTIONS"),
    "the options of aggregates": read(path="/api/iottsaggregates/v4/aggregates", method="OPTIONS"),
    "a slash behind a read": read(path=HERE + "/"),
    "aggregates by default": fold(),
    "aggregates of a range": fold(f"&{DAY}&intervalUnit=hour&intervalValue=1"),
    "aggregates, selected": fold(f"&{DAY}&intervalUnit=hour&select=temperature.sum,level"),
    "aggregates by minutes": fold(f"&{DAY}&intervalUnit=MINUTE&intervalValue=2"),
    "aggregates by odd minutes": fold(f"&{DAY}&intervalUnit=minute&intervalValue=3"),
    "aggregates, escaped": fold(f"&{DAY.replace(':', '%3A')}&select=temperature%2Csum"),
    "aggregates of an unknown variable": fold("&select=nothing"),
    "aggregates with a count": fold(f"&from={at(0, hours=-24)}&count=4"),
    "aggregates with a bad count": fold("&count=x"),
    "aggregates with an unknown parameter": fold("&timezone=Europe/Berlin"),
    "aggregates after a bad receipt": fold(read_after=b"x"),
    "aggregates with too many parameters": fold("&" * 63),
    "aggregates with too many parameters of a stranger": fold("&" * 63, token=None),
    "aggregates of an unknown asset": fold(f"&assetId={'e' * 32}"),
    "aggregates of two aspects": fold("&aspectName=wind"),
    "aggregates without a token": fold(token=None),
    "aggregates without the scope": fold(token="reader"),
    "aggregates of another tenant": fold(token="other"),
    "aggregates in CSV": fold(accept=b"text/csv"),
    "aggregates in gzip": fold(f"&{DAY}&intervalUnit=minute&intervalValue=2", accept_encoding=b"gzip"),
    "aggregates, strict": fold(f"&from={at(0, hours=-24 * 300)}&intervalUnit=minute", token="rigid"),
    "aggregates of no asset": read(path="/api/iottsaggregates/v4/aggregates?aspectName=weather"),
    "aggregates of an empty asset": read(
        path="/api/iottsaggregates/v4/aggregates?assetId=&aspectName=weather"
    ),
    "aggregates of nothing": read(path="/api/iottsaggregates/v4/aggregates"),
    "aggregates of nothing at all": read(path="/api/iottsaggregates/v4/aggregates?"),
}


def pair(data=GOOD, asset=MAST, aspect="weather"):
    """Write one pair of a body for several series."""
    return b'{"entityId":"%s","propertySetName":"%s","data":%s}' % (asset.encode(), aspect.encode(), data)


def several(*pairs, query="", more=b"", **given):
    """Describe one request that writes several series."""
    return case(PATH + query, b'{"timeseries":[%s]}' % b",".join(pairs) + more, **given)


SET_BYTES = 100 * 1_024
ONE, TWO = pair(), pair(asset=SECOND)
PADDED = b" " * (SET_BYTES - len(several(ONE)[2]))

CASES |= {
    "a set of one": several(ONE),
    "a set": several(ONE, TWO, ONE),
    "a set of five": several(*[ONE] * 5),
    "a set of six": several(*[ONE] * 6),
    "a set of none": several(),
    "a set with refused pairs": several(ONE, pair(asset="e" * 32), pair(aspect="wind"), pair(b"[1]"), TWO),
    "a set with refused pairs only": several(pair(b"[]"), pair(b"{}", SECOND)),
    "a set whose shard is closed": several(ONE, TWO, token="closed"),
    "a set with a key": several(ONE, TWO, idempotency_key=b"set"),
    "a set with the same key": several(ONE, TWO, idempotency_key=b"set"),
    "a set with a used key": several(ONE, pair(GOOD + b" ", SECOND), idempotency_key=b"set"),
    "a set with an empty key": several(ONE, idempotency_key=b""),
    "a set that is waited for": several(ONE, query="?wait=applied"),
    "a set that waits for something else": several(ONE, query="?wait=soon"),
    "a set with an unknown parameter": several(ONE, query="?a=1"),
    "a set with a parameter too many": several(ONE, query="?" + "a&" * 64),
    "a set with a dangling question mark": several(ONE, query="?"),
    "a set with a slash at the end": several(ONE, query="/"),
    "a set with a slash escaped": case(PATH.replace("/v3", "%2Fv3"), several(ONE)[2]),
    "a set that catches up": several(ONE, catch_up=b"true"),
    "a set that catches up perhaps": several(ONE, catch_up=b"perhaps"),
    "a set without a token": several(ONE, token=None),
    "a set with a bad token": several(ONE, token="bad"),
    "a set of a reader": several(ONE, token="reader"),
    "a set of another tenant": several(ONE, token="other"),
    "a set as text": several(ONE, content_type=b"text/plain"),
    "a set in gzip": case(PATH, gzip.compress(several(ONE)[2], mtime=0), content_encoding=b"gzip"),
    "a set in gzip, too large": case(
        PATH, gzip.compress(several(ONE, more=PADDED + b" ")[2], mtime=0), content_encoding=b"gzip"
    ),
    "a set in gzip, cut off": case(
        PATH, gzip.compress(several(ONE)[2], mtime=0)[:-9], content_encoding=b"gzip"
    ),
    "a set of all the bytes there may be": several(ONE, more=PADDED),
    "a set of a byte more": several(ONE, more=PADDED + b" "),
    "an empty set": case(PATH, b""),
    "a set that is a list": case(PATH, GOOD),
    "a set that is no JSON": case(PATH, b"{"),
    "a deep set": case(PATH, b"[" * 100_000),
    "a set with a member twice": case(PATH, b'{"timeseries":[],"timeseries":[]}'),
    "a strict set": several(ONE, TWO, token="rigid"),
    "a strict set too old": several(ONE, pair(GOOD.replace(b"2026", b"2020")), token="rigid"),
    "reading a set": read(path=PATH),
    "the options of a set": read(path=PATH, method="OPTIONS"),
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

    assert {200, 202, 204, 400, 401, 403, 404, 406, 413, 415, 422, 429, 503} <= statuses


EXACT = {
    "as many parameters as there may be": 204,
    "a parameter too many": 400,
    "60 kB of parameters": 400,
    "60 kB of parameters of a stranger": 401,
    "60 kB of one parameter": 400,
    "too many parameters of a read": 400,
    "too many parameters of a reading stranger": 401,
    "aggregates with too many parameters": 400,
    "aggregates with too many parameters of a stranger": 401,
    "many wishes": 200,
    "a wish too many": 406,
}


@pytest.mark.parametrize("name", EXACT)
def test_long_queries_and_wishes_are_cut_off(both, name):
    """A query has a number of parameters at most, and a stranger learns nothing of it (S6)."""
    for answers in both:
        status, _, body = answers[name]
        assert EXACT[name] == status
        assert ("at most 64 parameters" in body) == (status == 400 and "one parameter" not in name)


@pytest.mark.parametrize("query", ["a&" * 29_000, "a=" + "%41" * 19_000], ids=["many", "long"])
@pytest.mark.parametrize("path", [HERE + "?", AGGREGATES + "&"], ids=["series", "aggregates"])
def test_a_strangers_query_is_not_read(monkeypatch, path, query):
    """What takes long to read is left to the framework, which looks at the token first (S6)."""
    monkeypatch.setattr(hot, "parse_qsl", lambda *_, **__: pytest.fail("it was read"))

    for method in (b"GET", b"PUT"):
        assert hot.target_of(method, (path + query).encode(), {}) is None


def test_options_list_the_methods_of_a_path(both):
    """Whatever answers them, all methods are listed (RFC 9110, 9.3.7)."""
    for answers in both:
        known = [dict(answers[f"the options of {what}"][1])["allow"] for what in ("a series", "aggregates")]
        assert ["DELETE, GET, OPTIONS, PATCH, PUT", "GET, OPTIONS"] == known


async def test_the_bare_path_is_taken():
    """PUTs, GET of one series and aggregates never reach the framework; everything else does."""
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
            assert (await client.put(PATH, content=several(ONE)[2])).status_code == 202
            assert (await client.get(HERE)).status_code == 200
            assert (await client.get(AGGREGATES)).status_code == 200
            assert (await client.patch(HERE, content=GOOD)).status_code == 204
            assert (await client.get(HERE, headers={"accept": "text/csv"})).status_code == 200

    assert [("PATCH", HERE), ("GET", HERE)] == reached
