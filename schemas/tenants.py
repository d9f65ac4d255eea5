"""The tenant: owner of assets, data, credentials and limits; nothing crosses it."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from schemas import codes
from schemas.errors import Problem
from schemas.ids import AssetId, TenantId
from schemas.limits import COMPANY_CHARACTERS_MAX
from schemas.retention import DAYS_MAX


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
    display_name: str = ""
    """How it is shown; empty: by its name."""
    country: str = ""
    """Two letters (ISO 3166-1); empty: not said."""


_COUNTRY = re.compile(r"[A-Z]{2}|", re.ASCII)


def check_tenant(tenant: Tenant, zones: Collection[str]) -> list[Problem]:
    """Check the settings of a tenant but for its profile; `zones` are the IANA names known."""
    days = tenant.retention_days
    rules = (
        (_is_line(tenant.company), "/companyName", f"At most {COMPANY_CHARACTERS_MAX} printable characters."),
        (
            _is_line(tenant.display_name),
            "/displayName",
            f"At most {COMPANY_CHARACTERS_MAX} printable characters.",
        ),
        (_COUNTRY.fullmatch(tenant.country) is not None, "/country", "Two capital letters, as in DE."),
        (tenant.timezone in zones, "/timezone", "Not a time zone; write it as Europe/Berlin or UTC."),
        (
            days is None or 0 <= days <= DAYS_MAX,
            "/retentionDays",
            f"0 (for ever) to {DAYS_MAX} days, or null for the installation's.",
        ),
    )
    return [Problem(pointer, codes.INVALID_BODY, message) for lawful, pointer, message in rules if not lawful]


def _is_line(text: str) -> bool:
    return len(text) <= COMPANY_CHARACTERS_MAX and text.isprintable()
