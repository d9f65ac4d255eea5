"""Callers that show a credential as clients of InfluxDB do, on the routes that such clients know (IX-03).

`Authorization: Token …`, `Bearer …` or `Basic …`, or `u` and `p` in the query. What is shown is an access
token of ours, or an API key as `id:secret`; as a name and a password it is the key's id and secret, or any
name and the whole credential: those clients write it either way.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl

from litestar.connection import ASGIConnection

from api.http.queries import has_too_many
from api.identity.service import IdentityService
from api.identity.tokens import Identity
from schemas.errors import Unauthenticated

_WANTED = "A token is required: `Authorization: Token …`, Bearer or Basic, or u and p in the query."


async def shown_caller(
    connection: ASGIConnection[Any, Any, Any, Any], identity: IdentityService, now_s: float
) -> Identity:
    """Tell who shows this credential; Unauthenticated if it proves nobody."""
    header = connection.headers.get("authorization")
    if header is None:
        return await _of_pair(*_in_query(connection.scope["query_string"]), identity, now_s)
    scheme, _, shown = header.partition(" ")
    if scheme.lower() == "basic":
        return await _of_pair(*_in_basic(shown.strip()), identity, now_s)
    if scheme.lower() not in {"token", "bearer"}:
        raise Unauthenticated(_WANTED)
    return await _of_text(shown.strip(), identity, now_s)


async def _of_pair(name: str, password: str, identity: IdentityService, now_s: float) -> Identity:
    if identity.api_keys.is_id(name):
        return await identity.api_keys.shown(name, password, now_s)
    return await _of_text(password, identity, now_s)


async def _of_text(shown: str, identity: IdentityService, now_s: float) -> Identity:
    name, colon, secret = shown.partition(":")
    if colon:
        return await identity.api_keys.shown(name, secret, now_s)
    return identity.identify(f"Bearer {shown}", now_s)


def _in_basic(text: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unauthenticated(_WANTED) from error
    name, _, password = decoded.partition(":")
    return name, password


def _in_query(query: bytes) -> tuple[str, str]:
    pairs = {} if has_too_many(query) else dict(parse_qsl(query.decode("latin-1")))
    if "p" not in pairs:
        raise Unauthenticated(_WANTED)
    return pairs.get("u", ""), pairs["p"]
