"""The tenant: owner of assets, data, credentials and limits; nothing crosses it."""

from __future__ import annotations

import msgspec

from schemas.ids import AssetId, TenantId


class Tenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tenant, as the catalogue keeps it."""

    name: TenantId
    """Immutable; the prefix of its type ids (design 8.13)."""
    root_asset: AssetId
    """The asset without a parent, made with the tenant (wire 4.1)."""
    created_ms: int
    """When it was made, UTC."""
    company: str = ""
    """What people call it."""
    timezone: str = "UTC"
    """IANA zone of assets that name none (design 8.24)."""
    profile: str | None = None
    """`open` or `strict`; None: the installation's (design 7)."""
    retention_days: int | None = None
    """How long its rows live before only their summaries do; 0: for ever; None: the installation's (4.13)."""
    suspended: bool = False
    """True: no token of this tenant is accepted."""
