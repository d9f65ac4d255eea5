"""Which shard an asset belongs to: a pure rule, pinned by golden values, for the life of an installation.

All series of an asset share a shard, so requests for one asset take effect in one order (design 3.5, 8.7).
"""

from __future__ import annotations

import zlib
from functools import lru_cache

from schemas.ids import AssetId, TenantId

SHARDS = 64
"""Enough for 64 writers; few enough that one writer can poll them all. Changed only by the offline path."""

_ASSETS_REMEMBERED = 131_072
"""About 30 MB; a door meets the same assets again and again."""


@lru_cache(_ASSETS_REMEMBERED)
def shard_of(tenant: TenantId, asset: AssetId, shards: int = SHARDS) -> int:
    """Give the shard of an asset, 0 … shards − 1: CRC-32 of `tenant/asset`, folded by the remainder."""
    return zlib.crc32(f"{tenant}/{asset}".encode()) % shards
