"""How an agent gets in and out: its configuration, what became of it, and off-boarding (wire 5.1, 5.2).

A registration is made when somebody asks for the configuration, and is the same until the agent is
off-boarded: whoever fetches the configuration twice gets the same token, and it is good for one use.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from typing import Final

import msgspec

from api.catalog.index import CatalogIndex
from api.catalog.kinds import REGISTRATION
from api.identity.agent_tokens import INITIAL, Named, registration_token
from api.identity.service import IdentityService
from runtime.ports import Ports
from schemas.agents import Agent, BoardingStatus, Registration
from schemas.errors import Conflict
from schemas.ids import TenantId
from schemas.limits import AGENT_TOKEN_S, INITIAL_TOKEN_S
from storage.port import Document

_FASTER: Final = "Another request about the agent was faster; send it again."


class Boarding:
    """The registrations of one installation."""

    def __init__(self, ports: Ports, index: CatalogIndex, identity: IdentityService) -> None:
        """Take the ports, the index that is told of every write, and what makes and ends tokens."""
        self._catalog = ports.catalog
        self._clock = ports.clock
        self._index = index
        self._identity = identity

    def status(self, agent: Agent) -> BoardingStatus:
        """Tell how far an agent is on its way in."""
        kept = self._index.of(agent.tenant).boardings.get(agent.id)
        return BoardingStatus.NOT_ONBOARDED if kept is None else kept.value.status

    async def configuration(self, agent: Agent) -> Registration:
        """Give by what an agent can register; made anew where it ended before anybody used it."""
        now_s = self._clock.now_ms() // 1_000
        found = await self.registration(agent.tenant, agent.id)
        if found is not None and not _is_over(found[1], now_s):
            return found[1]
        new = await asyncio.to_thread(self._new, agent, now_s)
        body = msgspec.json.encode(new)
        place = (agent.tenant, REGISTRATION, agent.id)
        if found is None:
            stored = await self._catalog.create(*place, body)
        else:
            stored = await self._catalog.replace(*place, body, found[0].version)
        if stored is not None:
            self._index.wrote(stored)
            return new
        faster = await self.registration(agent.tenant, agent.id)
        if faster is None:
            raise Conflict(_FASTER)
        return faster[1]

    async def offboard(self, agent: Agent) -> None:
        """End an agent's registration with every token of it; one that has none stays as it is."""
        found = await self.registration(agent.tenant, agent.id)
        if found is None:
            return
        document, registration = found
        # First the tokens: if the rest fails, the agent is shut out and this can be asked for once more.
        await self._identity.end_session(registration.id, AGENT_TOKEN_S)
        if not await self._catalog.remove(agent.tenant, REGISTRATION, agent.id, document.version):
            raise Conflict(_FASTER)
        self._index.removed(agent.tenant, REGISTRATION, agent.id)

    async def registration(self, tenant: TenantId, agent_id: str) -> tuple[Document, Registration] | None:
        """Read the registration of an agent; None where there is none."""
        document = await self._catalog.get(tenant, REGISTRATION, agent_id)
        return None if document is None else (document, msgspec.json.decode(document.body, type=Registration))

    async def store(self, document: Document, new: Registration) -> bool:
        """Put a registration in the place of one that was read; False where another was faster."""
        body = msgspec.json.encode(new)
        stored = await self._catalog.replace(new.tenant, REGISTRATION, new.agent, body, document.version)
        if stored is not None:
            self._index.wrote(stored)
        return stored is not None

    def _new(self, agent: Agent, now_s: int) -> Registration:
        expires_s = now_s + INITIAL_TOKEN_S
        more: dict[str, str | int] = {
            "iss": self._identity.tokens.agent_issuer,
            "cat": INITIAL,
            "exp": expires_s,
        }
        named = Named(agent.tenant, agent.id)
        return Registration(
            id=str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
            agent=agent.id,
            tenant=agent.tenant,
            initial_token=registration_token(self._identity.keys, named, now_s, **more),
            initial_expires_s=expires_s,
            status=BoardingStatus.ONBOARDING,
        )


def _is_over(registration: Registration, now_s: int) -> bool:
    return registration.status is BoardingStatus.ONBOARDING and now_s >= registration.initial_expires_s
