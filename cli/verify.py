"""`aspectstore verify`: walk a store and print what is not as it was written."""

from __future__ import annotations

import asyncio
import sys

from cli.complaints import Complaint
from cli.progress import Progress
from runtime import wiring
from runtime.settings import Settings
from schemas.errors import ServiceError
from storage.verifying import Seen, verify_series


def verify(settings: Settings) -> bool:
    """Look at every series, one line a finding; True if nothing is damaged."""
    try:
        seen = asyncio.run(_walk(settings))
    except ServiceError as error:
        raise Complaint(error.message) from None
    damaged = sum(not finding.harmless for finding in seen.findings)
    looked_at = (
        f"{seen.slices:,} slices, {seen.blocks:,} blocks of {seen.rows:,} rows, {seen.deltas:,} deltas"
    )
    print(f"{looked_at}: {damaged:,} damaged")
    return not damaged


async def _walk(settings: Settings) -> Seen:
    seen = Seen()
    store = await wiring.open_series(settings, writable=False)
    try:
        listed = await store.list_series()
        with Progress("verify", len(listed), "series") as progress:
            for series in listed:
                for finding in await verify_series(store, series, seen):
                    stream = sys.stderr if finding.harmless else sys.stdout
                    print(f"{'note: ' if finding.harmless else ''}{finding.text}", file=stream)
                progress.advance(1)
    finally:
        await store.close()
    return seen
