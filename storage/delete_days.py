"""How many deletes a tenant has asked for on a day: one document a tenant, changed by every door (MS-52).

A day is one of UTC. What is refused is given back; what repeats a request of the day, by its key, takes
nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import msgspec

from schemas.durations import DAY_MS
from storage.changing import change
from storage.port import CatalogStore, Document

KIND = "deleteday"
"""Kind and id of the document."""

KEYS_MAX = 1_000
"""Keys remembered of a day; a repeat of an older one counts as another delete."""

CHANGE_TRIES_MAX = 20
"""Doors that change it at the same moment; each try of one is the success of another."""


class DeleteDay(msgspec.Struct, frozen=True):
    """The deletes of one day."""

    day: int = 0
    """Since 1970."""
    count: int = 0
    keys: tuple[str, ...] = ()
    """Of the requests that named one."""


_decoder = msgspec.json.Decoder(DeleteDay)


def resets_in_s(now_ms: int) -> int:
    """Give the seconds until the next day, rounded up."""
    return -(-(DAY_MS - now_ms % DAY_MS) // 1000)


class Slot(Enum):
    """What a delete got of its day."""

    TAKEN = "taken"
    KNOWN = "known"
    """Its key was counted before."""
    NONE_LEFT = "none left"


async def take(catalog: CatalogStore, tenant: str, now_ms: int, most: int, key: str | None) -> Slot:
    """Count one more delete, unless the day has as many as it may. A key counts once a day."""
    slot = Slot.NONE_LEFT

    def counted(known: DeleteDay) -> DeleteDay:
        nonlocal slot
        today = _of_day(known, now_ms)
        if key is not None and key in today.keys:
            slot = Slot.KNOWN
        elif today.count >= most:
            slot = Slot.NONE_LEFT
        else:
            slot = Slot.TAKEN
            keys = today.keys if key is None else (*today.keys, key)[-KEYS_MAX:]
            return DeleteDay(today.day, today.count + 1, keys)
        return known

    await _change(catalog, tenant, counted)
    return slot


def _of_day(known: DeleteDay, now_ms: int) -> DeleteDay:
    """Give what is known of today: of another day, nothing counts."""
    today = now_ms // DAY_MS
    return known if known.day == today else DeleteDay(today)


async def is_full(catalog: CatalogStore, tenant: str, now_ms: int, most: int) -> bool:
    """Tell whether the day has as many deletes as it may."""
    document = await catalog.get(tenant, KIND, KIND)
    return _of_day(_day_in(document), now_ms).count >= most


async def give_back(catalog: CatalogStore, tenant: str, now_ms: int, key: str | None) -> None:
    """Count a delete of the day no more."""

    def counted(known: DeleteDay) -> DeleteDay:
        today = _of_day(known, now_ms)
        if not today.count:
            return known
        return DeleteDay(today.day, today.count - 1, tuple(each for each in today.keys if each != key))

    await _change(catalog, tenant, counted)


async def _change(catalog: CatalogStore, tenant: str, counted: Callable[[DeleteDay], DeleteDay]) -> None:
    """Change the document, whoever else does so meanwhile."""
    failed = f"the deletes of tenant {tenant} could not be counted: others change it all the time"
    place = (tenant, KIND, KIND)
    await change(catalog, place, _day_in, counted, tries_max=CHANGE_TRIES_MAX, failed=failed)


def _day_in(document: Document | None) -> DeleteDay:
    return DeleteDay() if document is None else _decoder.decode(document.body)
