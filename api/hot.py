"""The one request that decides how fast the door is, without the framework: PUT of one series.

Same checks, same service call and same answers as `api.routes.series.put_series`; a test sends both
ways what any client may send and compares. Measured on one core: the framework's routing, injection and
response take longer than checking, encoding and appending a record do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from litestar.exceptions import HTTPException

from api.asgi import Receive, Scope
from api.bodies import demand_media
from api.scopes import SERIES_WRITE
from api.series import PATH, Answered, write_options
from api.services import Services
from api.tenancy import demand
from schemas.limits import PUT_BODY_BYTES_MAX
from schemas.records import WriteMode

_PREFIX = PATH + "/"
Place = tuple[str, str]
"""Asset and the name of its aspect, as sent."""


class HotPath:
    """What answers PUT of one series itself."""

    def __init__(self, services: Services) -> None:
        """Work with what the framework's routes work with."""
        self._services = services

    async def put(self, scope: Scope, receive: Receive, place: Place) -> Answered:
        """Serve a request of `place_of`; raises what the framework's route raises."""
        headers = _headers(scope["headers"])
        services = self._services
        now_s = services.ports.clock.now_ms() / 1_000
        caller = services.identity.identify(headers.get(b"authorization"), now_s)
        demand(caller, SERIES_WRITE)
        _check_media(headers)
        body = await _body(headers, receive)
        key = headers.get(b"idempotency-key")
        query = scope["query_string"]
        # Blank values count: the framework sees them too.
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else ()
        options = write_options(dict(pairs), None if key is None else key.decode("latin-1"))
        return await services.series.write(caller, place, body, WriteMode.REPLACE, options)


def place_of(scope: Scope) -> Place | None:
    """Read asset and aspect out of the path of such a request; None for every other request."""
    if scope["method"] != "PUT":
        return None
    path: str = scope["path"]
    if not path.startswith(_PREFIX):
        return None
    asset, slash, aspect = path[len(_PREFIX) :].partition("/")
    if not (asset and slash and aspect) or "/" in aspect:
        return None
    return asset, aspect  # the path is decoded already


_READ = frozenset(
    {b"authorization", b"content-type", b"content-encoding", b"content-length", b"idempotency-key"}
)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Pick the headers that matter; of repeated ones the first counts, as it does for the framework."""
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in _READ:
            found.setdefault(name, value)
    return found


def _check_media(headers: dict[bytes, bytes]) -> None:
    media = headers.get(b"content-type", b"").decode("latin-1")
    demand_media(media, headers.get(b"content-encoding", b"identity").decode("latin-1"))


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """Read the body, never more of it than is allowed."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:12]) > PUT_BODY_BYTES_MAX:
        raise HTTPException(status_code=413)  # in the words of the framework's own limit
    parts: list[bytes] = []
    size = 0
    while True:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(status_code=400, detail="The client went away within the body.")
        part = message.get("body", b"")
        size += len(part)
        if size > PUT_BODY_BYTES_MAX:
            raise HTTPException(status_code=413)  # in the words of the framework's own limit
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
