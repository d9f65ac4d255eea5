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

from api.asgi import Application, Receive, Scope, Send
from api.bodies import demand_media
from api.scopes import SERIES_WRITE
from api.series import PATH, Answered, write_options
from api.services import Services
from api.tenancy import demand
from schemas.limits import PUT_BODY_BYTES_MAX
from schemas.records import WriteMode

_PREFIX = PATH + "/"


class HotPath:
    """An application that answers PUT of one series itself and hands everything else on."""

    def __init__(self, inner: Application, services: Services) -> None:
        """Stand before `inner`."""
        self._inner = inner
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        place = _place(scope) if scope["method"] == "PUT" else None
        if place is None:
            await self._inner(scope, receive, send)
            return
        answered = await self._put(scope, receive, place)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answered.headers.items()]
        await send({"type": "http.response.start", "status": answered.status, "headers": headers})
        await send({"type": "http.response.body", "body": answered.body, "more_body": False})

    async def _put(self, scope: Scope, receive: Receive, place: tuple[str, str]) -> Answered:
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


def _place(scope: Scope) -> tuple[str, str] | None:
    """Read asset and aspect out of the path; None for every other path."""
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
