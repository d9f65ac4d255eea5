"""Documents of the catalogue that many change at the same moment, by compare-and-set until one try holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from schemas.errors import StoreUnavailable
from storage.port import CatalogStore, Document

V = TypeVar("V")


async def change(
    catalog: CatalogStore,
    place: tuple[str, str, str],
    read: Callable[[Document | None], V],
    following: Callable[[V], V],
    *,
    tries_max: int,
    failed: str,
) -> V:
    """Store what follows on what a document says, and give it; what is to stay as it is, is not stored.

    `place` is tenant, kind and id; `read` says what a document means, and what none does. `following` is
    asked again with what another stored meanwhile. StoreUnavailable, with the words `failed`, if that goes on
    for so many tries.
    """
    for _ in range(tries_max):
        document = await catalog.get(*place)
        known = read(document)
        wanted = following(known)
        if wanted == known:
            return known
        body = msgspec.json.encode(wanted)
        if document is None:
            stored = await catalog.create(*place, body)
        else:
            stored = await catalog.replace(*place, body, document.version)
        if stored is not None:
            return wanted
    raise StoreUnavailable(failed)
