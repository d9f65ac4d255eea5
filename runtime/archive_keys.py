"""Keys of encrypted archives: who may name them, and what they are (SM-11, S9).

An installation gives keys to tenants in one secret setting, a line each: `TENANT:NAME:PASSWORD`. Imports name
a key and never see its value; a name that was not given to a tenant is unknown to it.
"""

from __future__ import annotations

import re
from typing import TypeAlias

ArchiveKeys: TypeAlias = dict[tuple[str, str], bytes]
"""(tenant, name) → password."""

NAME: str = "[A-Za-z0-9_.-]{1,64}"
_LINE = re.compile(rf"([a-z][a-z0-9_]{{1,7}}):({NAME}):(.+)")


def parse_archive_keys(text: str) -> ArchiveKeys:
    """Read the lines; empty ones and those that begin with `#` count for nothing.

    ValueError, which names the line and shows nothing of it, for one of another form, or a name given twice.
    """
    keys: ArchiveKeys = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"line {number} is not of the form TENANT:NAME:PASSWORD")
        tenant, name, password = found.groups()
        if (tenant, name) in keys:
            raise ValueError(f"line {number} gives a tenant the same name twice")
        keys[tenant, name] = password.encode()
    return keys
