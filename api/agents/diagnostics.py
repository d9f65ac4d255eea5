"""Activations of diagnostics, and what is written down of agents that have one (wire 6.6).

An activation is a document that every door knows, so an agent that nobody watches costs nothing. Messages go
into a log of notices on the stream server, as those for subscribers do: bounded in bytes, the oldest go
first, they outlive the door, and a week after the last one they end. Where one is not written the exchange
goes on all the same: it is told to whoever watches, and is no part of what was promised to the device.
"""

from __future__ import annotations

import secrets
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from api.catalog.index import CatalogIndex
from api.catalog.tenant_index import Kept, TenantIndex
from runtime.ports import Ports
from schemas.diagnostics import KIND, Activation, DiagnosticMessage
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.ids import AssetId, TenantId
from schemas.limits import DIAGNOSTIC_MESSAGES_MAX, DIAGNOSTICS_MAX
from streams.notice_port import LogId, NoticeLog, Posting

log = structlog.get_logger(__name__)

NO_ACTIVATION: Final = "There is no such activation."
_CHANGED: Final = "Another change was faster; send it again."
_PAGE: Final = 500
"""Messages read at once."""

_decoder = msgspec.json.Decoder(DiagnosticMessage)


class Diagnostics:
    """Who watches which agents; one for each door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex) -> None:
        """Take the ports, and the index that knows agents and activations."""
        self._catalog = ports.catalog
        self._notices = ports.notices
        self._index = index

    # Activations.

    def listed(self, tenant: TenantId) -> list[Kept[Activation]]:
        """Give the activations of a tenant by agent."""
        found = self._index.of(tenant).activations
        return [found[agent] for agent in sorted(found)]

    async def find(self, tenant: TenantId, agent: str) -> Kept[Activation]:
        """Give the activation of an agent; NotFound where there is none."""

        def find(part: TenantIndex) -> Kept[Activation]:
            kept = part.activations.get(agent)
            if kept is None:
                raise NotFound(NO_ACTIVATION)
            return kept

        return await self._index.look(tenant, find)

    async def create(self, tenant: TenantId, agent: str, *, active: bool) -> Activation:
        """Watch an agent; NotFound for an unknown one, Conflict where it is watched or too many are."""
        await self._index.refresh()
        part = self._index.of(tenant)
        agent_id = part.agent(agent).value.id
        if agent_id in part.activations:
            raise Conflict("The agent has an activation; change it with PUT.")
        if len(part.activations) >= DIAGNOSTICS_MAX:
            raise Conflict(f"A tenant has at most {DIAGNOSTICS_MAX} activations; delete one first.")
        new = Activation(agent=agent_id, tenant=tenant, active=active)
        stored = await self._catalog.create(tenant, KIND, agent_id, msgspec.json.encode(new))
        if stored is None:
            raise Conflict("The agent has an activation; change it with PUT.")
        self._index.wrote(stored)
        return new

    async def change(self, tenant: TenantId, agent: str, *, active: bool) -> Activation:
        """Begin to watch an agent again, or pause."""
        kept = await self.find(tenant, agent)
        new = msgspec.structs.replace(kept.value, active=active)
        stored = await self._catalog.replace(tenant, KIND, agent, msgspec.json.encode(new), kept.version)
        if stored is None:
            raise Conflict(_CHANGED)
        self._index.wrote(stored)
        return new

    async def remove(self, tenant: TenantId, agent: str) -> None:
        """Watch an agent no more and forget what was written down; NotFound where it is not watched."""
        kept = await self.find(tenant, agent)
        if not await self._catalog.remove(tenant, KIND, agent, kept.version):
            raise Conflict(_CHANGED)
        self._index.removed(tenant, KIND, agent)
        await self._log.drop(_log_of(tenant, agent))

    async def remove_of(self, tenant: TenantId, agent: str) -> None:
        """Watch an agent that goes no more."""
        if agent in self._index.of(tenant).activations:
            await self.remove(tenant, agent)

    # Messages.

    def watches(self, tenant: TenantId, agent: str) -> bool:
        """Tell whether anything is to be written down of an agent."""
        kept = self._index.of(tenant).activations.get(agent)
        return kept is not None and kept.value.active

    async def write(self, tenant: TenantId, agent: AssetId, messages: Sequence[DiagnosticMessage]) -> None:
        """Write down what became of an agent's message; what cannot be written is logged and left."""
        bodies = [msgspec.json.encode(message) for message in messages]
        try:
            await self._log.post(Posting(notices={_log_of(tenant, agent): bodies}))
        except Unavailable as error:
            log.warning("diagnostics_not_written", tenant=tenant, agent=agent, reason=error.message)

    async def messages(self, tenant: TenantId, agent: str) -> list[DiagnosticMessage]:
        """Give the newest messages of an agent, newest first; NotFound where it is not watched."""
        await self.find(tenant, agent)
        name = _log_of(tenant, agent)
        after = 0
        found: deque[DiagnosticMessage] = deque(maxlen=DIAGNOSTIC_MESSAGES_MAX)
        while page := (await self._log.read(name, after, count=_PAGE)).notices:
            found.extend(_decoder.decode(kept.body) for kept in page)
            after = page[-1].number
            if len(page) < _PAGE:
                break
        return [*reversed(found)]

    @property
    def _log(self) -> NoticeLog:
        if self._notices is None:
            raise Unavailable("This door keeps no diagnostics.")
        return self._notices


def new_correlation_id() -> str:
    """Draw the id under which everything that came of one request is found."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def _log_of(tenant: TenantId, agent: str) -> LogId:
    return LogId(tenant, f"diagnostic-{agent}")
