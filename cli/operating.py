"""What commands of the operator do straight on the store, each change a line of the platform's audit log.

As a door writes it (`api.guard.audit`): an act without a line is not done, and a line without an outcome
tells of an act that was cut off. Who may run such a command is the machine's to say, so no line has a token.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from api.http.errors import row_of
from cli.complaints import Complaint
from runtime import wiring
from runtime.clock import SystemClock
from runtime.ports import Clock
from runtime.settings import Settings
from schemas.audit import OPERATOR, Act, Outcome, encode_part
from schemas.errors import Refused, ServiceError, Unavailable
from schemas.ids import CORE
from storage.audit_port import AuditLine, AuditStore
from storage.port import CatalogStore

T = TypeVar("T")


class Machine(NamedTuple):
    """What such a command works with."""

    catalog: CatalogStore
    audit: AuditStore
    clock: Clock


def on_store(settings: Settings, act: Callable[[Machine], Awaitable[T]]) -> T:
    """Do something with catalogue and audit log; what the service refuses is a Complaint."""

    async def acted() -> T:
        catalog = await wiring.open_catalog(settings)
        try:
            audit = await wiring.open_audit(settings)
            try:
                return await act(Machine(catalog, audit, SystemClock()))
            finally:
                await audit.close()
        finally:
            await catalog.close()

    try:
        return asyncio.run(acted())
    except ServiceError as error:
        raise Complaint(error.message) from None


class Noted:
    """What an act may add to its line."""

    created = ""
    """Id of what it made."""


@asynccontextmanager
async def noted(
    audit: AuditStore, clock: Clock, action: str, things: Mapping[str, str], tenant: str | None = None
) -> AsyncIterator[Noted]:
    """Write an act down, durably, let it be done in the block, and write down what came of it.

    The log of a tenant that it is about has the line, too. StoreUnavailable before the block: then nothing
    was done. A refusal in the block is its outcome; after any other error nobody knows what came of the act.
    """
    act = encode_part(Act(action=action, tenant=CORE, subject=OPERATOR, things=dict(things)))
    time_ms, id_, said = clock.now_ms(), secrets.token_hex(8), Noted()
    lines = [AuditLine(log, time_ms, id_, act) for log in (CORE, tenant) if log is not None]
    for line in lines:
        await audit.append(line)

    async def conclude(status: int) -> None:
        outcome = encode_part(Outcome(status=status, ended_ms=clock.now_ms(), created=said.created))
        try:
            for line in lines:
                await audit.conclude(replace(line, outcome=outcome))
        except Unavailable as error:  # The act stands, whatever its line says of it.
            print(f"aspectstore: the outcome was not written down: {error.message}", file=sys.stderr)

    try:
        yield said
    except Refused as refused:
        await conclude(row_of(type(refused)).status)
        raise
    await conclude(200)
