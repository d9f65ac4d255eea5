"""Errors on the wire, and the traps of the framework and the server below it (stack.md section 0)."""

import asyncio
import json
import re

import pytest
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from api.app import ROUTES
from api.http import errors as wire_errors
from api.http.errors import TABLE, answer, row_of
from api.identity.scopes import ANY, opened, require
from api.services import Serving
from schemas import errors
from schemas.errors import Corrupt, Invalid, Problem, StoreUnavailable, TooMany
from tests.api.doors import running_door

TYPES = "/api/assetmanagement/v3/aspecttypes/acme.X"
BODY = {"name": "X", "variables": []}


@pytest.fixture
async def odd(service):
    """A second door over the same catalogue with routes that misbehave."""

    @get("/fails/{kind:str}", opt=opened(), sync_to_thread=False)
    def fails(kind: FromPath[str]) -> None:
        raise FAILURES[kind]

    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "nobody was meant to see this"

    @get("/api/aspectstore/v1/own", opt=require(ANY), sync_to_thread=False)
    def own(services: Serving, limit: FromQuery[int] = 1) -> int:
        return limit

    @post("/takes", opt=require(ANY), sync_to_thread=False)
    def takes(data: JSONBody[dict]) -> None:
        return None

    async with running_door(service.catalog, service.clock, routes=(fails, forgotten, own, takes)) as running:
        running.acme = service.acme
        yield running


FAILURES = {
    "secret": RuntimeError("password=hunter2 at /srv/secret.py"),
    "corrupt": Corrupt("block 7 of acme: checksum"),
    "store": StoreUnavailable("cassandra.internal:9042 refused"),
    "patience": TooMany("Slowly.", retry_after_s=7),
    "problems": Invalid([Problem(f"/{i}", "c", "m") for i in range(150)]),
}


def test_every_error_of_the_tree_has_a_row():
    """No error leaves the house without a status and a code (design 6)."""

    def kinds(kind):
        yield kind
        for child in kind.__subclasses__():
            yield from kinds(child)

    assert [
        kind
        for kind in kinds(errors.ServiceError)
        if kind.__module__ == "schemas.errors" and kind not in TABLE
    ] == []
    assert row_of(KeyError).status == 500


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.Malformed("m"), 400, "mdsp.core.generic.invalidRequestBodyProperty"),
        (errors.Unauthenticated("m"), 401, "mdsp.core.generic.unauthorized"),
        (errors.Forbidden("m"), 403, "mdsp.core.generic.forbidden"),
        (errors.NotFound("m"), 404, "mdsp.core.generic.noMatch"),
        (errors.Conflict("m"), 409, "mdsp.core.generic.conflict"),
        (errors.Gone("m"), 410, "aspectstore.receipt.lost"),
        (errors.PreconditionFailed("m"), 412, "aspectstore.request.preconditionFailed"),
        (errors.TooLarge("m"), 413, "mdsp.core.generic.payloadTooLarge"),
        (errors.UnsupportedMedia("m"), 415, "mdsp.core.generic.unsupportedMediaType"),
        (errors.Mismatch("m"), 422, "aspectstore.idempotency.keyReused"),
        (errors.TooMany("m"), 429, "mdsp.core.generic.tooManyRequests"),
        (errors.StreamUnavailable("m"), 503, "aspectstore.stream.unavailable"),
        (errors.OutcomeUnknown("m"), 503, "aspectstore.store.outcomeUnknown"),
        (errors.Corrupt("m"), 500, "mdsp.core.generic.internalServerError"),
        (ZeroDivisionError(), 500, "mdsp.core.generic.internalServerError"),
    ],
)
def test_status_and_code(error, status, code):
    """Each kind of error has its status and the dialect's code where one fits (wire 0.7)."""
    given = answer(error, "ref")

    assert given.status == status
    [reason] = json.loads(given.body)["errors"]
    assert (reason["code"], reason["logref"]) == (code, "ref")


def test_the_exact_bytes_of_a_refusal():
    """The body is the dialect's, with a pointer beside (design 6)."""
    given = answer(Invalid([Problem("/0/temp", "aspectstore.records.wrongType", "Not a number.")]), "2b6a")

    assert given.body == (
        b'{"errors":[{"code":"aspectstore.records.wrongType","logref":"2b6a","message":"Not a number.",'
        b'"messageParameters":[],"pointer":"/0/temp"}]}'
    )
    assert answer(errors.NotFound("Gone fishing."), "x").body == (
        b'{"errors":[{"code":"mdsp.core.generic.noMatch","logref":"x","message":"Gone fishing.",'
        b'"messageParameters":[]}]}'
    )


async def test_a_surprise_is_500_without_detail(odd):
    """What nobody foresaw says nothing of our inside; its logref is the request's id."""
    answer = await odd.http.get("/fails/secret")

    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.json()["errors"][0]["logref"] == answer.headers["x-request-id"]
    assert answer.json()["errors"][0]["code"] == "mdsp.core.generic.internalServerError"


