"""A site whose exports run when a test says so, and short words for them."""

from __future__ import annotations

import io
import zipfile

from schemas.times import format_time
from tests.api.bulk import Imports
from tests.api.doors import NOW_MS

EXPORTS = "/api/aspectstore/v1/exports"
FIRST_MS = NOW_MS - 3_600_000


def at(number):
    """Write a time: one of the minutes of the last hour."""
    return format_time(FIRST_MS + number * 60_000)


class Exports(Imports):
    """Exports at a site."""

    async def ask(self, mast, **asked):
        """Ask for an export of an asset's weather."""
        return await mast.send("POST", EXPORTS, {"assets": [mast.asset], "aspects": ["weather"], **asked})

    async def export(self, mast, **asked):
        """Export; gives what the door shows of it."""
        answer = await self.ask(mast, **asked)
        assert answer.status_code == 201, answer.text
        await self.run()
        shown = await mast.send("GET", answer.headers["location"])
        assert shown.status_code == 200, shown.text
        return shown.json()

    async def fetch(self, mast, export, **headers):
        """Fetch the download, or a part of it."""
        return await mast.send("GET", f"{EXPORTS}/{export['job']['id']}/content", **headers)

    async def files(self, mast, **asked):
        """Export; gives the files by name."""
        export = await self.export(mast, **asked)
        assert "done" == export["job"]["state"], export
        answer = await self.fetch(mast, export)
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}
