"""Signatures of requests, as TimeBase's API keys make them (TB-13).

HMAC-SHA384, in base64, over METHOD, the path in lower case, the query as `key=value` with keys in lower case,
sorted and joined by `&`, and the body, one after the other without anything between them. What the contract
leaves open, clients do differently: whether escapes of the path count, and whether keys are sorted before or
after they are written small. Every reading is tried; they differ for few requests.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from urllib.parse import parse_qsl

SIGNATURE_BYTES = 48


def holds(secret: str, signature: str, method: str, target: tuple[str, bytes, bytes], body: bytes) -> bool:
    """Tell whether a signature is that of a request; `target`: path without escapes, path as sent, query."""
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    if len(given) != SIGNATURE_BYTES:
        return False
    key = secret.encode()
    # Every reading is tried to its end: how many there are is no secret, which one fits is none either.
    fits = [
        hmac.compare_digest(given, hmac.digest(key, head + body, hashlib.sha384))
        for head in readings(method, *target)
    ]
    return any(fits)


def readings(method: str, path: str, raw_path: bytes, query: bytes) -> set[bytes]:
    """Give what a client may have signed before the body."""
    paths = {path.lower().encode(), raw_path.lower()}
    return {method.upper().encode() + one + asked for one in paths for asked in _queries(query)}


def _queries(query: bytes) -> set[bytes]:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    small = [(name.lower(), value) for name, value in pairs]
    orders = (
        [(name.lower(), value) for name, value in sorted(pairs, key=lambda pair: pair[0])],
        [(name.lower(), value) for name, value in sorted(pairs)],
        sorted(small, key=lambda pair: pair[0]),
        sorted(small),
    )
    return {"&".join(f"{name}={value}" for name, value in order).encode() for order in orders}
