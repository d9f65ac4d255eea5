"""Wind masts of three tenants at one door, and short words for requests about them.

`acme` and `other` have the profile `open`, `rigid` has `strict`. All have the same types and the same
asset ids, so what keeps them apart is the tenant alone.
"""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import msgspec

from api.identity.passwords import Passwords
from api.identity.setup import Credentials, add_client, bootstrap, create_tenant
from runtime.clock import ManualClock
from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.ids import AspectId, SeriesId
from schemas.times import format_time
from streams.shards import shard_of
from tests.api.doors import NOW_MS, POLICY, bearer, fresh_catalog, running_door, token_of
from tests.workers.world import SHARDS, step

PATH = "/api/iottimeseries/v3/timeseries"
MAST, SECOND = "a" * 32, "c" * 32
"""Two assets, in different shards."""
assert shard_of("acme", MAST, SHARDS) != shard_of("acme", SECOND, SHARDS)

TYPES = {
    "weather": (
        ("temperature", VariableType.DOUBLE, True),
        ("pressure", VariableType.DOUBLE, False),
        ("count", VariableType.LONG, True),
        ("level", VariableType.INT, False),
        ("running", VariableType.BOOLEAN, False),
        ("label", VariableType.STRING, False),
        ("note", VariableType.BIG_STRING, False),
        ("since", VariableType.TIMESTAMP, False),
    ),
    "tyres": tuple((f"{wheel}Wheel", VariableType.DOUBLE, False) for wheel in ("FR", "FL", "RR", "RL")),
    "wide": tuple((f"v{number}", VariableType.DOUBLE, False) for number in range(1_000)),
}
ASPECT_IDS = {name: AspectId(str(number) * 32) for number, name in enumerate(TYPES, 1)}


def at(milliseconds, hours=0):
    """Write a time before (or after) the present of the tests."""
    return format_time(NOW_MS + milliseconds + hours * 3_600_000)


def aspect_type(tenant, name):
    """Give one of the aspect types."""
    variables = tuple(
        Variable(name=variable, type=kind, quality_code=coded, id=number)
        for number, (variable, kind, coded) in enumerate(TYPES[name], 1)
    )
    return AspectType(
        id=f"{tenant}.{name}",
        tenant=tenant,
        name=name,
        category="dynamic",
        variables=variables,
        ids_given=len(variables),
    )


async def put_types(catalog, tenant):
    """Put the types and the two assets into the catalogue."""
    aspects = tuple(
        TypeAspect(name=name, aspect_type_id=f"{tenant}.{name}", aspect_id=aspect_id)
        for name, aspect_id in ASPECT_IDS.items()
    )
    asset_type = AssetType(id=f"{tenant}.Mast", tenant=tenant, name="Mast", aspects=aspects)
    documents = [("aspecttype", f"{tenant}.{name}", aspect_type(tenant, name)) for name in TYPES]
    documents.append(("assettype", asset_type.id, asset_type))
    documents += [
        ("asset", asset, Asset(id=asset, tenant=tenant, name="M", type_id=asset_type.id))
        for asset in (MAST, SECOND)
    ]
    for kind, name, document in documents:
        await catalog.create(tenant, kind, name, msgspec.json.encode(document))


