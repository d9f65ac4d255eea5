"""Subtenants: parts of a tenant to which assets belong, and whose callers see nothing else (wire 10).

Pure. An asset belongs to the subtenant that it is given, and so does everything below it.
"""

from __future__ import annotations

import re

import msgspec

from schemas.codes import INVALID_BODY
from schemas.errors import Problem
from schemas.ids import TenantId
from schemas.limits import DESCRIPTION_CHARACTERS_MAX, NAME_CHARACTERS_MAX

_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_ID_RULE = "An id begins with a letter and has at most 64 of a-z, 0-9, _ and -."


class Subtenant(msgspec.Struct, frozen=True, kw_only=True):
    """One subtenant, as the catalogue keeps it."""

    id: str
    """Chosen by the tenant, for ever; a part of paths."""
    tenant: TenantId
    entity_id: str
    """Drawn when it was made, so that one made anew under an old id is another one."""
    display_name: str
    description: str = ""
    created_ms: int
    """When it was made, UTC."""


def is_subtenant_id(text: str) -> bool:
    """Tell whether the text may name a subtenant."""
    return _ID.fullmatch(text) is not None


def check_subtenant(new: Subtenant) -> list[Problem]:
    """Check id, name and description."""
    rules = (
        (is_subtenant_id(new.id), "/id", _ID_RULE),
        (
            1 <= len(new.display_name) <= NAME_CHARACTERS_MAX and new.display_name.isprintable(),
            "/displayName",
            f"A name has 1 to {NAME_CHARACTERS_MAX} printable characters.",
        ),
        (
            len(new.description) <= DESCRIPTION_CHARACTERS_MAX,
            "/description",
            f"At most {DESCRIPTION_CHARACTERS_MAX} characters.",
        ),
    )
    return [Problem(pointer, INVALID_BODY, message) for lawful, pointer, message in rules if not lawful]
