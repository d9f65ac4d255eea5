"""Tenants with one of everything that has an id, at one door over any of the catalogues and stores.

`acme` is the tenant whose access is looked at, `other` the one that must not be seen, `asleep` is suspended.
`guest` has nothing; everybody shares with it the asset, for everything that can be shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import msgspec

from api.agents.quarantine import Refused
from api.identity.accounts import CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN
from api.identity.passwords import Passwords
from api.identity.scopes import ALL_SCOPES, DEFAULT_AGENT, DEVICE_SCOPES
from api.identity.setup import Credentials, add_client, add_user, bootstrap, create_tenant
from api.identity.tokens import AGENT, Grant
from api.series.service import PATH
from api.server import Server
from runtime.clock import ManualClock
from runtime.places import listen
from runtime.ports import DoorPolicy
from schemas.agents import Agent, SecurityProfile
from schemas.assets import Asset
from schemas.builtin import root_asset
from schemas.erasures import erasure_id
from schemas.event_types import STANDARD_TYPE
from schemas.exchange_message import Tuple
from schemas.exporting import schedules
from schemas.ids import AssetId, TenantId
from schemas.jobs import RunJob
from schemas.lineprotocol.inlets import inlet_id
from schemas.shares import Action
from schemas.tenants import Tenant
from storage.audit_port import AuditStore
from storage.cassandra.audit import CassandraAuditStore
from storage.cassandra.catalog import CassandraCatalogStore
from storage.cassandra.series import CassandraSeriesStore
from storage.cassandra.session import Address
from storage.memory import MemorySeriesStore
from storage.memory_audit import MemoryAuditStore
from storage.memory_catalog import MemoryCatalogStore
from storage.sqlite.audit import SqliteAuditStore
from storage.sqlite.catalog import SqliteCatalogStore
from storage.sqlite.series import SqliteSeriesStore
from streams.shards import shard_of
from tests.api.doors import NOW_MS, POLICY, bearer, running_door, signing_key
from tests.api.masts import at
from tests.api.test_dead_letters import letter as letter_of
from tests.workers.world import SHARDS, step
from workers.import_jobs import Workshop, run_job
from workers.imports.importer import Ground

ACME, OTHER, SLEEPER, GUEST = "acme", "other", "asleep", "guest"
NOW_S = NOW_MS // 1_000
FROM, TO = at(-60_000), at(60_000)
RECORDS = [{"_time": at(number), "level": number, "temperature": number / 4} for number in range(3)]
EVENT_TIME = at(-1_000)
IMPORTED = [{"_time": at(-86_400_000), "level": 9}]
"""What a file that is imported holds: records of a day before all others."""
BASE = "/api/assetmanagement/v3"
EVENTS = "/api/eventmanagement/v3"
FILES = "/api/iotfile/v3/files"
TENANTS = "/api/tenantmanagement/v4"
STILL = replace(POLICY, catalog_refresh_s=3_600.0)
"""The change log is read when a test says so."""

TYPES = {
    "aspecttypes/{0}.Weather": {
        "name": "Weather",
        "variables": [{"name": "level", "dataType": "INT"}, {"name": "temperature", "dataType": "DOUBLE"}],
    },
    "aspecttypes/{0}.Spare": {"name": "Spare", "variables": [{"name": "level", "dataType": "INT"}]},
    "assettypes/{0}.Stock": {"name": "Stock", "parentTypeId": "core.basicdevice"},
    "assettypes/{0}.Mast": {
        "name": "Mast",
        "parentTypeId": "{0}.Stock",
        "aspects": [{"name": "weather", "aspectTypeId": "{0}.Weather"}],
    },
    "assettypes/{0}.Spare": {"name": "Spare", "parentTypeId": "core.basicdevice"},
}
"""By path; `{0}` is the tenant."""

NUMBERS = {ACME: 1, OTHER: 2, SLEEPER: 3}

CONSTANT_VERSIONS = (
    "spare_etag", "event_etag", "event_type_etag", "file_etag", "tenant_etag", "region_etag",
    "subtenant_etag", "share_etag", "model_file_etag", "agent_etag", "event_mapping_etag",
)  # fmt: skip
"""Of things that only their own row changes: the first tenant's have the version 0."""
VERSIONS = (
    "asset_etag", "aspect_type_etag", "asset_type_etag", "configuration_etag", *CONSTANT_VERSIONS,
)  # fmt: skip


