"""The memory adapter of the catalogue: dicts, for tests and as the oracle of the contract.

Nothing outlives the process; versions, names and the change log behave as the other adapters do.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.erasing_port import Name
from storage.port import CatalogStore, Change, Document


class MemoryCatalogStore(CatalogStore):
    """Documents, names and the change log of one process."""

    def __init__(self) -> None:
        """Start empty."""
        self._documents: dict[tuple[str, str], dict[str, Document]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._log: list[Change] = []

    async def get(self, tenant: str, kind: str, document_id: str) -> Document | None:
        """Read one document; None where there is none."""
        return self._documents.get((tenant, kind), {}).get(document_id)

    async def list(self, tenant: str, kind: str) -> list[Document]:
        """Read every document of a kind, ordered by id."""
        kept = self._documents.get((tenant, kind), {})
        return [kept[document_id] for document_id in sorted(kept)]

    async def create(self, tenant: str, kind: str, document_id: str, body: bytes) -> Document | None:
        """Store a new document at version 0; None if the id is taken."""
        if await self.get(tenant, kind, document_id) is not None:
            return None
        return self._store(Document(tenant, kind, document_id, 0, body))

    async def replace(
        self, tenant: str, kind: str, document_id: str, body: bytes, built_on: int
    ) -> Document | None:
        """Store the next version if the stored one is still `built_on`; None if it is not."""
        stored = await self.get(tenant, kind, document_id)
        if stored is None or stored.version != built_on:
            return None
        return self._store(Document(tenant, kind, document_id, built_on + 1, body))

    async def remove(self, tenant: str, kind: str, document_id: str, built_on: int) -> bool:
        """Delete the document if its version is still `built_on`."""
        stored = await self.get(tenant, kind, document_id)
        if stored is None or stored.version != built_on:
            return False
        self._note(tenant, kind, document_id, built_on + 1)
        del self._documents[tenant, kind][document_id]
        return True

    async def reserve(self, space: str, name: str, owner: str) -> bool:
        """Take a name that is unique in the installation; True if it is (or already was) the owner's."""
        return self._names.setdefault((space, name), owner) == owner

    async def owner_of(self, space: str, name: str) -> str | None:
        """Tell who holds a reserved name."""
        return self._names.get((space, name))

    async def release(self, space: str, name: str, owner: str) -> None:
        """Give a name back; nothing happens if it is another's."""
        if self._names.get((space, name)) == owner:
            del self._names[space, name]

    async def kinds(self, tenant: str) -> Sequence[str]:
        """Give every kind of which the tenant has a document."""
        return sorted(kind for (owner, kind), kept in self._documents.items() if owner == tenant and kept)

    async def names_of(self, owner: str) -> Sequence[Name]:
        """Give every reserved name of an owner."""
        return sorted(Name(*key) for key, holder in self._names.items() if holder == owner)

    async def forget_changes(self, tenant: str) -> None:
        """Leave lines of nothing in place of the tenant's: a sequence counts lines."""
        self._log = [
            Change(line.sequence, "", "", "", 0) if line.tenant == tenant else line for line in self._log
        ]

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count documents, names and lines of the log."""
        return {
            "documents": sum(len(kept) for (owner, _), kept in self._documents.items() if owner == tenant),
            "names": sum(holder == tenant for holder in self._names.values()),
            "changes": sum(line.tenant == tenant for line in self._log),
        }

    async def changes(self, after: str | None) -> Sequence[Change]:
        """Read the change log after a sequence (None: all of it)."""
        return self._log[0 if after is None else int(after) :]

    async def close(self) -> None:
        """Release nothing; twice is harmless."""

    def _store(self, document: Document) -> Document:
        self._note(document.tenant, document.kind, document.id, document.version)
        self._documents.setdefault((document.tenant, document.kind), {})[document.id] = document
        return document

    def _note(self, tenant: str, kind: str, document_id: str, version: int) -> None:
        self._log.append(Change(f"{len(self._log) + 1:020d}", tenant, kind, document_id, version))
