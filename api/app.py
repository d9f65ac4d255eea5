"""The door's application: ports in, ASGI out.

`ROUTES` is where a resource is added. Nothing is reachable by accident: every handler says which
scope it needs or that it is open, and the guard denies the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from api.agents.data_sources import DataSourceService
from api.agents.diagnostics import Diagnostics
from api.agents.event_mappings import EventMappingService
from api.agents.exchange import ExchangeService
from api.agents.fleet import Fleet
from api.agents.mappings import MappingService
from api.agents.payloads import Payloads
from api.agents.quarantine import Quarantine
from api.agents.service import AgentService
from api.assets.model import Catalogue
from api.catalog.index import CatalogIndex
from api.deletes.service import DeleteService
from api.door import Door
from api.files.model_files import ModelFiles
from api.files.service import FileService
from api.files.uploads import UploadService
from api.guard.admission import Admission
from api.guard.audit import AuditTrail
from api.guard.tenancy import deny_by_default
from api.http.bodies import StrictRequest, check_media, check_present
from api.http.errors import answer
from api.http.queries import check_query
from api.identity.service import IdentityService
from api.jobs.service import JobService
from api.limits.quotas import HELD, Quotas
from api.lineprotocol.writing import LineWriter
from api.probe import Probe
from api.routes import (
    agent_identity,
    agents,
    aggregates,
    api_keys,
    aspect_types,
    asset_parts,
    asset_types,
    assets,
    audit,
    authorize,
    buckets,
    bulk,
    clients,
    data_sources,
    databases,
    dead_letters,
    deletes,
    diagnostics,
    erasures,
    event_jobs,
    event_mappings,
    event_types,
    events,
    exchange,
    export_schedules,
    exports,
    file_types,
    files,
    fleet,
    flux,
    health,
    imports,
    inlets,
    jobs,
    legal,
    line_protocol,
    mappings,
    message_broker,
    model_files,
    models,
    policies,
    queries,
    recoverable_records,
    sensors,
    series,
    shares,
    subscriptions,
    subtenants,
    technical_tokens,
    tenant_management,
    tenants,
    timebase,
    timebase_reading,
    timebase_streams,
    token_keys,
    tokens,
    usage,
    users,
)
from api.routes.docs import docs_routes
from api.routes.options import options_routes
from api.series.service import SeriesService
from api.services import Services
from api.shares.access import Access
from api.subscriptions.feeds import Feeds
from api.timebase.service import TimeBaseService
from api.timebase.streams import Streams
from runtime.ports import Ports
from schemas.errors import ServiceError, TooMany, Unavailable

log = structlog.get_logger(__name__)

ROUTES: tuple[ControllerRouterHandler, ...] = (
    *tokens.ROUTES,
    *authorize.ROUTES,
    *api_keys.ROUTES,
    *token_keys.ROUTES,
    *technical_tokens.ROUTES,
    *agents.ROUTES,
    *agent_identity.ROUTES,
    *health.ROUTES,
    *aspect_types.ROUTES,
    *asset_types.ROUTES,
    *assets.ROUTES,
    *asset_parts.ROUTES,
    *models.ROUTES,
    *model_files.ROUTES,
    *series.ROUTES,
    *queries.ROUTES,
    *sensors.ROUTES,
    *aggregates.ROUTES,
    *dead_letters.ROUTES,
    *deletes.ROUTES,
    *jobs.ROUTES,
    *bulk.ROUTES,
    *file_types.ROUTES,
    *imports.ROUTES,
    *line_protocol.ROUTES,
    *buckets.ROUTES,
    *databases.ROUTES,
    *flux.ROUTES,
    *inlets.ROUTES,
    *exports.ROUTES,
    *export_schedules.ROUTES,
    *data_sources.ROUTES,
    *mappings.ROUTES,
    *event_mappings.ROUTES,
    *exchange.ROUTES,
    *timebase.ROUTES,
    *timebase_reading.ROUTES,
    *timebase_streams.ROUTES,
    *recoverable_records.ROUTES,
    *fleet.ROUTES,
    *diagnostics.ROUTES,
    *events.ROUTES,
    *event_types.ROUTES,
    *event_jobs.ROUTES,
    *files.ROUTES,
    *subtenants.ROUTES,
    *shares.ROUTES,
    *subscriptions.ROUTES,
    *message_broker.ROUTES,
    *audit.ROUTES,
    *erasures.ROUTES,
    *policies.ROUTES,
    *usage.ROUTES,
    *users.ROUTES,
    *clients.ROUTES,
    *tenants.ROUTES,
    *tenant_management.ROUTES,
    *legal.ROUTES,
)

BODY_BYTES_MAX = 1_048_576
"""For routes that name no limit of their own: 1 MB, the dialect's largest JSON body but the exchange's."""


def create_app(ports: Ports, routes: Sequence[ControllerRouterHandler] = ()) -> Door:
    """Build the door over its ports; `routes` come in addition to `ROUTES`.

    Nothing is read before `Door.running`.
    """
    return join(build_framework(routes), ports)


def join(litestar: Litestar, ports: Ports) -> Door:
    """Put a framework application that serves no other door to work over these ports."""
    index = CatalogIndex(ports.catalog, ports.clock, ports.policy.profile, ports.policy.retention_days)
    access = Access(index, ports.clock)
    probe = Probe(ports)
    quotas = Quotas(ports.stream, index, ports.clock, ports.figures, probe.name)
    identity = IdentityService(ports, index.is_active, Admission(index).admit)
    file_service = FileService(ports, index)
    series_service = SeriesService(ports, index, access, quotas)
    agents = AgentService(ports, index, identity)
    mapping_service = MappingService(ports, index, agents)
    configurations = DataSourceService(ports, index, agents, mapping_service)
    quarantine, diagnostic_service = Quarantine(ports, index, file_service), Diagnostics(ports, index)
    agents.farewells += [quarantine.remove_of, diagnostic_service.remove_of]
    mapped_events = EventMappingService(ports, index, access, agents)
    payloads = Payloads(ports, access, file_service, configurations, mapped_events)
    catalogue = Catalogue(ports.catalog, index, ports.clock)
    deletes = DeleteService(ports, index, access, series_service)
    services = Services(
        ports,
        identity,
        index,
        access,
        quotas,
        catalogue,
        series_service,
        probe,
        file_service,
        UploadService(ports, index, file_service),
        AuditTrail(ports, index),
        ModelFiles(ports.catalog, index, ports.clock, file_service),
        Feeds(ports.clock),
        deletes,
        JobService(ports, index, access, series_service),
        agents,
        configurations,
        mapping_service,
        quarantine,
        diagnostic_service,
        ExchangeService(
            ports,
            index,
            series_service,
            payloads,
            quarantine=quarantine,
            diagnostics=diagnostic_service,
            presence=agents.presence,
        ),
        event_mappings=mapped_events,
        fleet=Fleet(ports.clock, index, access, agents, series_service),
        lines=LineWriter(ports, index, series_service, catalogue),
        timebase=TimeBaseService(
            ports,
            index,
            Streams(index, access, catalogue),
            series_service,
            deletes=deletes,
            quarantine=quarantine,
        ),
    )
    litestar.state.services = services
    return Door(litestar, services)


def build_framework(routes: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """Build the framework's part, which knows routes and no port; it takes a tenth of a second."""
    described = [*ROUTES, *routes]
    all_routes = [*described, *docs_routes(described)]
    return Litestar(
        route_handlers=[*options_routes(all_routes), *all_routes],
        dependencies={"services": Provide(_services, sync_to_thread=False)},
        guards=[deny_by_default],
        before_request=_before_request,
        exception_handlers={
            ServiceError: _on_error,
            HTTPException: _on_error,
            RecursionError: _on_error,
            UnicodeDecodeError: _on_error,
            Exception: _on_error,
        },
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,  # `api.http.docs` describes the routes
        logging_config=None,
        signature_namespace={"Services": Services},
    )


def _services(state: State) -> Services:
    services: Services = state.services
    return services


async def _before_request(request: Request[Any, Any, Any]) -> None:
    """Run after the guard and before the handler; bodies are read by then, or by the handler."""
    check_query(request)
    check_media(request)
    await check_present(request)
    services: Services = request.app.state.services
    await services.audit.begin(request)


def _on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception in the shape of design 6; log what is our own fault."""
    logref = request.scope.get("state", {}).get("request_id", "")
    if isinstance(error, TooMany) and error.hold_s:
        request.scope["state"][HELD] = error.hold_s
    status, headers, body = answer(error, logref, request.scope["path"])
    if status >= 500 and not isinstance(error, Unavailable):
        log.error("request_failed", exc_info=error)
    media = headers.pop("content-type")
    return Response(body, status_code=status, headers=headers, media_type=media)
