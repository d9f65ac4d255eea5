"""One loop changes documents that many change at once: nobody's change is lost, and nobody tries for ever."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.errors import Conflict, StoreUnavailable
from storage.changing import Changed, change, change_document
from storage.memory_catalog import MemoryCatalogStore

PLACE = ("acme", "note", "one")


def count_in(document):
    """Read a number; no document means none."""
    return 0 if document is None else msgspec.json.decode(document.body)


def one_more(count):
    """Count one."""
    return count + 1


class Racing:
    """A catalogue in which so many others are faster: each stores something after somebody has read."""

    def __init__(self, others):
        self.others = others
        self._catalog = MemoryCatalogStore()
        self.create, self.replace = self._catalog.create, self._catalog.replace

    async def get(self, *place):
        document = await self._catalog.get(*place)
        if self.others:
            self.others -= 1
            body = msgspec.json.encode(count_in(document) + 10)
            if document is None:
                await self.create(*place, body)
            else:
                await self.replace(*place, body, document.version)
        return document


async def test_of_many_at_once_each_change_is_there():
    """What another stored meanwhile is read again, and the change made to that."""
    catalog = MemoryCatalogStore()
    many = [change(catalog, PLACE, count_in, one_more, tries_max=20, failed="") for _ in range(8)]

    assert {*range(1, 9)} == {*await asyncio.gather(*many)}
    assert 8 == count_in(await catalog.get(*PLACE))


async def test_the_document_is_given_as_it_is_stored():
    """Who knows documents by their version takes it from the answer; what stays as it is, is not stored."""
    catalog = Racing(others=2)
    failed = Conflict("no")

    changed = await change_document(catalog, PLACE, count_in, one_more, tries_max=3, failed=failed)
    kept = await change_document(catalog, PLACE, count_in, lambda count: count, tries_max=1, failed=failed)

    assert Changed(21, await catalog.get(*PLACE)) == changed == kept


async def test_after_so_many_tries_it_is_given_up():
    """The caller says what that is: a conflict of people, or a store that is not at rest."""
    with pytest.raises(Conflict, match=r"^no$"):
        await change_document(Racing(others=9), PLACE, count_in, one_more, tries_max=3, failed=Conflict("no"))
    with pytest.raises(StoreUnavailable, match=r"^busy$"):
        await change(Racing(others=9), PLACE, count_in, one_more, tries_max=3, failed="busy")


async def test_what_is_refused_is_not_stored():
    """A check sees what is about to be stored, each time, and its error goes to the caller."""
    catalog, seen = Racing(others=1), []

    async def check(count):
        seen.append(count)
        if count == 11:
            raise Conflict("not eleven")

    with pytest.raises(Conflict, match="not eleven"):
        await change_document(
            catalog, PLACE, count_in, one_more, tries_max=3, failed=Conflict("no"), check=check
        )
    assert [1, 11] == seen
    assert 10 == count_in(await catalog.get(*PLACE))
