"""Receipts: where in the order a request's entries stand, signed, and readable for their tenant only.

A receipt is opaque to clients (design 8.17). It lists (shard, incarnation, position) of each entry;
the signature covers the tenant, so that another tenant's receipt is refused like a forged one.

    version u8 · entries x (shard u16 · incarnation u32 · position u64) · signature 16 bytes, base64url
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from typing import NamedTuple

from schemas.errors import NotFound

VERSION = 1
SIGNATURE_BYTES = 16
"""128 bits: nobody guesses a receipt, and it fits a header line."""

ENTRIES_MAX = 1_000
"""A request of one megabyte is split into far fewer entries; a longer receipt is not ours."""

_ENTRY = struct.Struct("<HIQ")


class Place(NamedTuple):
    """One entry's place in the order of its shard."""

    shard: int
    incarnation: int
    position: int


def encode_receipt(places: Sequence[Place], tenant: str, key: bytes) -> str:
    """Write a receipt for a tenant."""
    listed = bytes([VERSION]) + b"".join(_ENTRY.pack(*place) for place in places)
    return base64.urlsafe_b64encode(listed + _signature(listed, tenant, key)).decode().rstrip("=")


def decode_receipt(text: str, tenant: str, key: bytes) -> list[Place]:
    """Read a receipt; NotFound for anything that was not given to this tenant."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    listed, signature = octets[:-SIGNATURE_BYTES], octets[-SIGNATURE_BYTES:]
    genuine = hmac.compare_digest(signature, _signature(listed, tenant, key))
    if not genuine or listed[:1] != bytes([VERSION]) or len(listed) > 1 + ENTRIES_MAX * _ENTRY.size:
        message = "There is no such receipt."
        raise NotFound(message)
    return [Place(*found) for found in _ENTRY.iter_unpack(listed[1:])]


def _signature(listed: bytes, tenant: str, key: bytes) -> bytes:
    return hashlib.blake2b(listed + tenant.encode(), digest_size=SIGNATURE_BYTES, key=key).digest()
