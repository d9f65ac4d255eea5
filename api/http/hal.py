"""Hypertext lists and preconditions as asset management has them (wire 0.5, 0.6, 4.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from litestar import Request, Response

from api.http.errors import HAL
from schemas import codes
from schemas.errors import Invalid, PreconditionFailed, Problem

T = TypeVar("T")

SIZE_DEFAULT = 10
SIZE_MAX = 2_000
"""Clients ask for up to 2,000 at once; larger sizes are cut to it."""

_ETAG = re.compile(r'(?:W/)?"?([0-9]{1,18})"?')


class Link(msgspec.Struct):
    """A place."""

    href: str


class Page(msgspec.Struct, rename="camel"):
    """Where a list stands."""

    size: int
    total_elements: int
    total_pages: int
    number: int
    """Counted from 0."""


class Wanted(NamedTuple):
    """What of a list is asked for."""

    page: int
    size: int
    sort: str
    filter: str


class Listed(NamedTuple):
    """What a page holds."""

    things: Sequence[Any]
    """As they go out."""
    total: int
    """How many there are on all pages."""


class Preconditions(NamedTuple):
    """What a write builds on: a version, nothing there, or anything."""

    version: int | None
    """From `If-Match`; None if it was not sent."""
    absent: bool
    """`If-None-Match: *`: only if there is nothing yet."""

    def required(self) -> int:
        """Give the version; a missing If-Match is refused (wire 0.5)."""
        if self.version is None:
            message = "If-Match is missing; send the etag of the version that you have read."
            raise Invalid([Problem("", codes.MISSING_PARAMETER, message)])
        return self.version


def preconditions(request: Request[Any, Any, Any]) -> Preconditions:
    """Read If-Match (bare or quoted) and If-None-Match; a tag that was never given fails as a stale one."""
    version = version_in(request.headers.get("if-match"))
    return Preconditions(version, request.headers.get("if-none-match", "").strip() == "*")


def version_in(match: str | None) -> int | None:
    """Read the value of If-Match; None where there is none, PreconditionFailed where it is no version."""
    if match is None:
        return None
    found = _ETAG.fullmatch(match.strip())
    if found is None:
        raise PreconditionFailed("If-Match does not name a version; send the etag that you have read.")
    return int(found[1])


def origin_of(request: Request[Any, Any, Any], public_url: str) -> str:
    """Give the origin for links: the configured one, else the one that the client used."""
    if public_url:
        return public_url.rstrip("/")
    return (
        f"{request.scope['scheme']}://{request.headers.get('host', '')}{request.scope.get('root_path', '')}"
    )


def answer_one(request: Request[Any, Any, Any], resource: T, etag: int, status: int = 200) -> Response[T]:
    """Give a resource with its ETag; 304 where the client has this version."""
    if status == 200 and request.method == "GET" and _has(request, str(etag)):
        return Response(None, status_code=304, headers={"etag": f'"{etag}"'})  # type: ignore[arg-type]
    return Response(resource, status_code=status, headers={"etag": f'"{etag}"'}, media_type=HAL)


def answer_list(
    request: Request[Any, Any, Any],
    listed: Listed,
    wanted: Wanted,
    *,
    name: str,
    origin: str,
    extra: str = "",
) -> Response[Any]:
    """Give a page of a list, with links, totals and a hash of the content as its ETag."""
    found, total = listed
    pages = -(-total // wanted.size) if wanted.size else 0
    body = {
        "_embedded": {name: found},
        "_links": _links(f"{origin}{request.scope['path']}", wanted, pages, extra),
        "page": Page(wanted.size, total, pages, wanted.page),
    }
    encoded = msgspec.json.encode(body)
    etag = hashlib.md5(encoded, usedforsecurity=False).hexdigest()
    if _has(request, etag):
        return Response(None, status_code=304, headers={"etag": f'"{etag}"'})
    return Response(encoded, headers={"etag": f'"{etag}"'}, media_type=HAL)


def _has(request: Request[Any, Any, Any], etag: str) -> bool:
    sent = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/").strip('"') == etag for tag in sent.split(",") if tag.strip())


def _links(path: str, wanted: Wanted, pages: int, extra: str) -> dict[str, Link]:
    def link(page: int) -> Link:
        chosen = f"&filter={quote(wanted.filter, safe='')}" if wanted.filter else ""
        order = f"&sort={quote(wanted.sort, safe=',')}" if wanted.sort else ""
        return Link(f"{path}?{extra}page={page}&size={wanted.size}{order}{chosen}")

    links = {"first": link(0)}
    if wanted.page > 0:
        links["prev"] = link(wanted.page - 1)
    links["self"] = link(wanted.page)
    if wanted.page < pages - 1:
        links["next"] = link(wanted.page + 1)
    links["last"] = link(max(pages - 1, 0))
    return links
