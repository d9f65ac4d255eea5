"""How the door's surroundings are: asked at most once a second, whoever wants to know how often.

`/health` is open to everybody, so what it costs must not depend on how many ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

import structlog

from runtime.metrics import (
    DOOR,
    PUBLISH_S,
    SHOWN_S,
    WRITER,
    Report,
    Sample,
    decode_report,
    encode_report,
    process_name,
)
from runtime.ports import Ports
from schemas.errors import Corrupt, ServiceError, Unavailable
from schemas.ids import CORE

log = structlog.get_logger(__name__)

FRESH_S = 1.0
"""How long an answer is given again."""

NEEDED = ("catalog", "stream", "store")
"""Parts without which the door cannot do its work."""

UP, DOWN = "UP", "DOWN"


@dataclass(slots=True, frozen=True)
class Found:
    """What was found."""

    states: dict[str, str]
    """Part → `UP` or `DOWN`."""
    backlog_bytes: int | None
    """Of all shards; None where the stream server does not answer."""
    writer_seen_ms: list[int] = field(default_factory=list)
    """When each living writer was last heard of."""
    reports: dict[str, Report] = field(default_factory=dict)
    """Of other processes."""


class Probe:
    """Looks at catalogue, stream, store and the other processes."""

    def __init__(self, ports: Ports) -> None:
        """Look at nothing yet."""
        self._ports = ports
        self.name = process_name(DOOR)
        self._found: tuple[float, Found] | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> Found:
        """Give what was found within the last second."""
        async with self._looking:
            now_s = self._ports.clock.monotonic_s()
            if self._found is None or now_s - self._found[0] >= FRESH_S:
                self._found = now_s, await self._look()
            return self._found[1]

    async def _look(self) -> Found:
        catalog, store, backlog, reports = await asyncio.gather(
            _answered(self._ports.catalog.get(CORE, "tenant", "")),
            _answered(self._ports.series.read_cursor(0)),
            self._backlog(),
            self._reports(),
        )
        states = {
            "catalog": UP if catalog else DOWN,
            "stream": DOWN if backlog is None else UP,
            "store": UP if store else DOWN,
            "writers": UP if any(found.kind == WRITER for found in reports.values()) else DOWN,
        }
        seen = [report.at_ms for report in reports.values() if report.kind == WRITER]
        return Found(states, backlog, seen, reports)

    async def _backlog(self) -> int | None:
        stream, shards = self._ports.stream, self._ports.policy.shards
        try:
            states = await asyncio.gather(*(stream.read_state(shard) for shard in range(shards)))
        except ServiceError:
            return None
        return sum(state.backlog_bytes for state in states)

    async def _reports(self) -> dict[str, Report]:
        try:
            published = await self._ports.stream.published()
        except ServiceError:
            return {}
        reports = {}
        for name, body in published.items():
            try:
                reports[name] = decode_report(body)
            except Corrupt as error:
                log.warning("figures_not_read", process=name, reason=error.message)
        return reports

    async def report_all(self) -> dict[str, Report]:
        """Give the figures of every living process, this door's as they are now."""
        found = await self.look()
        own = self._ports.figures.report(self._ports.clock.now_ms())
        samples = [Sample("up", (part,), float(state == UP)) for part, state in found.states.items()]
        if found.backlog_bytes is not None:
            samples.append(Sample("backlog_bytes", (), found.backlog_bytes))
        whole = Report(own.kind, own.at_ms, (*own.samples, *samples), own.latencies)
        return {**found.reports, self.name: whole}

    async def publish(self) -> None:
        """Publish what this door counts, again and again, until cancelled."""
        while True:
            try:
                report = self._ports.figures.report(self._ports.clock.now_ms())
                await self._ports.stream.publish(self.name, encode_report(report), int(SHOWN_S * 1000))
            except Unavailable as error:
                log.debug("figures_not_published", reason=error.message)
            await asyncio.sleep(PUBLISH_S)


async def _answered(call: Awaitable[object]) -> bool:
    try:
        await call
    except ServiceError:
        return False
    return True
