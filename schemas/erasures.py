"""The erasing of a tenant as the catalogue keeps it: who asked, how far it is, what was there, what is left.

Kept for ever: it is the proof, and with it the tenant's name is never given again (design 4.16).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from schemas.ids import TenantId

KIND: Final = "erasure"
"""Kind of the document, of the tenant `core`."""

ERASED_NAMES: Final = "erased tenant"
"""Space of the names that were tenants once; their owner is the erasure."""

ERASING: Final = "ERASING"
ERASED: Final = "ERASED"
PROVED: Final = "PROVED"

LOG: Final = "catalogue.changes"
"""The one place where ids, and nothing else, are still named when a tenant is erased: for an hour."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The erasing of one tenant."""

    id: str
    """32 hexadecimal digits, the same whoever asks for the erasing of this tenant."""
    tenant: TenantId
    requested_ms: int
    requested_by: str
    """Who asked …"""
    requested_for: TenantId
    """… and of which tenant, in whose audit log the request stands."""
    shards: int
    """Of the installation; each has the order among its entries."""
    state: Literal["ERASING", "ERASED", "PROVED"] = ERASING
    shards_done: int = 0
    """In which all series are gone."""
    before: Mapping[str, int] = {}
    """What was there when the erasing began, by place; counted as the proof counts."""
    left: Mapping[str, int] = {}
    """What the last look at every place has found."""
    erased_ms: int | None = None
    """When nothing was found any more but lines of the change log."""
    proved_ms: int | None = None
    """When nothing was found at all, more than an hour later."""


def erasure_id(tenant: str) -> str:
    """Give the id of a tenant's erasing: names are never given again, so one is enough."""
    return hashlib.blake2b(f"erasure of {tenant}".encode(), digest_size=16).hexdigest()


def is_clean(left: Mapping[str, int], *, but_log: bool = False) -> bool:
    """Tell whether nothing is left; with `but_log`, nothing but lines of the change log."""
    return not any(count for place, count in left.items() if not (but_log and place == LOG))
