"""The kinds of the catalogue's documents, and how a door takes each of them into its memory.

A new kind that doors must follow is named here, put into `FOLLOWED` and, where it lives in a tenant's part of
the index, into the three tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from api.catalog.event_mapping_index import KeptEvents
from api.catalog.mapping_index import KeptGroup, KeptPoints
from api.catalog.policies import POLICY
from api.catalog.sensor_index import KeptSensors
from api.catalog.stream_index import KeptStream
from api.catalog.tenant_index import Kept, TenantIndex
from api.identity.accounts import CLIENT, USER, Standing
from schemas import diagnostics, quarantine, sensors
from schemas.agents import Agent, Boarding
from schemas.aspects import AspectType
from schemas.assets import Asset, AssetType, ModelLock
from schemas.data_sources import points_in
from schemas.devices import event_mappings
from schemas.exporting import schedules
from schemas.lineprotocol import inlets
from schemas.mappings import MappedAspect
from schemas.model_files import ModelFile
from schemas.shares import Share
from schemas.subtenants import Subtenant
from schemas.timebase import streams
from storage import retention_rules
from storage.port import Document

ASPECT_TYPE: Final = "aspecttype"
ASSET_TYPE: Final = "assettype"
ASSET: Final = "asset"
MODEL_LOCK: Final = "modellock"
SUBTENANT: Final = "subtenant"
SHARE: Final = "share"
MODEL_FILE: Final = "modelfile"
AGENT: Final = "agent"
REGISTRATION: Final = "registration"
"""How an agent is onboarded, under the agent's id."""
DATA_SOURCES: Final = "datasources"
"""An agent's configuration, under the agent's id."""
MAPPING: Final = "mapping"
"""All mappings of one agent into one aspect of one asset, under the ids of the three."""
EVENT_MAPPING: Final = event_mappings.KIND
STREAM: Final = streams.KIND
INLET: Final = inlets.KIND
SENSORS: Final = sensors.KIND
EXPORT_SCHEDULE: Final = schedules.KIND
QUARANTINED: Final = quarantine.KIND
DIAGNOSTIC: Final = diagnostics.KIND
TENANT: Final = "tenant"

RETENTION: Final = retention_rules.KIND

FOLLOWED: Final = frozenset(
    {TENANT, RETENTION, ASPECT_TYPE, ASSET_TYPE, ASSET, MODEL_LOCK, SUBTENANT, SHARE, "key", CLIENT, USER}
    | {"apikey", "revoked", POLICY, MODEL_FILE, AGENT, REGISTRATION}
    | {DATA_SOURCES, MAPPING, EVENT_MAPPING, QUARANTINED, DIAGNOSTIC, STREAM, SENSORS, INLET}
    | {EXPORT_SCHEDULE}
)
"""Kinds whose changes matter to a door; refresh tokens change too often to be read by all."""


def decode(document: Document, form: type[Any]) -> Any:
    """Read the thing that a document keeps."""
    return msgspec.json.decode(document.body, type=form)


def _forget(kept: dict[str, Any], document_id: str) -> None:
    kept.pop(document_id, None)


def _standing(document: Document) -> Kept[Standing]:
    return Kept(decode(document, Standing), document.version)


