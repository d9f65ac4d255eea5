"""Where fetched peers lie: in the user's cache, beside the Cassandra of the tests."""

from __future__ import annotations

import os
from pathlib import Path

FETCH = "`make bench-peers` fetches it"


def folder(name: str) -> Path:
    """Name the folder of one kind of peer; it need not exist."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "aspectstore" / "peers" / name
