"""The audit log as calls: who set out to do what to which thing, by which token, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from client.calls import Call, Request, decode

AUDIT = "/api/aspectstore/v1/audit"
PLATFORM_AUDIT = "/api/aspectstore/v1/platform/audit"

PAGE_LINES = 1_000
"""The most that the service gives at once."""


class AuditLine(msgspec.Struct, rename="camel"):
    """One act."""

    time: str
    id: str
    """Of the request."""
    action: str
    status: int | None = None
    """Of the answer; None: nobody wrote down what came of it."""
    created: str = ""
    tenant: str = ""
    subject: str = ""
    client_id: str = ""
    token_id: str = ""
    address: str = ""
    things: dict[str, str] = {}
    """The ids in the path."""
    parameters: dict[str, str] = {}
    ended: str | None = None


class AuditPage(msgspec.Struct):
    """Lines, the newest first."""

    lines: list[AuditLine]
    next: str | None = None
    """The cursor of the next page; None at the end."""


def audit_page(
    wanted: Mapping[str, str], cursor: str | None = None, *, limit: int = PAGE_LINES, platform: bool = False
) -> Call[AuditPage]:
    """Read a page of the tenant's log, or of the platform's own.

    `wanted` may have `from`, `to`, `action`, `subject` and `thing`.
    """
    query = {**wanted, "limit": str(limit)} | ({} if cursor is None else {"cursor": cursor})
    path = f"{PLATFORM_AUDIT if platform else AUDIT}?{urlencode(query, quote_via=quote)}"
    return Call(Request("GET", path), lambda response: decode(response, AuditPage))