PUT: dict[str, Callable[[TenantIndex, Document], None]] = {
    ASPECT_TYPE: lambda part, document: part.put_aspect_type(
        Kept(decode(document, AspectType), document.version)
    ),
    ASSET_TYPE: lambda part, document: part.put_asset_type(
        Kept(decode(document, AssetType), document.version)
    ),
    ASSET: lambda part, document: part.put_asset(Kept(decode(document, Asset), document.version)),
    MODEL_LOCK: lambda part, document: part.put_model_lock(
        Kept(decode(document, ModelLock), document.version)
    ),
    SUBTENANT: lambda part, document: part.put_subtenant(Kept(decode(document, Subtenant), document.version)),
    SHARE: lambda part, document: part.put_share(Kept(decode(document, Share), document.version)),
    MODEL_FILE: lambda part, document: part.put_model_file(
        Kept(decode(document, ModelFile), document.version)
    ),
    AGENT: lambda part, document: part.put_agent(Kept(decode(document, Agent), document.version)),
    REGISTRATION: lambda part, document: part.boardings.update(
        {document.id: Kept(decode(document, Boarding), document.version)}
    ),
    DATA_SOURCES: lambda part, document: part.mappings.put_points(
        document.id, points_in(document.body, document.version)
    ),
    MAPPING: lambda part, document: part.mappings.put(
        KeptGroup(decode(document, MappedAspect), document.version)
    ),
    EVENT_MAPPING: lambda part, document: part.mappings.events.put(
        KeptEvents(decode(document, event_mappings.AgentEvents), document.version)
    ),
    QUARANTINED: lambda part, document: part.quarantined.update(
        {document.id: Kept(decode(document, quarantine.Quarantined), document.version)}
    ),
    DIAGNOSTIC: lambda part, document: part.activations.update(
        {document.id: Kept(decode(document, diagnostics.Activation), document.version)}
    ),
    STREAM: lambda part, document: part.streams.update(
        {document.id: KeptStream(decode(document, streams.DeclaredStream), document.version)}
    ),
    SENSORS: lambda part, document: part.sensors.update(
        {document.id: KeptSensors(decode(document, sensors.AssetSensors), document.version)}
    ),
    INLET: lambda part, document: part.inlets.update(
        {document.id: Kept(decode(document, inlets.Inlet), document.version)}
    ),
    EXPORT_SCHEDULE: lambda part, document: part.export_schedules.update(
        {document.id: Kept(decode(document, schedules.ExportSchedule), document.version)}
    ),
    CLIENT: lambda part, document: part.clients.update({document.id: _standing(document)}),
    USER: lambda part, document: part.users.update({document.id: _standing(document)}),
}
DROP: dict[str, Callable[[TenantIndex, str], None]] = {
    ASPECT_TYPE: TenantIndex.drop_aspect_type,
    ASSET_TYPE: TenantIndex.drop_asset_type,
    ASSET: TenantIndex.drop_asset,
    SUBTENANT: TenantIndex.drop_subtenant,
    SHARE: TenantIndex.drop_share,
    MODEL_FILE: TenantIndex.drop_model_file,
    AGENT: TenantIndex.drop_agent,
    REGISTRATION: TenantIndex.drop_boarding,
    DATA_SOURCES: lambda part, agent_id: part.mappings.drop_points(agent_id),
    MAPPING: lambda part, group_id: part.mappings.drop(group_id),
    EVENT_MAPPING: lambda part, agent_id: part.mappings.events.drop(agent_id),
    QUARANTINED: lambda part, record_id: _forget(part.quarantined, record_id),
    DIAGNOSTIC: lambda part, agent_id: _forget(part.activations, agent_id),
    STREAM: lambda part, key: _forget(part.streams, key),
    SENSORS: lambda part, asset_id: _forget(part.sensors, asset_id),
    INLET: lambda part, document_id: _forget(part.inlets, document_id),
    EXPORT_SCHEDULE: lambda part, name: _forget(part.export_schedules, name),
    CLIENT: lambda part, client_id: _forget(part.clients, client_id),
    USER: lambda part, name: _forget(part.users, name),
}
KeptOne: TypeAlias = Kept[Any] | KeptGroup | KeptPoints | KeptEvents | KeptStream | KeptSensors
FIND: dict[str, Callable[[TenantIndex, str], KeptOne | None]] = {
    ASPECT_TYPE: lambda part, type_id: part.own_aspect_types.get(type_id),
    ASSET_TYPE: lambda part, type_id: part.own_asset_types.get(type_id),
    ASSET: lambda part, asset_id: part.assets.get(asset_id) or part.deleted_assets.get(asset_id),
    MODEL_LOCK: lambda part, _: part.model_lock,
    SUBTENANT: lambda part, subtenant_id: part.subtenants.get(subtenant_id),
    SHARE: lambda part, share_id: part.shares.get(share_id),
    MODEL_FILE: lambda part, file_id: part.model_files.get(file_id),
    AGENT: lambda part, agent_id: part.agents.get(agent_id),
    REGISTRATION: lambda part, agent_id: part.boardings.get(agent_id),
    DATA_SOURCES: lambda part, agent_id: part.mappings.kept_points(agent_id),
    MAPPING: lambda part, group_id: part.mappings.group(group_id),
    EVENT_MAPPING: lambda part, agent_id: part.mappings.events.kept(agent_id),
    QUARANTINED: lambda part, record_id: part.quarantined.get(record_id),
    DIAGNOSTIC: lambda part, agent_id: part.activations.get(agent_id),
    STREAM: lambda part, key: part.streams.get(key),
    SENSORS: lambda part, asset_id: part.sensors.get(asset_id),
    INLET: lambda part, document_id: part.inlets.get(document_id),
    EXPORT_SCHEDULE: lambda part, name: part.export_schedules.get(name),
    CLIENT: lambda part, client_id: part.clients.get(client_id),
    USER: lambda part, name: part.users.get(name),
}
