"""Documents of the catalogue that many change at the same moment, by compare-and-set until one try holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from schemas.errors import ServiceError, StoreUnavailable
from storage.port import CatalogStore, Document

V = TypeVar("V")


class Changed(NamedTuple, Generic[V]):
    """What holds after a change."""

    value: V
    document: Document | None
    """As it is stored; None: there was none, and nothing was to be stored."""


async def change(
    catalog: CatalogStore,
    place: tuple[str, str, str],
    read: Callable[[Document | None], V],
    following: Callable[[V], V],
    *,
    tries_max: int,
    failed: str,
) -> V:
    """Change a document that only the service itself changes; StoreUnavailable, with the words `failed`."""
    changed = await change_document(
        catalog, place, read, following, tries_max=tries_max, failed=StoreUnavailable(failed)
    )
    return changed.value


async def change_document(
    catalog: CatalogStore,
    place: tuple[str, str, str],
    read: Callable[[Document | None], V],
    following: Callable[[V], V],
    *,
    tries_max: int,
    failed: ServiceError,
    check: Callable[[V], Awaitable[None]] | None = None,
) -> Changed[V]:
    """Store what follows on what a document says, and give it; what is to stay as it is, is not stored.

    `place` is tenant, kind and id; `read` says what a document means, and what none does. `following` is
    asked again with what another stored meanwhile; `check` may refuse what follows, before it is stored.
    Raises `failed` if others are faster for so many tries.
    """
    for _ in range(tries_max):
        document = await catalog.get(*place)
        known = read(document)
        wanted = following(known)
        if check is not None:
            await check(wanted)
        if wanted == known:
            return Changed(known, document)
        body = msgspec.json.encode(wanted)
        if document is None:
            stored = await catalog.create(*place, body)
        else:
            stored = await catalog.replace(*place, body, document.version)
        if stored is not None:
            return Changed(wanted, stored)
    raise failed
