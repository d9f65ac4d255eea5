"""Every call of the service as a value: the request to send and how to read the answer. No I/O.

Paths and shapes are those of the industrial dialect (assets, types, series, aggregates);
`session` decides when to send, `blocking` and `nonblocking` send.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from client.errors import UnreadableAnswer, error_for
from client.models import (
    Aggregate,
    AspectType,
    Asset,
    AssetType,
    Health,
    MultiPut,
    Page,
    Pair,
    Problem,
    Record,
    Refused,
    Token,
    Variable,
    Written,
)

T = TypeVar("T")

SERIES = "/api/iottimeseries/v3/timeseries"
AGGREGATES = "/api/iottsaggregates/v4/aggregates"
MODEL = "/api/assetmanagement/v3"
TOKEN = "/oauth/token"  # noqa: S105  # a path

JSON = "application/json"
HEALTH_DOWN = 503
LIST_PAGE = 1000
"""Things a page of a list: few round trips, answers of about a megabyte."""


@dataclass(slots=True, frozen=True)
class Request:
    """What goes out; `path` may carry a query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_header(self, name: str, value: str) -> Request:
        """Give the same request with one more header."""
        return Request(self.method, self.path, {**self.headers, name: value}, self.body)


@dataclass(slots=True, frozen=True)
class Response:
    """What comes back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True, frozen=True)
class Call(Generic[T]):
    """A request and the reading of its answer."""

    request: Request
    read: Callable[[Response], T]
    repeatable: bool = True
    """False: if the connection breaks after sending, nobody knows whether it was done twice."""
    authorised: bool = True
    refusals: bool = True
    """False: `read` looks at every status itself, and nothing is repeated."""


def decode(response: Response, shape: type[T]) -> T:
    """Read a JSON body; UnreadableAnswer if it is none of ours."""
    try:
        return msgspec.json.decode(response.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableAnswer(
            f"the answer is not what this service sends (HTTP {response.status}): {error}"
        ) from None


class _Errors(msgspec.Struct):
    errors: list[Problem] = []
    error: str = ""
    error_description: str = ""


def raise_refusal(response: Response) -> None:
    """Raise the typed error of a status that is not 2xx; the dialect's and the OAuth shape are read."""
    if 200 <= response.status < 300:
        return
    try:
        body = msgspec.json.decode(response.body, type=_Errors)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = _Errors()
    problems = body.errors
    if not problems and body.error:
        problems = [Problem(body.error, body.error_description or body.error)]
    fallback = [Problem("", "the server gave no reason")]
    raise error_for(response.status, problems or fallback, retry_after(response))


def retry_after(response: Response) -> float | None:
    """Read `Retry-After` in seconds; None where it is absent or a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def fetch_token(client: str, secret: str, **form: str) -> Call[Token]:
    """Ask for a token by client credentials; `form`: another `grant_type` with what it needs, a `scope`."""
    basic = b64encode(f"{client}:{secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"grant_type": "client_credentials", **form}).encode()
    request = Request("POST", TOKEN, headers, body)
    return Call(request, lambda response: decode(response, Token), authorised=False)


def health() -> Call[Health]:
    """Ask how the service is; the parts are shown to holders of a token with the scope only."""

    def read(response: Response) -> Health:
        if response.status == HEALTH_DOWN:
            return decode(response, Health)
        raise_refusal(response)
        return decode(response, Health)

    return Call(Request("GET", "/health"), read, refusals=False)


def create_aspect_type(aspect_type_id: str, name: str, variables: Sequence[Variable]) -> Call[AspectType]:
    """Create a dynamic aspect type; PreconditionFailed if the id is taken."""
    body = {"name": name, "category": "dynamic", "scope": "private", "variables": variables}
    return _create(f"{MODEL}/aspecttypes/{quote(aspect_type_id, '')}", body, AspectType)


def create_asset_type(
    asset_type_id: str, name: str, parent: str, aspects: Mapping[str, str]
) -> Call[AssetType]:
    """Create an asset type with aspects (name → aspect type id); PreconditionFailed if the id is taken."""
    listed = [{"name": aspect, "aspectTypeId": type_id} for aspect, type_id in aspects.items()]
    body = {"name": name, "parentTypeId": parent, "scope": "private", "instantiable": True, "aspects": listed}
    return _create(f"{MODEL}/assettypes/{quote(asset_type_id, '')}", body, AssetType)


def _create(path: str, body: object, shape: type[T]) -> Call[T]:
    headers = {"Content-Type": JSON, "If-None-Match": "*"}
    request = Request("PUT", path, headers, msgspec.json.encode(body))
    return Call(request, lambda response: decode(response, shape), repeatable=False)


def create_asset(name: str, type_id: str, parent_id: str, **more: str) -> Call[Asset]:
    """Create an asset below another; `more`: externalId, description, timezone."""
    body = {"name": name, "typeId": type_id, "parentId": parent_id, **more}
    request = Request("POST", f"{MODEL}/assets", {"Content-Type": JSON}, msgspec.json.encode(body))
    return Call(request, lambda response: decode(response, Asset), repeatable=False)


def get_aspect_type(aspect_type_id: str) -> Call[AspectType]:
    """Read one aspect type."""
    return _get(f"{MODEL}/aspecttypes/{quote(aspect_type_id, '')}", AspectType)


def get_asset_type(asset_type_id: str) -> Call[AssetType]:
    """Read one asset type with everything that it inherits."""
    return _get(f"{MODEL}/assettypes/{quote(asset_type_id, '')}?exploded=true", AssetType)


def get_asset(asset_id: str) -> Call[Asset]:
    """Read one asset; `root` gives the tenant's root asset."""
    return _get(f"{MODEL}/assets/{quote(asset_id, '')}", Asset)


