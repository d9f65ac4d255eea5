"""Sessions and tokens that ended before their time: a list that every door keeps in memory.

An access token is a signature, so nothing has to be asked to believe it; what was taken back must therefore
be known everywhere until it would have ended by itself, which takes minutes. The catalogue's change log
brings it to the other doors within a second.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.ids import CORE
from storage.port import CatalogStore, Document

KIND: Final = "revoked"


class _Revoked(msgspec.Struct, frozen=True):
    """One session or token as stored, under its id."""

    expires_s: int


class Revocations:
    """The ids that hold no more."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue; `load` before use, and whenever the change log names the kind."""
        self._catalog = catalog
        self._ids: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Read the list."""
        self._ids = frozenset(document.id for document in await self._catalog.list(CORE, KIND))

    def names(self, id_: str) -> bool:
        """Tell whether a session or token was taken back."""
        return id_ in self._ids

    async def add(self, id_: str, expires_s: int) -> None:
        """Take a session or token back, until it would have ended; twice is harmless."""
        body = msgspec.json.encode(_Revoked(expires_s))
        await self._catalog.create(CORE, KIND, id_, body)
        self._ids |= {id_}

    async def sweep(self, now_s: int) -> None:
        """Forget what has ended by itself; several doors may do so at once."""
        for document in await self._catalog.list(CORE, KIND):
            if now_s >= _expires_s(document):
                await self._catalog.remove(CORE, KIND, document.id, document.version)
                self._ids -= {document.id}


def _expires_s(document: Document) -> int:
    return msgspec.json.decode(document.body, type=_Revoked).expires_s
