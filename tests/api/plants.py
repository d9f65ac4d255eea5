"""A plant of the tenant `acme`, and callers of `other` and of parts of `acme` who may see some of it.

    root ─ PLANT ─ LINE ─ PUMP          SITE: beside the plant, nobody's but the tenant's

Every asset is a mast (`tests.api.masts`); ids differ from those that all tenants of the site have.
"""

from __future__ import annotations

import contextlib
import json

import msgspec

from api.identity.scopes import ALL_SCOPES
from api.identity.tokens import Grant
from schemas.assets import Asset
from schemas.builtin import root_asset
from schemas.subtenants import Subtenant
from tests.api.doors import NOW_MS, bearer
from tests.api.masts import Mast, at, running_site

PLANT, LINE, PUMP, SITE, COPY = ("1" * 32, "2" * 32, "3" * 32, "4" * 32, "5" * 32)
SHARES = "/api/aspectstore/v1/shares"
ASSETS = "/api/assetmanagement/v3/assets"
SUBTENANTS = "/api/tenantmanagement/v4/subtenants"
QUERY = "/api/aspectstore/v1/query"
LATEST = "/api/aspectstore/v1/latest"
RANGE = "/api/aspectstore/v1/timeseries"
AGGREGATES = "/api/iottsaggregates/v4/aggregates"
READ, WRITE, AGGREGATE = "records.read", "records.write", "aggregates.read"
SHOW, FILES, EVENTS = "asset.read", "files.read", "events.read"
HOURS = {"from": at(0, hours=-6), "to": at(0, hours=1), "intervalUnit": "hour", "intervalValue": "1"}
NO_ASSET = "There is no such asset."
NO_SERIES = "There is no such aspect with time series."


class Caller(Mast):
    """Somebody with a token."""

    def at_asset(self, asset, aspect="weather"):
        """Give the same caller before another series."""
        return Caller(self.site, self.tenant, self.headers, asset, aspect)

    async def aggregates(self, **parameters):
        """Ask version 4 for the hours around the present."""
        chosen = {"assetId": self.asset, "aspectName": self.aspect, **HOURS, **parameters}
        return await self.send("GET", AGGREGATES, None, chosen)


class Plants:
    """The site with its plant, and the ways to share it."""

    def __init__(self, site):
        self.site, self.door, self.clock = site, site.door, site.clock
        self.owner = self.caller("acme")
        self.guest = self.caller("other", asset=PUMP)

    def caller(self, tenant, name="", scopes=ALL_SCOPES, subtenant=None, asset=PUMP, door=None):
        """Give somebody whom no account stands behind, so that the token alone says what he is."""
        name = name or f"{tenant}-admin"
        grant = Grant(tenant, name, name, scopes, "user-token:v1", 86_400, subtenant=subtenant)
        tokens = (door or self.door).services.identity.tokens
        token, _ = tokens.issue(grant, self.clock.now_ms() // 1_000)
        return Caller(self.site, tenant, bearer(token), asset)

    async def give(self, *actions, assets=(PUMP,), whom="other", by=None, **more):
        """Give a share that must be taken, and give it as the answer has it; `from_` stands for `from`."""
        receiver = whom if isinstance(whom, dict) else {"tenant": whom}
        body = {"receiver": receiver, "assets": list(assets), "actions": list(actions)}
        body |= {name.rstrip("_"): value for name, value in more.items()}
        answer = await (by or self.owner).send("POST", SHARES, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def take_back(self, share):
        """Delete a share."""
        answer = await self.owner.send("DELETE", f"{SHARES}/{share['id']}")
        assert answer.status_code == 204, answer.text

    async def add_subtenant(self, name, tenant="acme"):
        """Make a subtenant."""
        made = Subtenant(
            id=name, tenant=tenant, entity_id=name, display_name=name, created_ms=self.clock.now_ms()
        )
        body = msgspec.json.encode(made)
        await self.site.catalog.create(tenant, "subtenant", name, body)
        await self.door.services.refresh()

    async def assign(self, asset, subtenant):
        """Make an asset a subtenant's."""
        etag = (await self.owner.send("GET", f"{ASSETS}/{asset}")).json()["etag"]
        path = f"/api/aspectstore/v1/assets/{asset}/subtenant"
        answer = await self.owner.send("PUT", path, {"subTenant": subtenant}, if_match=str(etag))
        assert answer.status_code == 200, answer.text
        return answer.json()


async def put_asset(site, asset, name, parent, tenant="acme", **more):
    """Put an asset into the catalogue."""
    made = Asset(id=asset, tenant=tenant, name=name, type_id=f"{tenant}.Mast", parent_id=parent, **more)
    await site.catalog.create(tenant, "asset", asset, msgspec.json.encode(made))
    await site.door.services.refresh()


@contextlib.asynccontextmanager
async def running_plants():
    """Start a door with the plant, nothing shared; PUMP has three records, an hour apart."""
    async with running_site() as site:
        root = root_asset("acme").id
        for asset, name, parent in (
            (PLANT, "Plant", root), (LINE, "Line", PLANT), (PUMP, "Pump", LINE), (SITE, "Site", root),
            (COPY, "Copy", root),
        ):  # fmt: skip
            await put_asset(site, asset, name, parent)
        plants = Plants(site)
        for asset in (PUMP, LINE, SITE):
            records = [{"_time": at(0, hours=-hours), "level": hours} for hours in (2, 1, 0)]
            await plants.owner.at_asset(asset).wrote(records)
        yield plants


def message(answer):
    """Give the words of a refusal."""
    body = answer.json()
    return (body["errors"] if isinstance(body, dict) else body)[0]["message"]


def levels(answer):
    """Give the levels of an array of records."""
    assert answer.status_code == 200, answer.text
    return [record["level"] for record in json.loads(answer.content)]


def moment(milliseconds=0, hours=0):
    """Give a time of the tests in milliseconds."""
    return NOW_MS + milliseconds + hours * 3_600_000
