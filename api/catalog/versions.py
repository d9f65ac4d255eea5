"""Versions that `If-Match` names, held against what a door has in memory (wire 0.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import Kept
from schemas.agents import Agent
from schemas.errors import PreconditionFailed
from schemas.shares import Share
from schemas.subtenants import Subtenant

V = TypeVar("V", Share, Subtenant, Agent)

STALE: Final = "The etag is not that of the present version; read it again."


async def present(index: CatalogIndex, find: Callable[[], Awaitable[Kept[V]]], version: int) -> Kept[V]:
    """Give what `find` finds in memory, in this version; PreconditionFailed where it has another.

    Memory may be a second old, so before a refusal it is brought up to date. A stale version never reaches
    the store: every door would look after its line in the log, whose change cannot come.
    """
    kept = await find()
    if kept.version != version:
        await index.refresh()
        kept = await find()
    if kept.version != version:
        raise PreconditionFailed(STALE)
    return kept
