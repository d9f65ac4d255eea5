"""What people and programs are there for: roles, and the scopes that each brings (design 7).

The one place that says it. A role is a name for scopes at the moment when a credential is made: a token
carries scopes and no role, and every route asks for a scope (`api.identity.scopes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.identity.scopes import (
    AGENTS_READ,
    AGENTS_WRITE,
    AGGREGATES_READ,
    ALL_SCOPES,
    ASSETS_READ,
    ASSETS_WRITE,
    EVENTS_DELETE,
    EVENTS_READ,
    EVENTS_WRITE,
    EXCHANGE,
    FILES_DELETE,
    FILES_READ,
    FILES_WRITE,
    OPERATIONS_READ,
    OPERATIONS_WRITE,
    PLATFORM,
    SERIES_DELETE,
    SERIES_READ,
    SERIES_WRITE,
    SHARING_READ,
    SUBSCRIPTIONS_READ,
    SUBSCRIPTIONS_WRITE,
    TENANT_READ,
    USAGE_READ,
)

VIEWER: Final = "viewer"
OPERATOR: Final = "operator"
ENGINEER: Final = "engineer"
TENANT_ADMIN: Final = "tenant admin"
PLATFORM_ADMIN: Final = "platform admin"
UPLOAD_ONLY: Final = "upload-only"

_VIEWING: Final = frozenset(
    {SERIES_READ, AGGREGATES_READ, ASSETS_READ, FILES_READ, EVENTS_READ, AGENTS_READ}
    | {TENANT_READ, SUBSCRIPTIONS_READ}
)
_OPERATING: Final = _VIEWING | {SERIES_WRITE, FILES_WRITE, EVENTS_WRITE, OPERATIONS_READ, USAGE_READ}
_ENGINEERING: Final = _OPERATING | {
    SERIES_DELETE, ASSETS_WRITE, FILES_DELETE, EVENTS_DELETE, OPERATIONS_WRITE, SHARING_READ,
    SUBSCRIPTIONS_WRITE, AGENTS_WRITE,
}  # fmt: skip


def _in_order(scopes: frozenset[str]) -> tuple[str, ...]:
    return tuple(scope for scope in ALL_SCOPES if scope in scopes)


ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    VIEWER: _in_order(_VIEWING),
    OPERATOR: _in_order(_OPERATING),
    ENGINEER: _in_order(_ENGINEERING),
    TENANT_ADMIN: tuple(scope for scope in ALL_SCOPES if scope != PLATFORM),
    PLATFORM_ADMIN: ALL_SCOPES,
    UPLOAD_ONLY: _in_order(frozenset({SERIES_WRITE, FILES_WRITE, EXCHANGE})),
}
"""Scopes in the order in which a token lists them. A viewer reads; an operator also writes records, files and
events and sees what went wrong; an engineer also changes types and assets, deletes and mends; a tenant admin
may do everything in the tenant; a platform admin is an admin of the installation's first tenant who also
manages the tenants; what only uploads writes records, stores files and imports them, learns what became of
its own, and reads nothing."""