@contextlib.asynccontextmanager
async def opened(kind: str, folder: Any, server: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Open a catalogue and a series store, empty; Cassandra's keyspace is dropped at the end."""
    if kind == "memory":
        yield MemoryCatalogStore(), MemorySeriesStore()
        return
    if kind == "sqlite":
        catalog = await SqliteCatalogStore.open(folder / "catalog.db")
        series = await SqliteSeriesStore.open(folder / "series.db")
    else:
        address = _address(folder, server)
        catalog = await CassandraCatalogStore.open(address)
        series = await CassandraSeriesStore.open(address)
    try:
        yield catalog, series
    finally:
        if kind == "cassandra":
            series.session.cluster.connect().execute(f"DROP KEYSPACE {address.keyspace}", timeout=60)
        await catalog.close()
        await series.close()


@contextlib.asynccontextmanager
async def opened_audit(kind: str, folder: Any, server: Any) -> AsyncIterator[AuditStore]:
    """Open an audit log beside the catalogue and series store that `opened` has opened."""
    if kind == "memory":
        yield MemoryAuditStore()
        return
    if kind == "sqlite":
        audit: AuditStore = await SqliteAuditStore.open(folder / "audit.db")
    else:
        audit = await CassandraAuditStore.open(_address(folder, server))
    try:
        yield audit
    finally:
        await audit.close()


def _address(folder: Any, server: Any) -> Address:
    return Address([server.host], server.port, f"security_{folder.name.replace('-', '_')}_{os.getpid()}")


class Estate:
    """The door, its inside, and what every tenant has."""

    def __init__(self, running: Any) -> None:
        """Own nothing yet."""
        self.door, self.http, self.world = running.door, running.http, running.world
        self.catalog, self.clock = running.catalog, running.clock
        self.writer = self.world.writer()
        self._tokens: dict[Any, str] = {}
        self.things: dict[str, dict[str, str]] = {}
        """tenant → name → id."""
        self.twins: dict[str, dict[str, str]] = {}
        """tenant → name → what the id could be and nobody's is; as long, and next to it in any order."""
        self.guests_receipt = ""
        """Of a write of `guest` to the asset of `acme`."""

    def token(
        self,
        tenant: str,
        scopes: tuple[str, ...] = ALL_SCOPES,
        ago_s: int = 0,
        subtenant: str | None = None,
    ) -> str:
        """Sign a token that was given so long ago; the same again where it was signed before."""
        asked = tenant, scopes, ago_s, subtenant
        if asked not in self._tokens:
            category = "user-token:v1" if scopes == DEVICE_SCOPES else "client-token:v1"
            name = f"{tenant}-tech" if subtenant is None else f"{tenant}-of-{subtenant}"
            grant = Grant(tenant, name, name, scopes, category, 1_799, subtenant=subtenant)
            self._tokens[asked] = self.door.services.identity.tokens.issue(grant, NOW_S - ago_s)[0]
        return self._tokens[asked]

    def agent_token(self, tenant: str) -> str:
        """Sign a token of the agent of a tenant's asset, as agents are given them."""
        agent = self.things[tenant]["asset"]
        grant = Grant(TenantId(tenant), agent, agent, (DEFAULT_AGENT,), AGENT, 3_600, "onboarding")
        if grant not in self._tokens:
            self._tokens[grant] = self.door.services.identity.tokens.issue(grant, NOW_S)[0]
        return self._tokens[grant]

    async def call(self, tenant: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request that must be taken."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        answer = await self.http.request(
            method, path, content=content, headers={**bearer(self.token(tenant)), **named}
        )
        assert answer.status_code < 300, answer.text
        return answer

    def thing(self, tenant: str, name: str) -> str:
        """Give the id of something; of a version the present one."""
        index = self.door.services.index.of(tenant)
        if name == "configuration_etag":
            return str(index.mappings.points_of(self.things[tenant]["asset"]).etag)
        versions = {
            "asset_etag": index.assets.get(self.things[tenant]["asset"]),
            "aspect_type_etag": index.find_aspect_type(f"{tenant}.Weather"),
            "asset_type_etag": index.find_asset_type(f"{tenant}.Mast"),
        }
        if name not in versions:
            return self.things[tenant][name]
        kept = versions[name]
        return "0" if kept is None else str(kept.version)

    async def suspend(self, tenant: str, *, suspended: bool = True) -> None:
        """Suspend a tenant behind the door's back, as another process does."""
        document = await self.catalog.get("core", "tenant", tenant)
        changed = msgspec.structs.replace(
            msgspec.json.decode(document.body, type=Tenant), suspended=suspended
        )
        body = msgspec.json.encode(changed)
        assert await self.catalog.replace("core", "tenant", tenant, body, document.version) is not None

    async def furnish(self, tenant: str, number: int) -> None:
        """Give a tenant one of everything; tenants of one number have the same ids, where they may."""
        for path, body in TYPES.items():
            made = json.loads(json.dumps(body).replace("{0}", tenant))
            await self.call(tenant, "PUT", f"{BASE}/{path.format(tenant)}", made)
        things = self.things[tenant] = {
            "tenant": tenant,
            "root": root_asset(tenant).id,
            "asset": "0abc"[number] * 32,
            "spare_asset": "0def"[number] * 32,
            "aspect_type": f"{tenant}.Weather",
            "new_aspect_type": f"{tenant}.{'Fresh' if tenant == ACME else 'Weather'}",
            "spare_aspect_type": f"{tenant}.Spare",
            "parent_type": f"{tenant}.Stock",
            "asset_type": f"{tenant}.Mast",
            "new_asset_type": f"{tenant}.{'Fresh' if tenant == ACME else 'Mast'}",
            "spare_asset_type": f"{tenant}.Spare",
            "event_type": f"{tenant}.Alarm",
            "new_event_type": f"{tenant}.{'Fresh' if tenant == ACME else 'Alarm'}",
            "spare_event_type": f"{tenant}.Spare",
            **dict.fromkeys(CONSTANT_VERSIONS, str(number - 1)),
            "token": self.token(tenant),
            "client": f"{tenant}-app",
            "secret": f"{tenant}-s3cret",
            "user": f"{tenant}-board",
            "password": f"{tenant}-p4ss",
            "spare_user": f"{tenant}-guest",
            "spare_client": f"{tenant}-probe",
            "managed_tenant": f"managed{number}",
            "policy": f"gold{number}",
            "doomed_tenant": f"doomed{number}",
            "erasure": erasure_id(f"doomed{number}"),
            "file_type": f"kept-{number}",
            "spare_file_type": f"spare-{number}",
            "schedule": f"nightly-{number}",
            "spare_schedule": f"weekly-{number}",
            "inlet": f"kept-inlet-{number}",
            "inlet_id": inlet_id(f"kept-inlet-{number}"),
            "spare_inlet_id": inlet_id(f"spare-inlet-{number}"),
            "spare_bucket_id": inlet_id(f"spare-bucket-{number}"),
            "stream": f"kept-stream-{number}",
            "spare_stream": f"spare-stream-{number}",
        }
        await self._add_asset(tenant, number)
        await self._write(tenant, things, number)
        await self._report(tenant, things, number)
        await self._file(tenant, things, number)
        await self._import(tenant, things)
        for key in (things["stream"], things["spare_stream"]):
            declared = {"stream": key, "aspectType": things["aspect_type"]}
            await self.call(tenant, "PUT", f"/api/aspectstore/v1/timebase/streams/{key}", declared)
        for name in (things["inlet"], f"spare-inlet-{number}", f"spare-bucket-{number}"):
            rule = {"name": name, "asset": things["asset"], "otherTags": "ignore"}
            await self.call(tenant, "POST", "/api/aspectstore/v1/inlets", rule)
        await self._export(tenant, things)
        await self._model_file(tenant, things, number)
        await self._log_in(tenant, things)
        await self._manage(tenant, things, number)
        await self._share(tenant, things, number)
        await self._subscribe(tenant, things)
        await self._add_agents(tenant, things, number)
        await self._map(tenant, things, number)
        await self._map_events(tenant, things, number)
        await self._quarantine(tenant, things)
        log = await self.call(tenant, "GET", "/api/aspectstore/v1/audit?limit=1")
        things["audit_cursor"] = log.json()["next"]
        twins = {name: twin_of(name, value) for name, value in things.items()}
        self.twins[tenant] = twins | dict.fromkeys(VERSIONS, "98765")

    async def _add_asset(self, tenant: str, number: int) -> None:
        """Add the asset, and change everything as often as the number says: versions differ by tenant."""
        things = self.things[tenant]
        asset = Asset(
            id=things["asset"], tenant=tenant, name="M", type_id=f"{tenant}.Mast", parent_id=things["root"]
        )
        await self.catalog.create(tenant, "asset", asset.id, msgspec.json.encode(asset))
        spare = msgspec.structs.replace(asset, id=things["spare_asset"], name="S", type_id="core.basicdevice")
        await self.catalog.create(tenant, "asset", spare.id, msgspec.json.encode(spare))
        await self.door.services.refresh()
        for path in (f"assets/{asset.id}", f"aspecttypes/{tenant}.Weather", f"assettypes/{tenant}.Mast"):
            for _ in range(number - 1):
                body = (await self.call(tenant, "GET", f"{BASE}/{path}")).json()
                sent = {"name": "M"} if path.startswith("assets") else body
                await self.call(tenant, "PUT", f"{BASE}/{path}", sent, if_match=str(body["etag"]))
        kind = (await self.call(tenant, "GET", f"{BASE}/assettypes/{tenant}.Mast")).json()
        things["aspect_id"] = kind["aspects"][0]["aspectId"]

    async def _write(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Write records under keys, bury a letter, submit a job."""
        keys = {f"{kind}_key": f"{tenant}-{kind}" for kind in ("put", "patch", "set", "delete")}
        things.update(keys)
        series = f"{PATH}/{things['asset']}/weather"
        later = [{"_time": at(1_000), "level": 7}]
        pair = {"entityId": things["asset"], "propertySetName": "weather", "data": later}
        if tenant != ACME:  # Keys of `acme` are used first by the rows themselves.
            await self.call(tenant, "PUT", series, later, idempotency_key=keys["put_key"])
            await self.call(tenant, "PATCH", series, later, idempotency_key=keys["patch_key"])
            await self.call(tenant, "PUT", PATH, {"timeseries": [pair]}, idempotency_key=keys["set_key"])
            gone = f"{series}?from={at(2_000)}&to={at(3_000)}"
            await self.call(tenant, "DELETE", gone, idempotency_key=keys["delete_key"])
        things["receipt"] = (await self.call(tenant, "PUT", series, RECORDS)).headers["write-receipt"]
        gone = f"{series}?from={at(70_000)}&to={at(80_000)}"
        things["delete"] = (await self.call(tenant, "DELETE", gone)).headers["delete-id"]
        await step(self.writer)
        await self._bury(tenant, things, number)
        answer = await self.call(tenant, "POST", "/api/aspectstore/v1/dead-letters/replay", {})
        things["job"] = answer.json()["id"]

    async def _bury(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Put an entry of the tenant, in the shard of its number, among the dead letters."""
        asset = next(n for n in range(1_000) if shard_of(tenant, f"{n:032x}", SHARDS) == number)
        letter = letter_of(tenant, asset, 500 + NUMBERS[tenant])
        await self.world.stream.bury(letter)
        things["shard"], things["position"] = str(letter.shard), str(letter.position)
        things["letter"] = f"{letter.shard}/{letter.position}"
        things["cursor"] = f"{letter.shard}.{letter.position - 1}"

    async def _report(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Make event types, an event and a job of each kind."""
        for name in ("Alarm", "Spare"):
            await self.call(tenant, "POST", f"{EVENTS}/eventTypes", {"name": name})
        event = {"entityId": things["asset"], "typeId": f"{tenant}.Alarm", "timestamp": EVENT_TIME}
        things["event"] = (await self.call(tenant, "POST", f"{EVENTS}/events", event)).json()["id"]
        for version in map(str, range(number - 1)):
            changed = {**event, "text": version}
            await self.call(tenant, "PUT", f"{EVENTS}/events/{things['event']}", changed, if_match=version)
            change = [{"op": "replace", "path": "/ttl", "value": 30}]
            await self.call(tenant, "PATCH", f"{EVENTS}/eventTypes/{tenant}.Alarm", change)
        nothing = {"filter": {"entityId": things["asset"], "typeId": "none"}}
        for kind, body in (("create", {"events": [event]}), ("delete", nothing)):
            answer = await self.call(tenant, "POST", f"{EVENTS}/{kind}EventsJobs", body)
            things[f"{kind}_job"] = answer.json()["id"]

    async def _file(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Store files, and begin uploads in parts."""
        folder = f"{FILES}/{things['asset']}"
        for name in ("kept.txt", "changed.txt", "spare.txt"):
            await self.call(tenant, "PUT", f"{folder}/{name}", f"{name} of {tenant}")
            for version in map(str, range(number - 1)):
                await self.call(tenant, "PUT", f"{folder}/{name}", f"{name} of {tenant}", if_match=version)
        for name in ("long.bin", "done.bin"):
            await self.call(tenant, "PUT", f"{folder}/{name}?upload=start", "")
        await self.call(tenant, "PUT", f"{folder}/long.bin?part=1", f"begun by {tenant}")

    async def _import(self, tenant: str, things: dict[str, str]) -> None:
        """Make import jobs: one that is done, one that was cancelled, one that waits."""
        await self.call(tenant, "PUT", f"{FILES}/{things['asset']}/import.json", IMPORTED)
        await self.call(tenant, "PUT", f"{FILES}/{things['asset']}/import.csv", "t,level")
        for thing in ("file_type", "spare_file_type"):
            typed = {"name": things[thing], "timeColumns": ["t"], "aspect": "weather", "versions": "separate"}
            await self.call(tenant, "POST", "/api/aspectstore/v1/filetypes", typed)
        pair = {"entity": things["asset"], "propertySetName": "weather"}
        body = {"data": [{**pair, "timeseriesFiles": [{"filePath": "import.json"}]}]}
        for thing in ("import_job", "ended_job", "waiting_job"):
            answer = await self.call(tenant, "POST", "/api/iottsbulk/v3/importJobs", body)
            things[thing] = answer.json()["id"]
        await self.call(tenant, "POST", f"/api/aspectstore/v1/jobs/{things['ended_job']}/cancel")
        await run_job(self._workshop(), RunJob(tenant, things["import_job"]))

    async def _export(self, tenant: str, things: dict[str, str]) -> None:
        """Make exports: one that is done, one that waits."""
        for thing in ("export", "spare_export"):
            asked = {"assets": [things["asset"]], "name": thing}
            answer = await self.call(tenant, "POST", "/api/aspectstore/v1/exports", asked)
            things[thing] = answer.json()["job"]["id"]
        await run_job(self._workshop(), RunJob(tenant, things["export"]))
        for thing in ("schedule", "spare_schedule"):
            made = schedule_of(things[thing], f"{tenant}-tech")
            await self.catalog.create(tenant, schedules.KIND, made.name, msgspec.json.encode(made))

    def _workshop(self) -> Workshop:
        """Give what a worker of jobs works on; while one waits, the writer works."""
        ports = self.door.services.ports

        async def pause(_seconds: float) -> None:
            await step(self.writer)

        ground = Ground(
            ports.catalog, ports.series, ports.stream, ports.clock, SHARDS, lambda: os.urandom(16), pause
        )
        return Workshop(ground, ports.files, ports.jobs, 1_024)

    async def _model_file(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Store files that assets can refer to."""
        path, headers = f"{BASE}/files", bearer(self.token(tenant))
        for thing in ("model_file", "spare_model_file"):
            form = {"file": (thing, f"{thing} of {tenant}")}
            answer = await self.http.post(path, files=form, headers=headers)
            assert answer.status_code == 201, answer.text
            things[thing] = answer.json()["id"]
            for version in map(str, range(number - 1)):
                place, match = f"{path}/{things[thing]}", {**headers, "if-match": version}
                assert (await self.http.put(place, files=form, headers=match)).status_code == 200

    async def _manage(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Make accounts that a row may delete, and say something of the tenant."""
        accounts = (("users", "name", "spare_user"), ("clients", "id", "spare_client"))
        for kind, member, thing in accounts:
            body = {member: things[thing], "role": "viewer"}
            await self.call(tenant, "POST", f"/api/aspectstore/v1/{kind}", body)
        if not self.door.services.index.has_policy(things["policy"]):
            await self.call(tenant, "POST", "/api/aspectstore/v1/policies", {"name": things["policy"]})
        await self._doom(things["doomed_tenant"], tenant)
        path = f"{TENANTS}/legalConfigRegions"
        answer = await self.call(tenant, "POST", path, {"regions": [{"regionName": "World"}]})
        things["region"] = answer.json()["regions"][0]["regionId"]
        for version in map(str, range(number - 1)):
            region = {"regionName": version}
            await self.call(tenant, "PUT", f"{path}/{things['region']}", region, if_match=version)
            await self.call(tenant, "PATCH", f"{TENANTS}/tenantInfo", {"country": "NZ"}, if_match=version)

    async def _share(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Share the asset with `guest`, twice, and make subtenants."""
        path = "/api/aspectstore/v1/shares"
        actions = [action.value for action in Action]
        share = {"receiver": {"tenant": GUEST}, "assets": [things["asset"]], "actions": actions}
        for thing in ("share", "spare_share"):
            things[thing] = (await self.call(tenant, "POST", path, share)).json()["id"]
        things["subtenant"], things["spare_subtenant"] = f"north{number}", f"south{number}"
        for thing in ("subtenant", "spare_subtenant"):
            made = {"id": things[thing], "displayName": thing}
            await self.call(tenant, "POST", f"{TENANTS}/subtenants", made)
        for version in map(str, range(number - 1)):
            for of in (f"{path}/{things['share']}", f"{path}/{things['spare_share']}"):
                await self.call(tenant, "PUT", of, share, if_match=version)
            for thing in ("subtenant", "spare_subtenant"):
                of = f"{TENANTS}/subtenants/{things[thing]}"
                await self.call(tenant, "PUT", of, {"displayName": version}, if_match=version)

    async def _subscribe(self, tenant: str, things: dict[str, str]) -> None:
        """Make subscriptions, one of them suspended, and subscribers of a topic."""
        path, webhook = "/api/aspectstore/v1/subscriptions", {"url": f"https://{tenant}.example/hook"}
        for thing in ("subscription", "spare_subscription", "still_subscription"):
            answer = await self.call(tenant, "POST", path, {"kind": "data", "webhook": webhook})
            things[thing] = answer.json()["id"]
        await self.call(tenant, "POST", f"{path}/{things['still_subscription']}/suspend")
        things["topic"] = f"mdsp.core.{tenant}.v1.pubsub.alarm"
        things["new_subscriber"] = f"{tenant}-new"
        for thing in ("subscriber", "spare_subscriber"):
            things[thing] = f"{tenant}-{thing}"
            of = f"/subscribers/{things[thing]}/versions/v1/topics/{things['topic']}"
            await self.call(tenant, "PUT", f"/api/messagebroker/v4{of}", {"uri": webhook["url"]})

    async def _map(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Make an agent of the asset, say what it sends as often as its version says, and where that goes."""
        agent = Agent(
            id=AssetId(things["asset"]),
            tenant=TenantId(tenant),
            name="Logger",
            security_profile=SecurityProfile.SHARED_SECRET,
            created_ms=NOW_MS,
        )
        await self.catalog.create(tenant, "agent", agent.id, msgspec.json.encode(agent))
        await self.door.services.refresh()
        path = f"/api/agentmanagement/v3/agents/{agent.id}/dataSourceConfiguration"
        for version in map(str, range(number - 1)):
            nothing = {"configurationId": version, "dataSources": []}
            await self.call(tenant, "PUT", path, nothing, if_match=version)
        path = "/api/mindconnect/v3/dataPointMappings?noAgentValidation=true"
        for thing, by in (("mapping", agent.id), ("spare_mapping", things["changed_agent"])):
            body = {
                "agentId": by, "dataPointId": "old", "entityId": agent.id, "propertySetName": "weather",
                "propertyName": "level", "keepMapping": True,
            }  # fmt: skip
            things[thing] = (await self.call(tenant, "POST", path, body)).json()["id"]

    async def _map_events(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Send events of two agents to the asset, by mappings changed as often as the number says."""
        path = "/api/mindconnect/v3/eventMappings"
        agents = {"event_mapping": things["asset"], "spare_event_mapping": things["changed_agent"]}
        for thing, by in agents.items():
            body = {
                "agentId": by, "assetId": things["asset"], "eventTypeId": STANDARD_TYPE,
                "eventTypeName": "MindSphereStandardEvent", "eventTypeFieldName": "code",
                "eventTypeFieldValue": "old",
            }  # fmt: skip
            things[thing] = (await self.call(tenant, "POST", path, body)).json()["id"]
            for version in map(str, range(number - 1)):
                await self.call(tenant, "PATCH", f"{path}/{things[thing]}", {}, if_match=version)

    async def _add_agents(self, tenant: str, things: dict[str, str], number: int) -> None:
        """Make assets of agents, one without an agent and two with one that a row may change or remove."""
        path = "/api/agentmanagement/v3/agents"
        for digit, thing in enumerate(("device_asset", "changed_agent", "spare_agent"), 5):
            things[thing] = f"{digit}{'0abc'[number]}" * 16
            asset = Asset(
                id=AssetId(things[thing]), tenant=TenantId(tenant), name=thing, type_id="core.mclib",
                parent_id=AssetId(things["root"]),
            )  # fmt: skip
            await self.catalog.create(tenant, "asset", asset.id, msgspec.json.encode(asset))
        for thing in ("changed_agent", "spare_agent"):
            body = {"name": thing, "securityProfile": "RSA_3072", "entityId": things[thing]}
            await self.call(tenant, "POST", path, body)
            for version in map(str, range(number - 1)):
                await self.call(tenant, "PUT", f"{path}/{things[thing]}", body, if_match=version)

    async def _quarantine(self, tenant: str, things: dict[str, str]) -> None:
        """Leave two records in the quarantine, and watch two agents."""
        quarantine = self.door.services.quarantine
        agent = AssetId(things["asset"])
        for name in ("record", "spare_record"):
            told = Refused([Tuple(name, "1.0", b"{}", "a/b", tenant.encode())], ["Nothing takes it."], 1)
            things[name] = await quarantine.keep(TenantId(tenant), agent, name, told)
        for name in ("asset", "changed_agent"):
            body = {"agentId": things[name]}
            await self.call(tenant, "POST", "/api/mindconnect/v3/diagnosticActivations", body)

    async def receive(self, giver: str) -> None:
        """Write as `guest` what is there already, to the asset that is shared with it.

        Its own settings have another version than those of the giver.
        """
        await self.call(GUEST, "PATCH", f"{TENANTS}/tenantInfo", {"country": "NZ"}, if_match="0")
        series = f"{PATH}/{self.things[giver]['asset']}/weather"
        self.guests_receipt = (await self.call(GUEST, "PUT", series, RECORDS)).headers["write-receipt"]
        await step(self.writer)

    async def _doom(self, doomed: str, by: str) -> None:
        """Ask for a tenant to be erased, unless that was asked: tenants of one number share it."""
        await self.suspend(doomed)
        await self.call(by, "DELETE", f"/api/aspectstore/v1/tenants/{doomed}?confirm={doomed}")

    async def _log_in(self, tenant: str, things: dict[str, str]) -> None:
        """Make a client and a user of the tenant, two families of refresh tokens, and an API key."""
        passwords = Passwords(8)
        grants = (CLIENT_CREDENTIALS, PASSWORD, REFRESH_TOKEN)
        given = Credentials(tenant, things["client"], things["secret"])
        await add_client(self.catalog, passwords, given, ALL_SCOPES, grants)
        await add_user(self.catalog, passwords, tenant, things["user"], things["password"])
        form = {
            "grant_type": "password", "username": things["user"], "password": things["password"],
            "client_id": things["client"], "client_secret": things["secret"],
        }  # fmt: skip
        for thing in ("refresh", "spare_refresh"):
            answer = await self.http.post("/oauth/token", data=form)
            assert answer.status_code == 200, answer.text
            things[thing] = answer.json()["refresh_token"]
        answer = await self.call(tenant, "POST", "/api/aspectstore/v1/api-keys", {"client": things["client"]})
        things["api_key"] = answer.json()["id"]


def schedule_of(name: str, owner: str) -> schedules.ExportSchedule:
    """Make a schedule of an export that is not due while tests run."""
    timing = schedules.Timing(every=schedules.Every.WEEK, at="00:00", on=None, timezone="UTC", last=None)
    return schedules.ExportSchedule(
        id=name, name=name, owner=schedules.Owner("client", owner, 0), export={}, timing=timing, keep=1,
        paused=True, since_ms=NOW_MS, changed_ms=NOW_MS,
    )  # fmt: skip


def twin_of(name: str, value: str) -> str:
    """Give an id that nobody has, as like the given one as can be."""
    if name == "shard":
        return "0"
    if name in {"position", "letter", "cursor"}:
        place = re.search(r"\d+$", value)
        assert place is not None
        return value[: place.start()] + str(int(place[0]) + 10)
    at_place = {"token": len(value) - 20, "receipt": len(value) // 2}.get(name, len(value) - 1)
    if name in {
        "refresh",
        "spare_refresh",
    }:  # Another family: a known one with another secret would be revoked.
        at_place = value.rindex(".") - 1
    other = "d" if value[at_place] == "e" else "e"
    return value[:at_place] + other + value[at_place + 1 :]


@contextlib.asynccontextmanager
async def open_estate(
    catalog: Any,
    store: Any,
    numbers: Mapping[str, int] = NUMBERS,
    policy: DoorPolicy = STILL,
    audit: AuditStore | None = None,
) -> AsyncIterator[Estate]:
    """Start a door over a catalogue and a store, with furnished tenants; the third one is suspended."""
    clock = ManualClock(NOW_MS)
    await catalog.create("core", "key", "token-000001", signing_key())
    await bootstrap(catalog, Passwords(8), NOW_MS, Credentials(ACME, f"{ACME}-tech", "s3cret"))
    for tenant, number in numbers.items():
        await create_tenant(catalog, tenant, NOW_MS)
        await create_tenant(catalog, f"managed{number}", NOW_MS)
        await create_tenant(catalog, f"doomed{number}", NOW_MS)
    await create_tenant(catalog, GUEST, NOW_MS)
    async with running_door(catalog, clock, policy, store=store, audit=audit) as running:
        estate = Estate(running)
        for tenant, number in numbers.items():
            await estate.furnish(tenant, number)
        await estate.receive(ACME)
        if SLEEPER in numbers:
            await estate.suspend(SLEEPER)
            await estate.door.services.refresh()
        yield estate


@contextlib.asynccontextmanager
async def served(estate: Estate) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the door over a socket, as processes do, and give a client of it."""
    listener, begun = listen("127.0.0.1", 0), asyncio.Event()
    server = Server(estate.door, 30.0, begun.set)
    task = asyncio.create_task(server.serve([listener]))
    await begun.wait()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await task
