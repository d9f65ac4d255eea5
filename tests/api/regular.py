"""A site that makes exports regularly when a test says that time goes by."""

from __future__ import annotations

from schemas.durations import DAY_MS, HOUR_MS
from tests.api.downloads import Exports
from tests.api.masts import MAST

SCHEDULES = "/api/aspectstore/v1/exportschedules"
EXPORT = {"assets": [MAST], "aspects": ["weather"], "variables": ["level"]}
DAILY = {"export": EXPORT, "every": "1d", "at": "06:00"}


class Regular(Exports):
    """Scheduled exports at a site."""

    async def put(self, mast, name="daily", etag=None, **asked):
        """Store a schedule."""
        headers = {} if etag is None else {"if_match": f'"{etag}"'}
        return await mast.send("PUT", f"{SCHEDULES}/{name}", {**DAILY, **asked}, **headers)

    async def stored(self, mast, name="daily", **asked):
        """Store a schedule that must be taken; gives it as it is shown."""
        answer = await self.put(mast, name, **asked)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    async def shown(self, mast, name="daily"):
        """Give a schedule as it is shown."""
        answer = await mast.send("GET", f"{SCHEDULES}/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def after(self, hours, name="daily", mast=None):
        """Let time go by, the door look and workers work; gives what came of a schedule."""
        self.site.clock.advance(round(hours * HOUR_MS))
        await self.site.renew()
        await self.look()
        await self.run()
        return (await self.shown(mast or self.site.open, name)).get("run")

    async def look(self):
        """Let the door look, with all that it would know by then."""
        await self.site.door.services.refresh()
        await self.site.door.timer.look()

    async def jobs(self, mast):
        """List exports: the newest first."""
        return (await mast.send("GET", "/api/aspectstore/v1/exports")).json()["exports"]


DAY_H = DAY_MS // HOUR_MS
