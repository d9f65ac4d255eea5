"""Shares as calls: what the tenant lets others do with its assets, and what others let it do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

import msgspec

from client.calls import JSON, Call, Request, decode

if TYPE_CHECKING:
    from client.blocking import Client

SHARES = "/api/aspectstore/v1/shares"
PAGE = 1_000
"""The most that the service gives at once."""

Side = Literal["given", "received"]


class Receiver(msgspec.Struct, omit_defaults=True):
    """Who receives a share."""

    tenant: str | None = None
    subtenant: str | None = None
    user: str | None = None
    role: str | None = None


class Share(msgspec.Struct, rename="camel"):
    """A share, as its giver or its receiver sees it."""

    id: str
    giver: str
    receiver: Receiver
    assets: list[str]
    actions: list[str]
    subtree: bool = False
    aspects: list[str] | None = None
    """None: all."""
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    expires: str | None = None
    ended: bool = False
    note: str = ""
    given: str = ""
    etag: int = 0
    given_by: str = ""
    """For the giver's tenant only."""


class _Page(msgspec.Struct):
    shares: list[Share]
    next: str | None = None


def add_share(given: Mapping[str, Any]) -> Call[Share]:
    """Give a share; `given` as the service's description has it."""
    request = Request("POST", SHARES, {"Content-Type": JSON}, msgspec.json.encode(given))
    return Call(request, lambda response: decode(response, Share), repeatable=False)


def get_share(share_id: str) -> Call[Share]:
    """Read a share that the tenant has given or received."""
    return Call(Request("GET", f"{SHARES}/{quote(share_id, '')}"), lambda response: decode(response, Share))


def remove_share(share_id: str) -> Call[None]:
    """Take a share back."""
    return Call(Request("DELETE", f"{SHARES}/{quote(share_id, '')}"), lambda _: None)


def walk_shares(client: Client, side: Side) -> Iterator[Share]:
    """Walk through all shares that the tenant has given, or received, by id."""
    page = client.call(_page(side, ""))
    yield from page.shares
    while page.next is not None:
        page = client.call(_page(side, page.next))
        yield from page.shares


def _page(side: Side, after: str) -> Call[_Page]:
    query = urlencode({"side": side, "limit": PAGE, **({"after": after} if after else {})}, quote_via=quote)
    return Call(Request("GET", f"{SHARES}?{query}"), lambda response: decode(response, _Page))