class Mast:
    """One aspect of one asset, seen by a caller of its tenant."""

    def __init__(self, site, tenant, headers, asset=MAST, aspect="weather"):
        self.site, self.tenant, self.headers = site, tenant, headers
        self.asset, self.aspect = asset, aspect

    def of(self, asset=MAST, aspect="weather"):
        """Give another series of the same tenant."""
        return Mast(self.site, self.tenant, self.headers, asset, aspect)

    @property
    def path(self):
        """Give the path of the series."""
        return f"{PATH}/{self.asset}/{self.aspect}"

    @property
    def series(self):
        """Give the series as the inside names it."""
        return SeriesId(self.tenant, self.asset, ASPECT_IDS[self.aspect])

    @property
    def shard(self):
        """Give the series' shard."""
        return shard_of(self.tenant, self.asset, SHARDS)

    async def send(self, method, path, content=None, parameters=None, **headers):
        """Send a request; header names with underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None and not isinstance(content, bytes):
            content = json.dumps(content).encode()
        return await self.site.http.request(
            method, path, content=content, params=parameters, headers={**self.headers, **named}
        )

    async def put(self, records, parameters=None, **headers):
        """PUT records (or bytes)."""
        return await self.send("PUT", self.path, records, parameters, **headers)

    async def patch(self, records, parameters=None, **headers):
        """PATCH records (or bytes)."""
        return await self.send("PATCH", self.path, records, parameters, **headers)

    async def get(self, headers=None, **parameters):
        """GET; `from_` stands for `from`."""
        named = {name.rstrip("_"): value for name, value in parameters.items()}
        return await self.send("GET", self.path, None, named or None, **(headers or {}))

    async def delete(self, headers=None, **parameters):
        """DELETE; `from_` stands for `from`."""
        named = {name.rstrip("_"): value for name, value in parameters.items()}
        return await self.send("DELETE", self.path, None, named or None, **(headers or {}))

    async def put_set(self, parts, parameters=None, **headers):
        """PUT several series: (mast, records) each."""
        body = {
            "timeseries": [
                {"entityId": mast.asset, "propertySetName": mast.aspect, "data": data} for mast, data in parts
            ]
        }
        return await self.send("PUT", PATH, body, parameters, **headers)

    async def wrote(self, records, **headers):
        """PUT what must be taken; gives the receipt."""
        answer = await self.put(records, **headers)
        assert answer.status_code == 204, answer.text
        return answer.headers["write-receipt"]

    async def rename(self, name):
        """Call the asset otherwise."""
        path = f"/api/assetmanagement/v3/assets/{self.asset}"
        tag = (await self.send("GET", path)).headers["etag"]
        headers = {"content_type": "application/merge-patch+json", "if_match": tag}
        answer = await self.send("PATCH", path, {"name": name}, **headers)
        assert answer.status_code == 200, answer.text

    async def rows(self, **parameters):
        """Read records; everything where nothing is said."""
        answer = await self.get(**(parameters or {"to": at(0, hours=24 * 31)}))
        assert answer.status_code == 200, answer.text
        return answer.json()


class Site:
    """The door, its inside, and the masts."""

    def __init__(self, running, headers):
        self.http, self.door, self.world = running.http, running.door, running.world
        self.clock, self.catalog = running.clock, running.catalog
        self.stream, self.store = self.world.stream, self.world.store
        self.series = self.door.services.series
        self.series.receipts.wait_s, self.series.receipts.look_s = 0.03, 0.002
        self.writer = self.world.writer()
        self.open = Mast(self, "acme", headers["acme"])
        self.other = Mast(self, "other", headers["other"])
        self.strict = Mast(self, "rigid", headers["rigid"])

    async def renew(self):
        """Log in again and renew the shards' limits, after hours have gone by."""
        await self.step()
        await self.writer._renew_limits()
        for mast in (self.open, self.other, self.strict):
            mast.headers = bearer(await token_of(self.http, f"{mast.tenant}-tech", "s3cret"))

    async def step(self):
        """Let the writer take one turn."""
        return await step(self.writer)

    async def seal(self):
        """Let the writer store what waits, and seal it once nothing has come for a while."""
        await self.step()
        self.clock.advance(60_000)
        await self.step()

    def of(self, profile):
        """Give the mast of the tenant with a profile."""
        return {"open": self.open, "strict": self.strict}[profile]


async def technical_user(site, name, role):
    """Make a technical user of the open tenant with a role; gives the mast as it sees it."""
    made = await site.open.send("POST", "/api/aspectstore/v1/clients", {"id": name, "role": role})
    assert made.status_code == 201, made.text
    token = await token_of(site.http, name, made.json()["secret"])
    return Mast(site, site.open.tenant, bearer(token))


async def site_catalog():
    """Give a catalogue with the three tenants, and who may log in."""
    catalog, passwords = await fresh_catalog(), Passwords(8)
    await bootstrap(catalog, passwords, NOW_MS, Credentials("acme", "acme-tech", "s3cret"))
    for tenant in ("other", "rigid"):
        await create_tenant(catalog, tenant, NOW_MS)
        await add_client(catalog, passwords, Credentials(tenant, f"{tenant}-tech", "s3cret"))
    document = await catalog.get("core", "tenant", "rigid")
    body = json.dumps({**json.loads(document.body), "profile": "strict"}).encode()
    await catalog.replace("core", "tenant", "rigid", body, document.version)
    for tenant in ("acme", "other", "rigid"):
        await put_types(catalog, tenant)
    return catalog


@contextlib.asynccontextmanager
async def running_site(policy=POLICY, store=None):
    """Start a door with all of it, shards proved, nothing written."""
    catalog = await site_catalog()
    async with running_door(catalog, ManualClock(NOW_MS), policy, store=store) as running:
        headers = {
            tenant: bearer(await token_of(running.http, f"{tenant}-tech", "s3cret"))
            for tenant in ("acme", "other", "rigid")
        }
        site = Site(running, headers)
        await site.step()
        yield site


def problems(answer):
    """Give (pointer, last word of the code) of each reason in a refusal."""
    return [(each.get("pointer"), each["code"].rpartition(".")[2]) for each in answer.json()["errors"]]


def plain(**members):
    """Give a namespace, for tables of cases."""
    return SimpleNamespace(**members)
