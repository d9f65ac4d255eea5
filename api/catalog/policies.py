"""Limits of tenants by name: the two built-in profiles and the installation's own (design 7).

A tenant names one. What is not known (deleted at the same moment, or of a newer release) holds for nobody:
the installation's default takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from schemas.budgets import check_policy
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem
from schemas.ids import CORE
from schemas.limits import POLICIES_MAX
from schemas.policies import PROFILES, Policy, Profile
from storage.port import CatalogStore, Document

if TYPE_CHECKING:
    from api.catalog.index import CatalogIndex

POLICY: Final = "policy"
"""Their kind in the catalogue."""


class KeptPolicy(NamedTuple):
    """A policy and its row version, which is its ETag; a built-in one has none."""

    value: Profile
    version: int


BUILT_IN: Final = {name: KeptPolicy(profile, -1) for name, profile in PROFILES.items()}


class Policies:
    """All policies of an installation, in a door's memory."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        """Hold the built-in ones and these."""
        self._own: dict[str, KeptPolicy] = {}
        for document in documents:
            self.put(document)

    def put(self, document: Document) -> None:
        """Take in a new or changed policy; what does not decode is of a newer release, and not known."""
        try:
            policy = msgspec.json.decode(document.body, type=Profile)
        except msgspec.MsgspecError:
            self.drop(document.id)
        else:
            self._own[document.id] = KeptPolicy(policy, document.version)

    def drop(self, name: str) -> None:
        """Forget a policy."""
        self._own.pop(name, None)

    def find(self, name: str) -> KeptPolicy | None:
        """Find a policy."""
        return BUILT_IN.get(name) or self._own.get(name)

    def version(self, name: str) -> int:
        """Give the version that is known; −1 for none."""
        kept = self._own.get(name)
        return -1 if kept is None else kept.version

    def all(self) -> list[KeptPolicy]:
        """List them, the built-in ones first, the others by name."""
        return [*BUILT_IN.values(), *(self._own[name] for name in sorted(self._own))]


class PolicyWrites:
    """How policies are made, changed and deleted."""

    def __init__(self, store: CatalogStore, index: CatalogIndex) -> None:
        """Take the store, and the index that is told of every write."""
        self._store = store
        self._index = index

    async def create(self, policy: Policy) -> KeptPolicy:
        """Make a policy; Conflict if there is one of its name, or too many."""
        _refuse(check_policy(policy))
        await self._index.refresh()
        if len(self._index.policies.all()) >= POLICIES_MAX:
            raise Conflict(f"An installation has at most {POLICIES_MAX} policies; delete those of no use.")
        stored = None
        if policy.name not in BUILT_IN:
            stored = await self._store.create(CORE, POLICY, policy.name, msgspec.json.encode(policy))
        if stored is None:
            raise Conflict("There is a policy of this name; change that one, or choose another name.")
        return self._put(stored)

    async def replace(self, name: str, policy: Policy, version: int) -> KeptPolicy:
        """Change a policy of this version, for every tenant that names it; in all doors a second later."""
        kept = await self._own(name)
        problems = check_policy(policy)
        if policy.name != name:
            message = "It is the name in the path: a policy keeps its name."
            problems.append(Problem("/name", _WRONG, message))
        _refuse(problems)
        stored = None
        if kept.version == version:
            stored = await self._store.replace(CORE, POLICY, name, msgspec.json.encode(policy), version)
        if stored is None:
            raise PreconditionFailed(_STALE)
        return self._put(stored)

    async def remove(self, name: str, version: int) -> None:
        """Delete a policy that no tenant names; Conflict names some of those that do."""
        kept = await self._own(name)
        users = self._index.users_of(name)
        if users:
            named = ", ".join(users[:_USERS_NAMED])
            raise Conflict(f"It holds for {len(users)} tenants ({named}); give these another one first.")
        if kept.version != version or not await self._store.remove(CORE, POLICY, name, version):
            raise PreconditionFailed(_STALE)
        self._index.drop_policy(name)

    async def find(self, name: str) -> KeptPolicy:
        """Give a policy, also one that another door has just made; NotFound if there is none."""
        kept = self._index.policies.find(name)
        if kept is None:
            kept = await self._fresh(name)
        return kept

    async def _own(self, name: str) -> KeptPolicy:
        """Give a policy that can be changed; Conflict for a built-in one, NotFound for none."""
        if name in BUILT_IN:
            raise Conflict("A built-in policy does not change; make one of your own.")
        return await self._fresh(name)

    async def _fresh(self, name: str) -> KeptPolicy:
        """Give a policy as other doors have left it; NotFound if there is none."""
        await self._index.refresh()
        kept = self._index.policies.find(name)
        if kept is None:
            raise NotFound("There is no such policy.")
        return kept

    def _put(self, stored: Document) -> KeptPolicy:
        self._index.put_policy(stored)
        kept = self._index.policies.find(stored.id)
        assert kept is not None
        return kept


_USERS_NAMED: Final = 5
_WRONG: Final = "aspectstore.policies.nameChanged"
_STALE: Final = "The etag is not that of the present version; read it again."


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Invalid(list(problems))
