"""The requests that decide how fast the door is, without the framework: PUTs, GET of a series, aggregates.

Same checks, same service calls and same answers as the framework's routes (`api.routes.series`,
`api.routes.aggregates`); a test sends both ways what any client may send and compares. Measured on one
core: the framework's routing, injection and response, and ASGI under it, take longer than checking,
encoding and appending a record do, and as long as reading a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from litestar.exceptions import HTTPException

from api.guard.signed import KEY_HEADER
from api.guard.tenancy import demand
from api.http.bodies import demand_media
from api.http.budget import Holding
from api.http.compression import coding_of, expand
from api.http.formats import Wish, coded
from api.http.negotiation import Format, choose_coding, choose_format
from api.http.queries import has_too_many
from api.identity.scopes import AGGREGATES_READ, SERIES_READ, SERIES_WRITE
from api.identity.tokens import Identity
from api.series.aggregates import PATH_V4, Request, answer_dialect, answered
from api.series.service import PATH, Answered, write_options
from api.services import Services
from schemas.errors import NotAcceptable
from schemas.intervals import VALUES_V4
from schemas.limits import MULTI_PUT_BODY_BYTES_MAX, PUT_BODY_BYTES_MAX
from schemas.records import WriteMode

Headers = Mapping[bytes, bytes]
Place = tuple[str, str]
"""Asset and the name of its aspect, as sent."""
NOWHERE: Final = ("", "")

_SET: Final = PATH.encode()
_PREFIX: Final = f"{PATH}/".encode()
_AGGREGATES: Final = f"{PATH_V4}?".encode()

QUERY_BYTES_MAX: Final = 4_096
"""All that these routes take, dozens of variables included; it is read within half a millisecond."""

SIGNED: Final = KEY_HEADER.encode()

JUDGED: Final = frozenset(
    {
        b"authorization",
        SIGNED,
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"idempotency-key",
        b"catch-up",
        b"accept",
        b"accept-encoding",
        b"read-after",
    }
)
"""The headers that such a request is judged by."""


class Kind(Enum):
    """What is asked for."""

    WRITE = ("PUT", f"{PATH}/{{asset}}/{{aspect}}", SERIES_WRITE, PUT_BODY_BYTES_MAX)
    WRITE_SET = ("PUT", PATH, SERIES_WRITE, MULTI_PUT_BODY_BYTES_MAX)
    READ = ("GET", f"{PATH}/{{asset}}/{{aspect}}", SERIES_READ)
    AGGREGATE = ("GET", PATH_V4, AGGREGATES_READ)

    def __init__(self, method: str, route: str, scope: str, body_bytes_max: int = 0) -> None:
        """Say what a kind has that each request asks for."""
        self.route = method, route
        """By which `/metrics` counts it."""
        self.scope = scope
        """Which it needs."""
        self.body_bytes_max = body_bytes_max
        """0 for a read, which has no body."""


class Target(NamedTuple):
    """What one such request is about."""

    kind: Kind
    place: Place
    """`NOWHERE` where the body names the places."""
    parameters: Mapping[str, str]
    """Of the query; of repeated ones the last."""
    wish: Wish = Wish()


class HotPath:
    """What answers these requests itself; raises what the framework's routes raise."""

    def __init__(self, services: Services) -> None:
        """Work with what the framework's routes work with."""
        self._services = services

    def admit(self, target: Target, headers: Headers, holding: Holding) -> Identity:
        """Judge a request by its head, before its body is read; some of it may have come already."""
        services = self._services
        now_s = services.ports.clock.now_ms() / 1_000
        caller = services.identity.identify(headers.get(b"authorization"), now_s)
        demand(caller, target.kind.scope)
        spending = services.quotas.admit(caller.tenant)
        if target.kind.body_bytes_max:
            media = headers.get(b"content-type", b"").decode("latin-1")
            demand_media(media, _coding(headers), compressed=True)
            announced_bytes = announced(headers)
            if announced_bytes > target.kind.body_bytes_max:
                raise too_large()
            if spending.is_limited:
                late = headers.get(b"catch-up") == b"true"
                services.quotas.look_ahead(caller.tenant, announced_bytes, late=late)
            holding.demand(announced_bytes - holding.held_bytes)
        return caller

    async def serve(
        self,
        caller: Identity,
        headers: Headers,
        target: Target,
        body: bytes,
        holding: Holding,
        *,
        logref: str,
    ) -> Answered:
        """Serve an admitted request; `logref` names it in an answer that tells of refused parts."""
        if target.kind.body_bytes_max:
            if b"content-encoding" in headers:
                body = expand(body, coding_of(_coding(headers)), target.kind.body_bytes_max)
                holding.add(len(body))
            return await self._write(caller, headers, target, body, logref)
        after = headers.get(b"read-after")
        read_after = None if after is None else after.decode("latin-1")
        parameters = {name: value for name, value in target.parameters.items() if name in _NAMES[target.kind]}
        if target.kind is Kind.READ:
            page = await self._services.series.read(caller, target.place, parameters, read_after)
            return Answered(page.status, *await coded(target.wish, page.body, page.headers))
        asked = Request(caller, *target.place, parameters, VALUES_V4, read_after)
        return answered(await answer_dialect(self._services, asked), "aggregates")

    async def _write(
        self, caller: Identity, headers: Headers, target: Target, body: bytes, logref: str
    ) -> Answered:
        key, catch_up = headers.get(b"idempotency-key"), headers.get(b"catch-up")
        options = write_options(
            target.parameters,
            None if key is None else key.decode("latin-1"),
            None if catch_up is None else catch_up.decode("latin-1"),
        )
        series = self._services.series
        if target.kind is Kind.WRITE_SET:
            return await series.write_set(caller, body, options, logref)
        return await series.write(caller, target.place, body, WriteMode.REPLACE, options)


