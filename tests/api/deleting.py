"""Short words for requests about deletes of a mast (`tests.api.masts`)."""

from __future__ import annotations

from schemas.durations import DAY_MS
from tests.api.masts import at

DELETES = "/api/aspectstore/v1/deletes"
WEEK_MS = 7 * DAY_MS
HOURS = {"from_": at(0, hours=-3), "to": at(0)}
RANGE = {"from": at(0, hours=-3), "to": at(0)}


def hourly(count=3):
    """Give a record for each of the last hours."""
    return [{"_time": at(0, hours=-hour), "level": hour, "label": "x"} for hour in range(count)]


async def later(site, duration_ms):
    """Let time go by, and log in again."""
    await site.seal()
    site.clock.advance(duration_ms)
    await site.renew()


async def deleted(mast, **parameters):
    """Delete what must be taken; gives the id."""
    answer = await mast.delete(**(parameters or HOURS))
    assert answer.status_code == 204, answer.text
    return answer.headers["delete-id"]


async def seen(mast, delete_id):
    """Look a delete up."""
    answer = await mast.send("GET", f"{DELETES}/{delete_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def undo(mast, delete_id, **parameters):
    """Ask for it back."""
    return await mast.send("POST", f"{DELETES}/{delete_id}/undo", parameters=parameters or None)


def reason(answer):
    """Give the words of a refusal."""
    return answer.json()["errors"][0]["message"]


async def preview(mast, **parameters):
    """Ask what a delete would take."""
    asked = {"asset": mast.asset, "aspect": mast.aspect, **(parameters or RANGE)}
    return await mast.send("GET", f"{DELETES}/preview", parameters=asked)
