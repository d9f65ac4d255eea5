"""The shapes on the wire that more than one route shares."""

from __future__ import annotations

from typing import Any

from litestar.openapi.datastructures import ResponseSpec

from api.http.errors import HAL, JSON, VND_ERROR, ErrorBody, LineError, OldLineError

_WORDS = {
    400: "Refused: malformed or invalid",
    401: "No token, or one that does not hold",
    403: "The token lacks the scope",
    404: "Unknown, or another tenant's",
    406: "No format or coding that the caller reads",
    408: "The body came too slowly",
    409: "The present state forbids it",
    410: "Lost; send it again",
    412: "A precondition does not hold",
    413: "Over the size limit",
    415: "A media type that is not read",
    416: "No byte of the file is in the range",
    422: "An idempotency key was reused, or lines could not be stored",
    429: "Too many requests; see Retry-After",
    503: "Repeat after Retry-After",
}


def refusals(*statuses: int, hal: bool = False, shape: Any = ErrorBody) -> dict[int, ResponseSpec]:
    """Describe the statuses with which a route refuses; `hal` for asset management's media type.

    A route that asks for a token also knows 429: requests of a tenant have a limit (design 7).
    """
    if 401 in statuses:
        statuses = tuple(sorted({*statuses, 429}))
    media = VND_ERROR if hal else JSON
    return {
        status: ResponseSpec(shape, generate_examples=False, description=_WORDS[status], media_type=media)
        for status in statuses
    }


def line_refusals(*statuses: int, old: bool = False) -> dict[int, ResponseSpec]:
    """Describe the statuses with which a route of InfluxDB's clients refuses; `old`: of InfluxDB 1."""
    found = refusals(*statuses, shape=OldLineError if old else LineError)
    if old:
        found.pop(429, None)
    return found


def described(status: int, shape: type[Any] | None = None) -> dict[int, ResponseSpec]:
    """Describe another success of a HAL route: 201 with the resource, 304 without a body."""
    words = {201: "Created", 304: "The client has this version"}
    return {status: ResponseSpec(shape, generate_examples=False, description=words[status], media_type=HAL)}
