"""Callers that sign their requests with an API key instead of showing a token (TB-13).

A signature covers the body, so the body is read before the caller is known: no more of it than
`SIGNED_BODY_BYTES_MAX`, and only for a key that there is.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from litestar import Request

from api.http.asgi import BODILESS
from api.http.bodies import StrictRequest
from api.http.queries import has_too_many
from api.identity.api_keys import ApiKeys
from api.identity.tokens import Identity
from schemas.errors import TooLarge, Unauthenticated
from schemas.limits import KB, SIGNED_BODY_BYTES_MAX

KEY_HEADER: Final = "x-deltix-apikey"
SIGNATURE_HEADER: Final = "x-deltix-signature"

_IN_THREAD_BYTES: Final = 256 * KB
"""A larger body is hashed beside the loop: it takes longer than the change of threads."""


async def signed_caller(request: Request[Any, Any, Any], keys: ApiKeys, now_s: float) -> Identity:
    """Tell whose key signed this request; Unauthenticated if it does not hold, TooLarge for a large body."""
    query: bytes = request.scope["query_string"]
    if has_too_many(query):
        raise Unauthenticated("A signed request has fewer query parameters.")
    signer = await keys.signer(request.headers[KEY_HEADER], now_s)
    body = await _body(request)
    path = request.scope["path"]
    target = (path, request.scope.get("raw_path") or path.encode(), query)
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if len(body) > _IN_THREAD_BYTES:
        await asyncio.to_thread(signer.demand, signature, request.method, target, body)
    else:
        signer.demand(signature, request.method, target, body)
    return signer.identity


async def _body(request: Request[Any, Any, Any]) -> bytes:
    """Read the body as it was sent; a route that takes more than fits must hear how long it is."""
    if request.method in BODILESS:
        return b""
    assert isinstance(request, StrictRequest)
    allowed = request.route_handler.resolve_request_max_body_size()
    if not isinstance(allowed, int) or allowed > SIGNED_BODY_BYTES_MAX:
        announced = request.headers.get("content-length", "")[:12]
        if not announced.isdigit() or int(announced) > SIGNED_BODY_BYTES_MAX:
            raise TooLarge(f"A signed body has at most {SIGNED_BODY_BYTES_MAX} bytes and says how many.")
    return await request.raw_body()
