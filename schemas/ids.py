"""Names of things and their grammar (design 8.13): tenants, assets, aspects, series.

A series is (tenant, asset id, aspect id); the tenant is the first part of every key.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple, NewType

TenantId = NewType("TenantId", str)
"""`[a-z][a-z0-9_]{1,7}`, immutable, also the prefix of its type ids."""

AssetId = NewType("AssetId", str)
"""32 lowercase hexadecimal digits (wire 0.4)."""

AspectId = NewType("AspectId", str)
"""32 lowercase hexadecimal digits: an aspect of an asset type, whatever its name is today."""

CORE: TenantId = TenantId("core")
"""The reserved tenant that owns the built-in types."""

TENANT_PATTERN = re.compile(r"[a-z][a-z0-9_]{1,7}", re.ASCII)
HEX_ID_PATTERN = re.compile(r"[0-9a-f]{32}", re.ASCII)


class SeriesId(NamedTuple):
    """The key of one series: records of one aspect of one asset."""

    tenant: TenantId
    asset: AssetId
    aspect: AspectId

    @property
    def text(self) -> str:
        """Give the series as one word, as keys of the stream server use it."""
        return f"{self.tenant}/{self.asset}/{self.aspect}"

    @classmethod
    def parse(cls, text: str) -> SeriesId:
        """Read what `text` wrote; a ValueError for anything else."""
        tenant, asset, aspect = text.split("/")
        return cls(TenantId(tenant), AssetId(asset), AspectId(aspect))


class Erased(NamedTuple):
    """What is erased for good, its id never used again: a tenant, or one asset of it (design 4.16)."""

    tenant: TenantId
    asset: str = ""
    """Empty: all that the tenant has."""


def is_erased(series: SeriesId, erased: Collection[Erased]) -> bool:
    """Tell whether a series is among what is erased; quick where the collection is."""
    return Erased(series.tenant) in erased or Erased(series.tenant, series.asset) in erased


def is_tenant_id(text: str) -> bool:
    """Tell whether the text may name a tenant (`core` is reserved)."""
    return TENANT_PATTERN.fullmatch(text) is not None and text != CORE


def is_hex_id(text: str) -> bool:
    """Tell whether the text has the form of an asset or aspect id."""
    return HEX_ID_PATTERN.fullmatch(text) is not None
