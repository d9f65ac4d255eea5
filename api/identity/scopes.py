"""What a credential may do: the scopes, as existing clients know them (wire 0.9), and ours beside them."""

from __future__ import annotations

from typing import Any, Final

SERIES_READ: Final = "iot.tim.r"
SERIES_WRITE: Final = "iot.tim.w"
SERIES_DELETE: Final = "iot.tim.d"
AGGREGATES_READ: Final = "iot.tsa.r"
AGENTS_READ: Final = "agm.r"
AGENTS_WRITE: Final = "agm.w"
"""Agents, their onboarding and what they are configured to send (wire 5, 6.1, 6.6)."""
EXCHANGE: Final = "exc.w"
"""Device exchange: what an agent or a board may do."""
ASSETS_READ: Final = "asm.r"
ASSETS_WRITE: Final = "asm.w"
FILES_READ: Final = "iot.fil.r"
FILES_WRITE: Final = "iot.fil.w"
FILES_DELETE: Final = "iot.fil.d"
EVENTS_READ: Final = "em.r"
EVENTS_WRITE: Final = "em.w"
EVENTS_DELETE: Final = "em.d"
OPERATIONS_READ: Final = "aspectstore.ops.r"
"""Metrics and the parts of the health answer."""
OPERATIONS_WRITE: Final = "aspectstore.ops.w"
"""Replay and discard of dead letters."""
TENANT_READ: Final = "tm.r"
TENANT_WRITE: Final = "tm.w"
"""The caller's own tenant: what people call it, its settings, its subtenants (wire 10)."""
ACCOUNTS_READ: Final = "aspectstore.accounts.r"
ACCOUNTS_WRITE: Final = "aspectstore.accounts.w"
"""Users, technical users and API keys of the caller's tenant."""
SHARING_READ: Final = "aspectstore.sharing.r"
SHARING_WRITE: Final = "aspectstore.sharing.w"
USAGE_READ: Final = "aspectstore.usage.r"
AUDIT_READ: Final = "aspectstore.audit.r"
SUBSCRIPTIONS_READ: Final = "aspectstore.subscriptions.r"
SUBSCRIPTIONS_WRITE: Final = "aspectstore.subscriptions.w"
PLATFORM: Final = "aspectstore.platform"
"""All tenants of the installation: make, suspend, set limits, erase."""

ALL_SCOPES: Final = (
    SERIES_READ, SERIES_WRITE, SERIES_DELETE, AGGREGATES_READ, EXCHANGE, ASSETS_READ, ASSETS_WRITE,
    FILES_READ, FILES_WRITE, FILES_DELETE, EVENTS_READ, EVENTS_WRITE, EVENTS_DELETE,
    AGENTS_READ, AGENTS_WRITE,
    OPERATIONS_READ, OPERATIONS_WRITE, TENANT_READ, TENANT_WRITE, ACCOUNTS_READ, ACCOUNTS_WRITE,
    SHARING_READ, SHARING_WRITE, USAGE_READ, AUDIT_READ, SUBSCRIPTIONS_READ, SUBSCRIPTIONS_WRITE, PLATFORM,
)  # fmt: skip
"""In the order in which a token lists them."""

DEFAULT_AGENT: Final = "mdsp:core:DefaultAgent"
"""What the token of an agent says (wire 5.3); what that is stands in `api.guard.agents`."""

DEVICE_SCOPES: Final = (SERIES_READ, SERIES_WRITE, EXCHANGE)
"""What the shared client of simple devices may pass on to a user's token (TB-01)."""

ANY: Final = ""
"""Any valid token will do."""


def require(scope: str, *, action: str = "") -> dict[str, Any]:
    """Give the `opt` of a route that needs a token with this scope (`ANY`: just a token).

    `action` is what the audit log calls it, thing and verb, such as `asset.create`; every route that
    changes something but stored records has one.
    """
    return {"scope": scope, "action": action} if action else {"scope": scope}


def opened() -> dict[str, Any]:
    """Give the `opt` of a route that needs no token; design 8.15 lists them all."""
    return {"open": True}