_NAMES: Final = {
    Kind.READ: frozenset({"from", "to", "limit", "select", "sort", "latestValue"}),
    Kind.AGGREGATE: frozenset({"from", "to", "intervalUnit", "intervalValue", "count", "select"}),
}
"""The parameters that these routes know; others are ignored on routes of the dialect (design 8.22)."""


def target_of(method: bytes, url: bytes, headers: Headers) -> Target | None:
    """Read what such a request is about; None for every other, and for what the framework knows better.

    That is: escapes in the path, whole addresses, formats beside JSON, GET with a body, signed requests, and
    queries that take long to read: this runs before the token is looked at.
    """
    if SIGNED in headers and b"authorization" not in headers:
        return None
    path, _, query = url.partition(b"?")
    if b"%" in path or b"#" in url or not url.isascii():
        return None
    if len(query) > QUERY_BYTES_MAX or has_too_many(query):
        return None
    if method == b"PUT":
        if path == _SET:
            return Target(Kind.WRITE_SET, NOWHERE, _parameters(query))
        place = _place(path)
        return None if place is None else Target(Kind.WRITE, place, _parameters(query))
    if method != b"GET" or b"content-length" in headers or b"transfer-encoding" in headers:
        return None
    if url.startswith(_AGGREGATES):
        parameters = _parameters(query)
        if "assetId" not in parameters or "aspectName" not in parameters:
            return None
        return Target(Kind.AGGREGATE, (parameters["assetId"], parameters["aspectName"]), parameters)
    place = _place(path)
    wish = None if place is None else _wish(headers)
    if place is None or wish is None:
        return None
    return Target(Kind.READ, place, _parameters(query), wish)


def _place(path: bytes) -> Place | None:
    if not path.startswith(_PREFIX):
        return None
    asset, slash, aspect = path[len(_PREFIX) :].decode().partition("/")
    return (asset, aspect) if asset and slash and aspect and "/" not in aspect else None


def _parameters(query: bytes) -> dict[str, str]:
    # Blank values count: the framework sees them too.
    return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}


def _wish(headers: Headers) -> Wish | None:
    """Read what the caller accepts; None unless it is JSON."""
    accept, coding = headers.get(b"accept"), headers.get(b"accept-encoding")
    try:
        if accept is not None and choose_format(accept.decode("latin-1")) is not Format.JSON:
            return None
        return Wish(coding=choose_coding(None if coding is None else coding.decode("latin-1")))
    except NotAcceptable:
        return None


def judged(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Pick the headers that matter; of repeated ones the first counts, as it does for the framework."""
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in JUDGED:
            found.setdefault(name, value)
    return found


def announced(headers: Headers) -> int:
    """Give the announced size of a body in bytes; 0 for none."""
    size = headers.get(b"content-length", b"")
    return int(size[:12]) if size.isdigit() else 0


def _coding(headers: Headers) -> str:
    return headers.get(b"content-encoding", b"identity").decode("latin-1")


def too_large() -> HTTPException:
    """Give what a body beyond the limit ends with, in the words of the framework's own limit."""
    return HTTPException(status_code=413)
