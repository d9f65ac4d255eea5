"""What handlers work with: the ports and what the door keeps in memory over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from litestar.di import NamedDependency

from api.agents.data_sources import DataSourceService
from api.agents.diagnostics import Diagnostics
from api.agents.event_mappings import EventMappingService
from api.agents.exchange import ExchangeService
from api.agents.fleet import Fleet
from api.agents.mappings import MappingService
from api.agents.quarantine import Quarantine
from api.agents.service import AgentService
from api.assets.model import Catalogue
from api.catalog.index import CatalogIndex
from api.deletes.service import DeleteService
from api.files.model_files import ModelFiles
from api.files.service import FileService
from api.files.uploads import UploadService
from api.guard.audit import AuditTrail
from api.identity.service import IdentityService
from api.jobs.service import JobService
from api.limits.quotas import Quotas
from api.lineprotocol.writing import LineWriter
from api.probe import Probe
from api.series.service import SeriesService
from api.shares.access import Access
from api.subscriptions.feeds import Feeds
from api.timebase.service import TimeBaseService
from runtime.ports import Ports


@dataclass(slots=True, frozen=True)
class Services:
    """Made once for each door, by `api.app`; a handler asks for it as `services`."""

    ports: Ports
    identity: IdentityService
    index: CatalogIndex
    access: Access
    quotas: Quotas
    catalogue: Catalogue
    series: SeriesService
    probe: Probe
    files: FileService
    uploads: UploadService
    audit: AuditTrail
    model_files: ModelFiles
    feeds: Feeds
    deletes: DeleteService
    jobs: JobService
    agents: AgentService
    data_sources: DataSourceService
    mappings: MappingService
    quarantine: Quarantine
    diagnostics: Diagnostics
    exchange: ExchangeService
    event_mappings: EventMappingService
    fleet: Fleet
    timebase: TimeBaseService
    lines: LineWriter

    async def load(self) -> None:
        """Read the catalogue into the index and the keys into the ring."""
        await self.index.load()
        await self.identity.load()
        await self.series.load()

    async def refresh(self) -> None:
        """Take in what other doors changed since the last time (design 4: within a second)."""
        await self.index.refresh()
        await self.identity.follow(self.index.take_touched())
        await self.identity.sweep(self.index.tenants())


Serving: TypeAlias = NamedDependency[Services]
"""How a handler asks for it."""
