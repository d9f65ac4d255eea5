"""The contract suite of the catalogue port, shipped with it.

Not named `Test…`, so that pytest collects only the adapters' subclasses. An adapter gives `store`
(empty or not: every test uses tenants of its own) and `reopen`, which proves that nothing is
remembered by the object alone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from abc import abstractmethod

from storage.port import CatalogStore

_names = itertools.count()


def fresh_tenant() -> str:
    """Give a tenant that no other test of this installation uses."""
    return f"t{os.getpid()}_{next(_names)}"


class CatalogStoreContract:
    """What every catalogue promises (design 4, catalogue)."""

    store: CatalogStore

    @abstractmethod
    async def reopen(self) -> CatalogStore:
        """Open the same catalogue once more."""

    async def test_absent_document_is_none(self) -> None:
        """A document that was never stored reads as none, and its kind lists empty."""
        tenant = fresh_tenant()

        assert await self.store.get(tenant, "asset", "a") is None
        assert await self.store.list(tenant, "asset") == []

    async def test_create_starts_at_version_zero_and_refuses_a_taken_id(self) -> None:
        """The ETag of a new document is 0; a second creation changes nothing."""
        tenant = fresh_tenant()

        created = await self.store.create(tenant, "asset", "a", b"{}")
        again = await self.store.create(tenant, "asset", "a", b'{"other":1}')

        assert created is not None
        assert created.version == 0
        assert again is None
        assert await self.store.get(tenant, "asset", "a") == created

    async def test_replace_builds_on_one_version(self) -> None:
        """A conditional update applies once; a stale one changes nothing (MS-08)."""
        tenant = fresh_tenant()
        await self.store.create(tenant, "asset", "a", b"0")

        first = await self.store.replace(tenant, "asset", "a", b"1", 0)
        stale = await self.store.replace(tenant, "asset", "a", b"2", 0)

        assert first is not None
        assert (first.version, first.body) == (1, b"1")
        assert stale is None
        assert await self.store.get(tenant, "asset", "a") == first

    async def test_replace_and_remove_of_an_absent_document_do_nothing(self) -> None:
        """There is nothing to build on, whatever version is named."""
        tenant = fresh_tenant()

        assert await self.store.replace(tenant, "asset", "a", b"1", 0) is None
        assert await self.store.remove(tenant, "asset", "a", 0) is False

    async def test_remove_builds_on_one_version(self) -> None:
        """A removal with a stale version changes nothing; afterwards the id may be created anew."""
        tenant = fresh_tenant()
        await self.store.create(tenant, "asset", "a", b"0")
        await self.store.replace(tenant, "asset", "a", b"1", 0)

        stale = await self.store.remove(tenant, "asset", "a", 0)
        removed = await self.store.remove(tenant, "asset", "a", 1)

        assert (stale, removed) == (False, True)
        assert await self.store.get(tenant, "asset", "a") is None
        assert await self.store.list(tenant, "asset") == []
        again = await self.store.create(tenant, "asset", "a", b"9")
        assert again is not None
        assert again.version == 0

    async def test_one_of_many_concurrent_updates_wins(self) -> None:
        """Of updates built on one version exactly one applies."""
        tenant = fresh_tenant()
        await self.store.create(tenant, "asset", "a", b"0")

        answers = await asyncio.gather(
            *(self.store.replace(tenant, "asset", "a", b"%d" % i, 0) for i in range(8))
        )

        winners = [answer for answer in answers if answer is not None]
        assert len(winners) == 1
        assert await self.store.get(tenant, "asset", "a") == winners[0]

    async def test_list_gives_a_kind_of_a_tenant_by_id(self) -> None:
        """A list holds one kind of one tenant, in the order of ids, however many there are."""
        tenant, other = fresh_tenant(), fresh_tenant()
        ids = [f"{i:03d}" for i in range(120)]
        for document_id in reversed(ids):
            await self.store.create(tenant, "asset", document_id, b"{}")
        await self.store.create(tenant, "aspecttype", "x", b"{}")
        await self.store.create(other, "asset", "foreign", b"{}")

        assert [document.id for document in await self.store.list(tenant, "asset")] == ids

    async def test_names_are_taken_once_in_the_installation(self) -> None:
        """A reserved name stays its owner's; another's release changes nothing (design 8.13)."""
        space = fresh_tenant()

        assert await self.store.reserve(space, "n", "a") is True
        assert await self.store.reserve(space, "n", "a") is True
        assert await self.store.reserve(space, "n", "b") is False
        await self.store.release(space, "n", "b")
        assert await self.store.owner_of(space, "n") == "a"
        await self.store.release(space, "n", "a")
        assert await self.store.owner_of(space, "n") is None
        assert await self.store.reserve(space, "n", "b") is True

    async def test_every_change_is_in_the_log_with_its_version(self) -> None:
        """Whoever follows the log hears of every creation, update and removal, in that order."""
        tenant = fresh_tenant()
        start = await self._position()

        await self.store.create(tenant, "asset", "a", b"0")
        await self.store.replace(tenant, "asset", "a", b"1", 0)
        await self.store.create(tenant, "user", "u", b"0")
        await self.store.remove(tenant, "asset", "a", 1)

        lines = [line for line in await self.store.changes(start) if line.tenant == tenant]
        assert [(line.kind, line.id, line.version) for line in lines] == [
            ("asset", "a", 0),
            ("asset", "a", 1),
            ("user", "u", 0),
            ("asset", "a", 2),
        ]

    async def test_log_continues_after_a_sequence(self) -> None:
        """A follower that hands back the last sequence it saw misses nothing."""
        tenant = fresh_tenant()
        await self.store.create(tenant, "asset", "a", b"0")
        position = await self._position()
        await self.store.create(tenant, "asset", "b", b"0")

        lines = await self.store.changes(position)

        assert "b" in [line.id for line in lines if line.tenant == tenant]
        assert [line.sequence for line in lines] == sorted(line.sequence for line in lines)

    async def test_everything_is_there_after_opening_again(self) -> None:
        """Documents and names do not live in the object that wrote them."""
        tenant = fresh_tenant()
        created = await self.store.create(tenant, "key", "k", bytes(range(256)))
        await self.store.reserve(tenant, "n", "a")

        again = await self.reopen()

        assert await again.get(tenant, "key", "k") == created
        assert await again.owner_of(tenant, "n") == "a"

    async def test_hostile_names_are_only_names(self) -> None:
        """Quotes, separators, NUL-free control characters and other scripts are kept as they are (S13)."""
        tenant = fresh_tenant()
        for name in ("o'neil", 'a"b', "a;drop", "a/b", "a,b", "ü-名", "{tag}", "*?[x]", "a\nb"):
            created = await self.store.create(tenant, "asset", name, name.encode())
            assert created is not None
            assert await self.store.get(tenant, "asset", name) == created

    async def test_closing_twice_is_harmless(self) -> None:
        """A second close does nothing."""
        again = await self.reopen()

        await again.close()
        await again.close()

    async def _position(self) -> str | None:
        lines = await self.store.changes(None)
        return lines[-1].sequence if lines else None

    async def test_a_tenants_part_can_be_listed_and_counted(self) -> None:
        """Kinds, names and counts are the tenant's own (design 4.16)."""
        tenant, other = fresh_tenant(), fresh_tenant()
        await self.store.create(tenant, "asset", "a", b"{}")
        await self.store.create(tenant, "file:a", "x", b"{}")
        await self.store.create(other, "user", "u", b"{}")
        await self.store.reserve("user", f"{tenant} user", tenant)
        await self.store.reserve("client", f"{tenant} client", tenant)
        await self.store.reserve("user", f"{other} user", other)

        assert await self.store.kinds(tenant) == ["asset", "file:a"]
        assert [("client", f"{tenant} client"), ("user", f"{tenant} user")] == await self.store.names_of(
            tenant
        )
        left = await self.store.count_left(tenant)
        assert (left["documents"], left["names"]) == (2, 2)
        assert left["changes"] >= 2

    async def test_what_is_erased_of_a_tenant_counts_no_more(self) -> None:
        """Removed documents, released names and forgotten lines leave 0 everywhere; others' stay."""
        tenant, other = fresh_tenant(), fresh_tenant()
        for name in (tenant, other):
            await self.store.create(name, "asset", "a", b"{}")
            await self.store.reserve("user", f"{name} user", name)
        before = await self.store.count_left(other)

        await self.store.remove(tenant, "asset", "a", 0)
        await self.store.release("user", f"{tenant} user", tenant)
        await self.store.forget_changes(tenant)
        await self.store.forget_changes(tenant)

        assert (await self.store.kinds(tenant), await self.store.names_of(tenant)) == ([], [])
        assert {0} == set((await self.store.count_left(tenant)).values())
        assert before == await self.store.count_left(other)
