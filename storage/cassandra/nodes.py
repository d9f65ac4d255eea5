"""What the nodes of a cluster are set to, as far as this service depends on it."""

from __future__ import annotations

import re

from schemas.errors import StoreUnavailable
from storage.cassandra.calls import DEFAULT_LIMITS, PackLimits
from storage.cassandra.session import Session
from storage.statements import load

STATEMENTS = load("storage.cassandra", "nodes.cql")

DURABLE_SYNCS = ("batch", "group")
"""Commit-log modes that acknowledge a write only when it is on the disk."""

_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB)")
_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024 * 1024}


async def check_durability(session: Session) -> None:
    """Refuse a node that acknowledges before its commit log is on the disk (design 4, promise)."""
    for endpoint, settings in (await _settings(session)).items():
        mode = settings.get("commitlog_sync")
        if mode not in DURABLE_SYNCS:
            raise StoreUnavailable(
                f"the Cassandra node {endpoint} acknowledges writes before they are on its disk "
                f"(commitlog_sync: {mode}): set it to group or batch in cassandra.yaml, or start with "
                "--durability everysec and accept that a power cut loses writes"
            )


async def pack_limits(session: Session) -> PackLimits:
    """Give what every node takes in one batch without a warning; the defaults where one does not say."""
    found = [_limits(settings) for settings in (await _settings(session)).values()]
    if not found:
        return DEFAULT_LIMITS
    return PackLimits(min(each.rows for each in found), min(each.bytes for each in found))


def _limits(settings: dict[str, str]) -> PackLimits:
    rows = settings.get("unlogged_batch_across_partitions_warn_threshold") or ""
    size = _SIZE.fullmatch(settings.get("batch_size_warn_threshold") or "")
    return PackLimits(
        max(1, int(rows)) if rows.isdigit() else DEFAULT_LIMITS.rows,
        int(size[1]) * _UNITS[size[2]] if size is not None else DEFAULT_LIMITS.bytes,
    )


async def _settings(session: Session) -> dict[str, dict[str, str]]:
    """Ask every node that is up; by its address."""
    text = STATEMENTS["read_settings"].text
    return {
        str(host.endpoint): dict(await session.execute(text, host=host))
        for host in session.cluster.metadata.all_hosts()
        if host.is_up
    }
