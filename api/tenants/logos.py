"""A tenant's logo: a small picture in the catalogue (wire 10)."""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.errors import Conflict, Malformed, NotFound, TooLarge
from schemas.files import media_type
from schemas.ids import TenantId
from schemas.limits import FILE_NAME_CHARACTERS_MAX, LOGO_BYTES_MAX
from schemas.multipart import Part, field_of
from storage.changing import change_document
from storage.port import CatalogStore, Document

LOGO: Final = "logo"
"""Kind and id of the document."""

TRIES_MAX: Final = 5

FORM_BYTES_MAX: Final = LOGO_BYTES_MAX + 4_096
"""With delimiters and headers of the form around it."""


class Logo(msgspec.Struct, frozen=True):
    """The picture and how it came."""

    name: str
    type: str
    content: bytes


class Logos:
    """The logos of tenants."""

    def __init__(self, catalog: CatalogStore) -> None:
        """Take the catalogue."""
        self._catalog = catalog

    async def find(self, tenant: TenantId) -> Logo | None:
        """Give the logo; None where there is none."""
        return _logo_in(await self._catalog.get(tenant, LOGO, LOGO))

    async def get(self, tenant: TenantId) -> Logo:
        """Give the logo; NotFound where there is none."""
        found = await self.find(tenant)
        if found is None:
            raise NotFound("The tenant has no logo.")
        return found

    async def put(self, tenant: TenantId, logo: Logo) -> None:
        """Store a logo, also over another one; of two at once the later holds."""
        failed = Conflict("Others change the logo all the time; try again.")
        await change_document(
            self._catalog, (tenant, LOGO, LOGO), _logo_in, lambda _: logo, tries_max=TRIES_MAX, failed=failed
        )


def _logo_in(document: Document | None) -> Logo | None:
    return None if document is None else msgspec.json.decode(document.body, type=Logo)


def logo_in(parts: list[Part]) -> Logo:
    """Take the picture out of a form: the field `file`; Malformed without one, TooLarge."""
    part = next((part for part in parts if field_of(part).name == "file"), None)
    if part is None or not part.body:
        raise Malformed("The form needs a field `file` with the picture.")
    if len(part.body) > LOGO_BYTES_MAX:
        raise TooLarge(f"A logo has at most {LOGO_BYTES_MAX} bytes.")
    filename = field_of(part).filename or ""
    name = "".join(character for character in filename if character.isprintable())
    return Logo(name[:FILE_NAME_CHARACTERS_MAX] or "logo", media_type(part.media), part.body)
