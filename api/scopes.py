"""What a credential may do: the scopes, as existing clients know them (wire 0.9), and ours beside them."""

from __future__ import annotations

from typing import Any, Final

SERIES_READ: Final = "iot.tim.r"
SERIES_WRITE: Final = "iot.tim.w"
SERIES_DELETE: Final = "iot.tim.d"
AGGREGATES_READ: Final = "iot.tsa.r"
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

ALL_SCOPES: Final = (
    SERIES_READ, SERIES_WRITE, SERIES_DELETE, AGGREGATES_READ, EXCHANGE, ASSETS_READ, ASSETS_WRITE,
    FILES_READ, FILES_WRITE, FILES_DELETE, EVENTS_READ, EVENTS_WRITE, EVENTS_DELETE,
    OPERATIONS_READ, OPERATIONS_WRITE,
)  # fmt: skip
"""In the order in which a token lists them."""

DEVICE_SCOPES: Final = (SERIES_READ, SERIES_WRITE, EXCHANGE)
"""What the shared client of simple devices may pass on to a user's token (TB-01)."""

ANY: Final = ""
"""Any valid token will do."""


def require(scope: str) -> dict[str, Any]:
    """Give the `opt` of a route that needs a token with this scope (`ANY`: just a token)."""
    return {"scope": scope}


def opened() -> dict[str, Any]:
    """Give the `opt` of a route that needs no token; design 8.15 lists them all."""
    return {"open": True}
