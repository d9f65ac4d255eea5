"""What a writer counts, published for the doors to show (`runtime.metrics`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from runtime.metrics import (
    PUBLISH_S,
    SHOWN_S,
    WRITER,
    Report,
    Sample,
    encode_report,
    process_name,
    resident,
)
from runtime.ports import Clock
from schemas.errors import Unavailable
from streams.port import RecordStream

if TYPE_CHECKING:
    from workers.writer import Writer

log = structlog.get_logger("writer")

INSERTS_PER_S_START = 2_000.0
"""The speed assumed before any turn was measured (design 3.6)."""


@dataclass(slots=True)
class WriterFigures:
    """What the writer did and how it stands, for `/metrics`."""

    turns: int = 0
    entries: int = 0
    deltas: int = 0
    seals: int = 0
    purges: int = 0
    dead_letters: int = 0
    tau_s: float = 0.0
    inserts_per_s: float = INSERTS_PER_S_START
    lag_s: float = 0.0

    def note_turn(self, entries: int, deltas: int, took_s: float, lag_s: float) -> None:
        """Count a turn, and move the speed on a little: what a turn costs is folding and telling as well."""
        if deltas:
            self.inserts_per_s += 0.2 * (deltas / max(took_s, 0.001) - self.inserts_per_s)
        self.turns += 1
        self.entries += entries
        self.deltas += deltas
        self.lag_s = max(0.0, lag_s)


def report_of(writer: Writer, now_ms: int, others: Sequence[Sample] = ()) -> Report:
    """Give what a writer counted, and how it stands, and what others in its process count."""
    figures = writer.figures
    laid, ready, purges = writer._sealer.waiting
    volume, retained = writer._sealer.volume, writer._sealer.retained
    counted: dict[str, float] = {
        "writer_turns": figures.turns,
        "writer_entries": figures.entries,
        "writer_deltas": figures.deltas,
        "writer_seals": figures.seals,
        "writer_purges": figures.purges,
        "writer_sealed_bytes": volume.delta_bytes,
        "writer_seal_read_bytes": volume.read_bytes,
        "writer_seal_written_bytes": volume.written_bytes,
        "writer_retained_blocks": writer._sealer.retained_blocks,
        "writer_retained_bytes": retained.read_bytes,
        "writer_retained_left_bytes": retained.written_bytes,
        "writer_dead_letters": figures.dead_letters,
        "writer_pinned_slices": writer._undoing.figures.pinned,
        "writer_undos": writer._undoing.figures.undone,
        "writer_undos_refused": writer._undoing.figures.refused,
        "writer_undos_over": writer._undoing.figures.released,
        "writer_turn_seconds": figures.tau_s,
        "writer_inserts_per_second": figures.inserts_per_s,
        "writer_lag_seconds": figures.lag_s,
        "writer_shards": len(writer._held),
        "writer_slices_laid": laid,
        "writer_slices_ready": ready,
        "writer_purges_waiting": purges,
    }
    samples = [Sample(family, (), value) for family, value in counted.items()]
    return Report(WRITER, now_ms, (*samples, *others, *resident()))


async def publish(
    writer: Writer,
    stream: RecordStream,
    clock: Clock,
    others: Callable[[], Sequence[Sample]] = lambda: (),
) -> None:
    """Publish a writer's figures every few seconds, until cancelled."""
    name = process_name(WRITER)
    while True:
        try:
            report = report_of(writer, clock.now_ms(), others())
            await stream.publish(name, encode_report(report), int(SHOWN_S * 1000))
        except Unavailable as error:
            log.debug("figures_not_published", reason=error.message)
        await asyncio.sleep(PUBLISH_S)
