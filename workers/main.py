"""The worker processes: settings from the environment, ports opened, work until told to end.

`python -m workers.main writer` and `… jobs` are what `aspectstore worker` and the supervisor start.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime import logs  # first: it keeps structlog lean

# isort: split
import structlog
import uvloop

from runtime import garbage, lifeline, wiring
from runtime.archive_keys import parse_archive_keys
from runtime.ports import Ports
from runtime.settings import Settings, SettingsError, load
from runtime.vault import Vault
from schemas.errors import Conflict, ServiceError, Unavailable
from workers import event_jobs, import_jobs, jobs
from workers.eraser import Eraser, Waits
from workers.figures import publish
from workers.gaps import noting
from workers.import_jobs import Workshop
from workers.imports.importer import Ground
from workers.job_keeper import JobKeeper
from workers.notifying import Held, Notifier
from workers.screening import Shapes
from workers.sealer import SealRules
from workers.webhooks import Webhooks
from workers.writer import Writer, WriterRules

log = structlog.get_logger("worker")

BLOCK_ID_BYTES = 16
START_RETRY_S = 1.0
"""Pause before a store or stream that is not there yet is asked again."""


def rules_of(settings: Settings) -> WriterRules:
    """Give what the settings decide about a writer; its name is unique to this process."""
    return WriterRules(
        owner=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}",
        shards=settings.shards,
        lease_s=settings.lease_s,
        trim_delay_s=settings.trim_delay_s,
        seal=SealRules(settings.seal_grace_s, settings.seal_quiet_s),
        accept_gap=settings.accept_gap,
    )


def notifier_of(ports: Ports, held: Held) -> Notifier:
    """Make the notifier of a writer's process, for the shards that the writer holds."""
    assert ports.notices is not None
    return Notifier(
        ports.stream,
        ports.notices,
        ports.catalog,
        ports.clock,
        held=held,
        shards=ports.policy.shards,
        webhooks=Webhooks(ports.policy.webhook_networks),
        random=secrets.SystemRandom().random,
        vault=Vault(ports.policy.secrets_key),
    )


async def write_until_told(settings: Settings) -> None:
    """Run one writer until SIGTERM or SIGINT, then let it finish its turn."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await wiring.demand_durable_stream(settings)
    async with wiring.opened(settings, writes_series=True) as ports:
        writer = Writer(
            ports.stream,
            ports.series,
            ports.clock,
            rules_of(settings),
            lambda: secrets.token_bytes(BLOCK_ID_BYTES),
            shapes=Shapes(ports.catalog),
            catalog=ports.catalog,
            note_gap=None if ports.audit is None else noting(ports.audit, ports.clock),
        )
        waits = Waits(settings.erase_again_s, settings.erase_retry_s)
        eraser = Eraser(ports, lambda: writer.leads, settings.erase_days, waits)
        assert ports.jobs is not None
        keeper = JobKeeper(
            ports.catalog,
            ports.series,
            ports.jobs,
            ports.clock,
            lambda: writer.leads,
            files=ports.files,
            lost_ms=round(settings.job_lost_s * 1_000),
        )
        garbage.settle()
        notifier = notifier_of(ports, lambda: writer._cursors)
        beside = [
            asyncio.create_task(publish(writer, ports.stream, ports.clock, notifier.samples)),
            asyncio.create_task(notifier.run(stop)),
            asyncio.create_task(eraser.run(stop)),
            asyncio.create_task(keeper.run(stop)),
        ]
        try:
            await writer.run(stop)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


def run_writer(settings: Settings) -> int:
    """Run a writer process; 2 where it must not start at all, 1 where it may be started again."""
    try:
        uvloop.run(write_until_told(settings))
    except (Conflict, SettingsError) as error:
        return _refused(error)
    except Unavailable as error:
        log.warning("writer_cannot_start", reason=error.message)
        return 1
    except ServiceError as error:
        log.exception("writer_failed", reason=error.message)
        return 1
    return 0


@asynccontextmanager
async def workshop_of(settings: Settings) -> AsyncIterator[Workshop]:
    """Open what jobs of the catalogue work on."""
    async with wiring.opened(settings, writes_series=True) as ports:
        assert ports.files is not None
        assert ports.jobs is not None
        ground = Ground(
            ports.catalog,
            ports.series,
            ports.stream,
            ports.clock,
            settings.shards,
            lambda: secrets.token_bytes(BLOCK_ID_BYTES),
        )
        keys = parse_archive_keys(settings.archive_keys)
        yield Workshop(
            ground,
            ports.files,
            ports.jobs,
            settings.job_memory_mb,
            keys=keys,
            seconds_max=settings.job_s,
        )


def run_jobs(settings: Settings) -> int:
    """Run jobs until told to end."""
    functions = jobs.functions(lambda: wiring.open_stream(settings), settings.shards)
    functions |= event_jobs.functions(lambda: wiring.open_events(settings))
    functions |= import_jobs.functions(lambda: workshop_of(settings))
    wiring.serve_jobs(settings, import_jobs.confined(functions, settings.job_memory_mb))
    return 0


def _refused(reason: object) -> int:
    """Say in one line why this worker must not start."""
    sys.stderr.write(f"aspectstore worker: {reason}\n")
    return 2


def main() -> int:
    """Run the kind of worker that the command names."""
    kinds = {"writer": run_writer, "jobs": run_jobs}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        return _refused(f"say which: {' or '.join(kinds)}")
    try:
        settings = load(os.environ)
        wiring.open_stream(settings)
    except SettingsError as error:
        return _refused(error)
    lifeline.tie()
    logs.configure(settings.log_level, hidden=settings.secrets)
    return kinds[sys.argv[1]](settings)


if __name__ == "__main__":
    sys.exit(main())