@pytest.mark.parametrize(("kind", "status"), [("corrupt", 500), ("store", 503)])
async def test_our_faults_tell_no_names(odd, kind, status):
    """An operator's message stays in the log."""
    answer = await odd.http.get(f"/fails/{kind}")

    assert answer.status_code == status
    assert "acme" not in answer.text
    assert "cassandra" not in answer.text


async def test_retry_after_is_said(odd):
    """429 and 503 say when to come again."""
    assert (await odd.http.get("/fails/patience")).headers["retry-after"] == "7"
    assert (await odd.http.get("/fails/store")).headers["retry-after"] == "1"


async def test_at_most_a_hundred_reasons_are_listed(odd):
    """An answer does not outgrow its request (design 8.19)."""
    assert len((await odd.http.get("/fails/problems")).json()["errors"]) == 100


async def test_every_answer_belongs_to_its_caller(service):
    """No cache may keep or mix answers, whatever the status (S3); every answer has a request id."""
    ids = set()
    for path in ("/health", "/nothing", "/metrics", "/docs"):
        answer = await service.http.get(path)
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Authorization", "no-store")
        ids.add(answer.headers["x-request-id"])
    assert len(ids) == 4


# -- the guard -------------------------------------------------------------------------------------


async def test_a_route_that_says_nothing_lets_nobody_in(odd):
    """Deny by default: without `opt` a route answers 401 without a token and 403 with one."""
    assert (await odd.http.get("/forgotten")).status_code == 401
    assert (await odd.http.get("/forgotten", headers=odd.acme)).status_code == 403


def test_every_route_says_who_may_call_it():
    """A route without a scope, or not open by design 8.15, fails the build."""
    said = {f"{min(handler.http_methods)} {min(handler.paths)}": handler.opt for handler in ROUTES}

    assert [route for route, opt in said.items() if not opt.get("open") and opt.get("scope") is None] == []
    assert sorted(route for route, opt in said.items() if opt.get("open")) == [
        "GET /api/agentmanagement/v3/oauth/token_key",
        "GET /api/agentmanagement/v3/oauth/token_keys",
        "GET /api/aspectstore/v1/recoverableRecords/{tenant:str}/{record_id:str}",
        "GET /health",
        "GET /oauth/authorize",
        "GET /ping",
        "GET /ready",
        "GET /token_keys",
        "HEAD /ping",
        "POST /api/agentmanagement/v3/oauth/token",
        "POST /api/agentmanagement/v3/register",
        "POST /api/technicaltokenmanager/v3/oauth/token",
        "POST /api/technicaltokenmanager/v3/oauthTokens",
        "POST /oauth/authorize",
        "POST /oauth/revoke",
        "POST /oauth/token",
        "PUT /api/agentmanagement/v3/register/{client_id:str}",
    ]


async def test_guard_comes_before_body_and_media_type(service):
    """A stranger's body is not read, and he learns nothing but that he is one."""
    answer = await service.http.put(TYPES, content=b"x" * 5_000_000, headers={"content-type": "text/plain"})

    assert answer.status_code == 401


# -- trap 1: bodies that break the framework -------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"\xff\xfe", b'{"name":"\xff"}', b"\xef\xbb\xbf{}", b"{", b"", b"nul", b'{"a":1}x', b"{}{}",
        b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e400}', b'{"a":-1e400}', b'{"a":' + b"9" * 5_000 + b"}",
        b'{"name":"x","name":"y"}', b'{"name":"a\\u0000b"}', b'{"name":"\\ud800"}', b'{"\\udfff":1}',
        b'{"a":[{"b":"\\u0000"}]}', b'"text"', b"[]", b"7", b"null", b"{" + b'"x":{},' * 100_000 + b'"y":1}',
    ],
)  # fmt: skip
async def test_hostile_bodies_are_refused(service, body):
    """Nesting, encodings, duplicates, NUL, surrogates, numbers without end: 400 in our shape (S6)."""
    answer = await service.http.put(TYPES, content=body, headers=service.acme)

    assert answer.status_code == 400, answer.text[:200]
    assert answer.json()["errors"][0]["code"].startswith("mdsp.core.generic.")


async def test_bad_text_is_pointed_at(service):
    """The reason names the place."""
    body = b'{"name":"X","variables":[{"name":"a\\u0000","dataType":"INT"}]}'

    answer = await service.http.put(TYPES, content=body, headers=service.acme)

    assert answer.json()["errors"][0]["pointer"] == "/variables/0/name"


async def test_unknown_method_says_which_are_known(service):
    """405 keeps `Allow` (RFC 9110, 15.5.6)."""
    answer = await service.http.request("DELETE", "/api/assetmanagement/v3/assets", headers=service.acme)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
    assert answer.json()["errors"][0]["code"] == "aspectstore.request.methodNotAllowed"