def _get(path: str, shape: type[T]) -> Call[T]:
    return Call(Request("GET", path), lambda response: decode(response, shape))


class _PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    total_pages: int = 0
    number: int = 0


class _List(msgspec.Struct):
    page: _PageInfo = _PageInfo()
    embedded: dict[str, msgspec.Raw] = msgspec.field(name="_embedded", default_factory=dict)


def list_things(kind: str, shape: type[T], page: int, criteria: str = "") -> Call[tuple[list[T], bool]]:
    """Read one page of `assets`, `aspectTypes` or `assetTypes`, by name; True: there is another page.

    `criteria` is the dialect's filter as JSON text.
    """
    query = {"page": str(page), "size": str(LIST_PAGE), "sort": "name,asc"}
    if criteria:
        query["filter"] = criteria

    def read(response: Response) -> tuple[list[T], bool]:
        listed = decode(response, _List)
        raw = listed.embedded.get(kind)
        if raw is None:
            return [], page + 1 < listed.page.total_pages
        things = msgspec.json.decode(raw, type=list[shape])  # type: ignore[valid-type]
        return things, page + 1 < listed.page.total_pages

    return Call(Request("GET", f"{MODEL}/{kind.lower()}?{urlencode(query, quote_via=quote)}"), read)


def series_path(asset_id: str, aspect: str) -> str:
    """Give the path of one series."""
    return f"{SERIES}/{quote(asset_id, '')}/{quote(aspect, '')}"


def write_records(
    method: str, asset_id: str, aspect: str, body: bytes, *, wait: bool = False
) -> Call[Written]:
    """Send a JSON array of records: PUT replaces whole records, PATCH merges into them."""
    path = series_path(asset_id, aspect) + ("?wait=applied" if wait else "")
    return Call(Request(method, path, {"Content-Type": JSON}, body), _read_written)


def delete_records(asset_id: str, aspect: str, start: str, end: str) -> Call[Written]:
    """Delete the records of (start, end]."""
    query = urlencode({"from": start, "to": end}, quote_via=quote)
    return Call(Request("DELETE", f"{series_path(asset_id, aspect)}?{query}"), _read_written)


def _read_written(response: Response) -> Written:
    applied = response.headers.get("write-applied")
    return Written(response.headers.get("write-receipt", ""), None if applied is None else applied == "true")


class _MultiErrors(msgspec.Struct):
    errors: list[Refused] = []


def put_many(pairs: Sequence[Pair]) -> Call[MultiPut]:
    """Write records of up to five series; each pair is stored or refused on its own."""
    body = msgspec.json.encode({"timeseries": pairs})

    def read(response: Response) -> MultiPut:
        refused = decode(response, _MultiErrors).errors if response.body.strip() not in {b"", b"null"} else []
        receipts = response.headers.get("write-receipt", "")
        return MultiPut([part.strip() for part in receipts.split(",") if part.strip()], refused)

    return Call(Request("PUT", SERIES, {"Content-Type": JSON}, body), read)


def read_records(
    asset_id: str,
    aspect: str,
    *,
    start: str | None = None,
    end: str | None = None,
    select: Sequence[str] = (),
    limit: int | None = None,
    sort: str | None = None,
    latest: bool = False,
    after: str | None = None,
) -> Call[Page]:
    """Read the records of (start, end], a page of at most 2,000; without a range the newest one.

    `latest` gives the newest value of each variable; `after` is a receipt that the answer must contain.
    """
    query: dict[str, str | None] = {
        "from": start,
        "to": end,
        "select": ",".join(select) or None,
        "limit": None if limit is None else str(limit),
        "sort": sort,
        "latestValue": "true" if latest else None,
    }
    given = {name: value for name, value in query.items() if value is not None}
    path = series_path(asset_id, aspect) + ("?" + urlencode(given, quote_via=quote) if given else "")
    return read_page(path, after)


def read_page(path: str, after: str | None = None) -> Call[Page]:
    """Read one page by its path and query, as `Page.next` gives it."""
    headers = {"Read-After": after} if after else {}
    return Call(Request("GET", path, headers), _read_page)


def _read_page(response: Response) -> Page:
    return Page(decode(response, list[Record]), next_path(response.headers.get("link", "")))


def next_path(link: str) -> str | None:
    """Take path and query out of a `Link` header with rel="next"; None where there is none.

    The origin is dropped: a token never follows a link to another server.
    """
    for part in link.split(",<"):
        target, _, parameters = part.strip().lstrip("<").partition(">")
        if 'rel="next"' in parameters:
            split = urlsplit(target)
            return split.path + (f"?{split.query}" if split.query else "")
    return None


def aggregates(asset_id: str, aspect: str, query: Mapping[str, str | int]) -> Call[list[Aggregate]]:
    """Read aggregates; `query` holds the dialect's from, to, intervalUnit, intervalValue, select, count."""
    full = {"assetId": asset_id, "aspectName": aspect, **query}
    path = f"{AGGREGATES}?{urlencode(full, quote_via=quote)}"
    return Call(Request("GET", path), lambda response: decode(response, _Aggregates).aggregates)


class _Aggregates(msgspec.Struct):
    aggregates: list[Aggregate] = []
