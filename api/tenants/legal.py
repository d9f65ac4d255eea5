"""A tenant's legal information: all of its regions in one document, changed by compare-and-set (wire 10)."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from api.catalog.writes import refuse
from schemas.errors import Conflict, NotFound, PreconditionFailed, TooLarge
from schemas.ids import TenantId
from schemas.legal import LegalRegion, check_region
from schemas.limits import LEGAL_BYTES_MAX
from storage.port import CatalogStore, Document

LEGAL: Final = "legal"
"""Kind and id of the document."""

_decoder = msgspec.json.Decoder(tuple[LegalRegion, ...])


class _Kept(NamedTuple):
    document: Document | None
    regions: tuple[LegalRegion, ...]


class Legal:
    """The legal information of tenants."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue."""
        self._catalog = catalog

    async def regions(self, tenant: TenantId) -> tuple[LegalRegion, ...]:
        """Give the regions in the order in which they came; none where nothing was said."""
        return (await self._read(tenant)).regions

    async def create(self, tenant: TenantId, regions: Sequence[LegalRegion]) -> tuple[LegalRegion, ...]:
        """Store the first configuration, with ids of its own; Conflict where there is one."""
        named = tuple(msgspec.structs.replace(region, id=_new_id()) for region in regions)
        refuse([
            problem
            for place, region in enumerate(named)
            for problem in check_region(region, f"/regions/{place}")
        ])  # fmt: skip
        if await self._catalog.create(tenant, LEGAL, LEGAL, _encode(named)) is None:
            raise Conflict("There is a configuration; change its regions, or delete it first.")
        return named

    async def replace(
        self, tenant: TenantId, region_id: str, region: LegalRegion, version: int
    ) -> LegalRegion:
        """Replace one region in this version of it; NotFound, PreconditionFailed."""
        refuse(check_region(region, ""))
        document, regions = await self._read(tenant)
        old = next((one for one in regions if one.id == region_id), None)
        if document is None or old is None:
            raise NotFound("There is no such region.")
        if old.version != version:
            raise PreconditionFailed("The etag is not that of the present version; read it again.")
        new = msgspec.structs.replace(region, id=region_id, version=version + 1)
        body = _encode(tuple(new if one is old else one for one in regions))
        if await self._catalog.replace(tenant, LEGAL, LEGAL, body, document.version) is None:
            raise PreconditionFailed("Another request has just changed the configuration; read it again.")
        return new

    async def remove(self, tenant: TenantId) -> None:
        """Remove the whole configuration; twice is harmless."""
        while (document := (await self._read(tenant)).document) is not None:
            if await self._catalog.remove(tenant, LEGAL, LEGAL, document.version):
                return

    async def _read(self, tenant: TenantId) -> _Kept:
        document = await self._catalog.get(tenant, LEGAL, LEGAL)
        return _Kept(document, () if document is None else _decoder.decode(document.body))


def _encode(regions: tuple[LegalRegion, ...]) -> bytes:
    body = msgspec.json.encode(regions)
    if len(body) > LEGAL_BYTES_MAX:
        raise TooLarge(f"All regions together have at most {LEGAL_BYTES_MAX} bytes.")
    return body


def _new_id() -> str:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