async def test_options_list_what_405_lists(service):
    """OPTIONS of every path names all its methods, the documentation's too, and needs a token (S1)."""
    paths = {path for handler in ROUTES for path in handler.paths} | {"/docs"}
    for path in sorted(re.sub(r"\{\w+:\w+\}", "0" * 32, each) for each in paths):
        refused = await service.http.request("TRACE", path)
        told = await service.http.options(path, headers=service.acme)

        assert (405, 204) == (refused.status_code, told.status_code), path
        assert sorted(refused.headers["allow"].split(", ")) == told.headers["allow"].split(", ")
        assert 401 == (await service.http.options(path)).status_code


# -- trap 2 and 3: parameters, media types, encodings ----------------------------------------------


@pytest.mark.parametrize(
    "query", ["page=-1", "size=-5", "page=1.5", "page=1e3", "page=9999999999", "exploded=maybe"]
)
async def test_bounds_of_parameters_hold(service, query):
    """Bounds in the description of a parameter are enforced, and a float is no number of a page."""
    answer = await service.http.get(f"/api/assetmanagement/v3/assettypes?{query}", headers=service.acme)

    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("media", "status"),
    [
        (None, 201), ("application/json", 201), ("application/json; charset=utf-8", 201),
        ("APPLICATION/JSON", 201), ("application/merge-patch+json", 201), ("application/hal+json", 201),
        ("text/plain", 415), ("application/xml", 415), ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415), ("application/msgpack", 415), ("x", 415),
    ],
)  # fmt: skip
async def test_media_types(service, media, status):
    """A missing Content-Type is JSON; what we do not read is 415 (design 8.22)."""
    headers = {**service.acme, **({} if media is None else {"content-type": media})}

    answer = await service.http.put(TYPES, content=json.dumps(BODY), headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 400), ("br", 415), ("zstd", 400), ("identity, gzip", 415)]
)
async def test_compressed_bodies_are_not_guessed_at(service, encoding, status):
    """Bytes that are said to be compressed are decompressed or refused, never parsed as they are (S9)."""
    headers = {**service.acme, "content-encoding": encoding}

    assert (await service.http.put(TYPES, content=json.dumps(BODY), headers=headers)).status_code == status


async def test_unknown_parameters(odd):
    """Unknown query parameters are ignored on dialect routes and refused on ours (design 8.22)."""
    dialect = await odd.http.get("/api/assetmanagement/v3/assets?surprise=1&page=0&page=0", headers=odd.acme)
    own = "/api/aspectstore/v1/own"

    statuses = [
        (await odd.http.get(f"{own}?{query}", headers=odd.acme)).status_code
        for query in ("limit=2", "", "surprise=1", "limit=2&limit=3")
    ]

    assert dialect.status_code == 200
    assert statuses == [200, 200, 400, 400]


# -- sizes and time --------------------------------------------------------------------------------


async def test_large_bodies_are_refused(service):
    """Over the limit of the route: 413, with and without a Content-Length that says so (S7)."""

    async def chunks():
        for _ in range(20):
            yield b"x" * 100_000

    declared = await service.http.put(TYPES, content=b"x" * 1_100_000, headers=service.acme)
    chunked = await service.http.put(TYPES, content=chunks(), headers=service.acme)
    form = await service.http.post("/oauth/token", content=b"x" * 20_000)

    assert (declared.status_code, chunked.status_code) == (413, 413)
    assert declared.json()["errors"][0]["code"] == "mdsp.core.generic.payloadTooLarge"
    assert form.status_code in {400, 413, 415}


async def test_a_body_that_does_not_come_ends_in_408(service):
    """The server below has no limit for slow bodies; the door has (stack.md finding 6, S8)."""

    async def stuck():
        yield b"{"
        service.clock.advance(30_000)
        await asyncio.Event().wait()

    answer = await service.http.put(TYPES, content=stuck(), headers=service.acme)

    assert answer.status_code == 408
    assert answer.headers["connection"] == "close"
    assert answer.json()["errors"][0]["code"] == "aspectstore.request.tooSlow"


async def test_a_trickle_is_cut_off(service):
    """One byte a second is no body: what comes must come at a minimum rate after a grace."""

    async def trickle():
        for _ in range(30):
            service.clock.advance(1_000)
            yield b" "

    answer = await service.http.put(TYPES, content=trickle(), headers=service.acme)

    assert answer.status_code == 408


async def test_health_shows_parts_to_operators_only(service):
    """Everybody learns the status word; the parts need a token with the scope (design 8.15)."""
    assert (await service.http.get("/health")).json() == {"status": "UP"}
    assert (await service.http.get("/health", headers={"authorization": "Bearer x"})).json() == {
        "status": "UP"
    }
    assert (await service.http.get("/health", headers=service.acme)).json()["parts"]["catalog"] == "UP"


async def test_metrics_are_not_for_everybody(service):
    """The counters need a scope; their text is Prometheus's."""
    answer = await service.http.get("/metrics", headers=service.acme)

    assert (await service.http.get("/metrics")).status_code == 401
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# HELP" in answer.text


def test_limit_of_reasons_is_one_number():
    """The limit of this module is that of the validation."""
    from schemas.limits import PROBLEMS_LISTED_MAX

    assert wire_errors.PROBLEMS_LISTED_MAX == PROBLEMS_LISTED_MAX
