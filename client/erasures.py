"""Erasing a tenant as calls: asked for, and told how far it is; in the end the proof."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from client.calls import Call, Request, Response, decode

BASE = "/api/aspectstore/v1"


class Erasure(msgspec.Struct, rename="camel"):
    """The erasing of one tenant."""

    id: str
    tenant: str
    state: str
    """ERASING, ERASED or PROVED."""
    requested_at: str = ""
    requested_by: str = ""
    shards: int = 0
    shards_done: int = 0
    before: dict[str, int] = {}
    """What was there, by place."""
    left: dict[str, int] = {}
    """What was found at the last look."""
    erased_at: str | None = None
    proved_at: str | None = None
    receipt: str | None = None
    """The signature of a proof."""


class ErasureList(msgspec.Struct):
    """Erasings, by tenant."""

    erasures: list[Erasure]
    next: str | None = None


def erase_tenant(name: str) -> Call[Erasure]:
    """Ask for a suspended tenant to be erased for good."""
    query = urlencode({"confirm": name}, quote_via=quote)
    return Call(Request("DELETE", f"{BASE}/tenants/{quote(name, safe='')}?{query}"), _one)


def find_erasure(name: str) -> Call[ErasureList]:
    """Look for the erasing of a tenant: one, or none."""
    return Call(
        Request("GET", f"{BASE}/erasures?{urlencode({'tenant': name}, quote_via=quote)}"),
        lambda response: decode(response, ErasureList),
    )


def _one(response: Response) -> Erasure:
    return decode(response, Erasure)
