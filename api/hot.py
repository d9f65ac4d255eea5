"""The one request that decides how fast the door is, without the framework: PUT of one series.

Same checks, same service call and same answers as `api.routes.series.put_series`; a test sends both
ways what any client may send and compares. Measured on one core: the framework's routing, injection and
response, and ASGI under it, take longer than checking, encoding and appending a record do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from litestar.exceptions import HTTPException

from api.bodies import demand_media
from api.compression import coding_of, expand
from api.identity.tokens import Identity
from api.scopes import SERIES_WRITE
from api.series import PATH, Answered, write_options
from api.services import Services
from api.tenancy import demand
from schemas.limits import PUT_BODY_BYTES_MAX
from schemas.records import WriteMode

Headers = Mapping[bytes, bytes]
Place = tuple[str, str]
"""Asset and the name of its aspect, as sent."""

_PREFIX: Final = f"{PATH}/".encode()

READ: Final = frozenset(
    {b"authorization", b"content-type", b"content-encoding", b"content-length", b"idempotency-key"}
)
"""The headers that such a request is judged by."""


class HotPath:
    """What answers PUT of one series itself; raises what the framework's route raises."""

    def __init__(self, services: Services) -> None:
        """Work with what the framework's routes work with."""
        self._services = services

    def admit(self, headers: Headers) -> Identity:
        """Judge a request by its head, before its body is read."""
        services = self._services
        now_s = services.ports.clock.now_ms() / 1_000
        caller = services.identity.identify(headers.get(b"authorization"), now_s)
        demand(caller, SERIES_WRITE)
        media = headers.get(b"content-type", b"").decode("latin-1")
        demand_media(media, _coding(headers), compressed=True)
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced[:12]) > PUT_BODY_BYTES_MAX:
            raise too_large()
        return caller

    async def put(self, caller: Identity, headers: Headers, target: Target, body: bytes) -> Answered:
        """Serve an admitted request."""
        key = headers.get(b"idempotency-key")
        place, query = target
        if b"content-encoding" in headers:
            body = expand(body, coding_of(_coding(headers)), PUT_BODY_BYTES_MAX)
        # Blank values count: the framework sees them too.
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else ()
        options = write_options(dict(pairs), None if key is None else key.decode("latin-1"))
        return await self._services.series.write(caller, place, body, WriteMode.REPLACE, options)


Target = tuple[Place, bytes]
"""Place and query of such a request."""


def target_of(url: bytes) -> Target | None:
    """Read the target of a PUT; None for every other path, and for spellings that the framework knows better.

    Those are escapes, which it decodes, and whole addresses.
    """
    if not url.startswith(_PREFIX) or b"%" in url or b"#" in url or not url.isascii():
        return None
    path, _, query = url[len(_PREFIX) :].partition(b"?")
    asset, slash, aspect = path.decode().partition("/")
    if not (asset and slash and aspect) or "/" in aspect:
        return None
    return (asset, aspect), query


def judged(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Pick the headers that matter; of repeated ones the first counts, as it does for the framework."""
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in READ:
            found.setdefault(name, value)
    return found


def _coding(headers: Headers) -> str:
    return headers.get(b"content-encoding", b"identity").decode("latin-1")


def too_large() -> HTTPException:
    """Give what a body beyond the limit ends with, in the words of the framework's own limit."""
    return HTTPException(status_code=413)
