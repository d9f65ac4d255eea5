"""What processes count, and how it is shown: plain numbers in, the text format of Prometheus out.

Each process counts for itself (well below a microsecond a request) and publishes its figures through the
stream server every few seconds; the door that is asked shows its own, as they are, and everybody's. Labels
are routes, statuses and reasons of ours, names of living processes, and of tenants the first few that meet
a limit; never what a client sent, so their number is bounded.
"""

from __future__ import annotations

import os
import socket
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from schemas.errors import Corrupt

PUBLISH_S = 5.0
"""Between two publications: half of the shortest scrape interval in common use."""

SHOWN_S = 30.0
"""Figures of a process that says nothing for so long are shown no more."""

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper ends: from a single record to a read that waits for a receipt."""

TENANTS_SHOWN_MAX = 20
"""Tenants that a process names; the others are added up as `OTHERS`, and the usage API has each."""

OTHERS = "others"
"""No tenant has this name in `/metrics`."""

DOOR, WRITER = "door", "writer"
"""Kinds of processes."""


class Family(NamedTuple):
    """What one name of `/metrics` means."""

    kind: type[CounterMetricFamily | GaugeMetricFamily]
    labels: tuple[str, ...]
    words: str


_COUNT, _GAUGE = CounterMetricFamily, GaugeMetricFamily

FAMILIES: dict[str, Family] = {
    "requests": Family(
        _COUNT, ("method", "route", "status"), "Requests answered; status 0: the client went."
    ),
    "admitted_entries": Family(_COUNT, (), "Entries that became durable."),
    "admitted_bytes": Family(_COUNT, (), "Bytes of entries that became durable."),
    "refused_writes": Family(_COUNT, ("reason",), "Writes that the stream did not admit."),
    "quarantined_messages": Family(_COUNT, (), "Messages of devices of which something was refused."),
    "quota_refusals": Family(_COUNT, ("tenant", "rule"), "Requests refused by a limit of their tenant."),
    "tokens": Family(_COUNT, ("grant", "status"), "Answers of the token endpoint."),
    "writer_turns": Family(_COUNT, (), "Turns that were stored."),
    "writer_entries": Family(_COUNT, (), "Entries that were stored."),
    "writer_deltas": Family(_COUNT, (), "Deltas that were stored."),
    "writer_seals": Family(_COUNT, (), "Slices that were sealed."),
    "writer_purges": Family(_COUNT, (), "Slices of which sealed deltas were purged."),
    "writer_sealed_bytes": Family(_COUNT, (), "Bytes of deltas that seals took up."),
    "writer_seal_read_bytes": Family(_COUNT, (), "Stored bytes of blocks that seals read to rewrite them."),
    "writer_seal_written_bytes": Family(_COUNT, (), "Stored bytes of blocks and heads that seals wrote."),
    "writer_retained_blocks": Family(_COUNT, (), "Blocks of which retention left summaries only."),
    "writer_retained_bytes": Family(_COUNT, (), "Stored bytes of these blocks before."),
    "writer_retained_left_bytes": Family(_COUNT, (), "Stored bytes of what was left of them."),
    "writer_dead_letters": Family(_COUNT, (), "Entries that were set aside."),
    "writer_pinned_slices": Family(_COUNT, (), "Slices looked at before a delete, most of them pinned."),
    "writer_undos": Family(_COUNT, (), "Deletes that were undone."),
    "writer_undos_refused": Family(_COUNT, (), "Undos that came to nothing and were set aside."),
    "writer_undos_over": Family(_COUNT, (), "Deletes of which nothing is kept any more: their time is over."),
    "writer_turn_seconds": Family(_GAUGE, (), "How long a turn collects (tau)."),
    "writer_inserts_per_second": Family(_GAUGE, (), "Deltas a second over whole turns, a moving average."),
    "writer_lag_seconds": Family(_GAUGE, (), "Age of the oldest entry of the last turn when it was stored."),
    "writer_shards": Family(_GAUGE, (), "Shards that the writer holds."),
    "writer_slices_laid": Family(_GAUGE, (), "Slices with deltas that no seal has taken up."),
    "writer_slices_ready": Family(_GAUGE, (), "Slices that wait for their seal."),
    "writer_purges_waiting": Family(_GAUGE, (), "Purges that wait for the grace to pass."),
    "notices": Family(_COUNT, (), "Notices that were made for subscribers."),
    "notice_gaps": Family(_COUNT, (), "Times a subscriber was told that notices are missing."),
    "notice_subscriptions": Family(_GAUGE, (), "Subscriptions that the process follows."),
    "notice_deliveries": Family(
        _COUNT, ("outcome",), "Deliveries to webhooks: delivered, failed at one try, given_up for good."
    ),
    "up": Family(_GAUGE, ("part",), "1: the answering door can use this part."),
    "backlog_bytes": Family(_GAUGE, (), "Bytes of entries that are not stored yet, all shards."),
    "resident_bytes": Family(_GAUGE, (), "Memory of the process."),
}
"""By their names without `aspectstore_`."""

REQUEST_SECONDS = "request_seconds"

Labels = tuple[str, ...]


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One number."""

    family: str
    labels: Labels
    value: float


class Latency(msgspec.Struct, frozen=True, array_like=True):
    """How long requests of a (method, route) took."""

    labels: Labels
    counts: tuple[int, ...]
    """A bucket each, and one for what took longer than all."""
    total_s: float


class Report(msgspec.Struct, frozen=True):
    """What one process counts."""

    kind: str
    at_ms: int
    samples: tuple[Sample, ...] = ()
    latencies: tuple[Latency, ...] = ()


class _Route:
    """Requests of one method and route with one status."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0


class DoorFigures:
    """What one door counts."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._routes: dict[tuple[str, str, int], _Route] = {}
        self._plain: dict[tuple[str, Labels], int] = {}
        self._entries = self._bytes = 0
        self._shown: set[str] = set()
        """The tenants that are named."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is a template, never a path."""
        found = self._routes.get((method, route, status))
        if found is None:
            found = self._routes.setdefault((method, route, status), _Route())
        found.counts[bisect_left(BUCKETS_S, seconds)] += 1
        found.total_s += seconds

    def admitted(self, entries: int, bytes_count: int) -> None:
        """Count entries that became durable."""
        self._entries += entries
        self._bytes += bytes_count

    def add(self, family: str, *labels: str) -> None:
        """Count one of something else."""
        self._plain[family, labels] = self._plain.get((family, labels), 0) + 1

    def refused_by_quota(self, tenant: str, rule: str) -> None:
        """Count a refusal; only the first tenants that are refused have a line of their own."""
        if len(self._shown) < TENANTS_SHOWN_MAX and tenant != OTHERS:
            self._shown.add(tenant)
        self.add("quota_refusals", tenant if tenant in self._shown else OTHERS, rule)

    def report(self, now_ms: int) -> Report:
        """Give everything counted so far."""
        samples = [Sample(family, labels, count) for (family, labels), count in self._plain.items()]
        samples.append(Sample("admitted_entries", (), self._entries))
        samples.append(Sample("admitted_bytes", (), self._bytes))
        latencies: dict[Labels, _Route] = {}
        for (method, route, status), found in self._routes.items():
            samples.append(Sample("requests", (method, route, str(status)), sum(found.counts)))
            both = latencies.setdefault((method, route), _Route())
            both.counts = [one + other for one, other in zip(both.counts, found.counts, strict=True)]
            both.total_s += found.total_s
        samples += resident()
        shown = (Latency(labels, tuple(found.counts), found.total_s) for labels, found in latencies.items())
        return Report(DOOR, now_ms, tuple(samples), tuple(shown))


def resident() -> list[Sample]:
    """Give the memory of this process, where the system tells it."""
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return []
    return [Sample("resident_bytes", (), pages * os.sysconf("SC_PAGE_SIZE"))]


def process_name(kind: str) -> str:
    """Name this process among all of an installation that live now."""
    return f"{kind}-{socket.gethostname()}-{os.getpid()}"


def encode_report(report: Report) -> bytes:
    """Write a report for publication."""
    return msgspec.json.encode(report)


def decode_report(body: bytes) -> Report:
    """Read a report; Corrupt for anything else, such as one of a newer release."""
    try:
        return msgspec.json.decode(body, type=Report)
    except msgspec.MsgspecError as broken:
        raise Corrupt(f"figures of {len(body)} bytes do not decode: {broken}") from broken


def render(reports: Mapping[str, Report]) -> bytes:
    """Write the reports of processes, by their names, in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(reports))
    return generate_latest(registry)


class _Shown(Collector):
    """Hands finished families to the library that writes them."""

    def __init__(self, reports: Mapping[str, Report]) -> None:
        self._reports = reports

    def collect(self) -> Iterable[Metric]:
        return self._families()

    def _families(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        latencies = HistogramMetricFamily(
            f"aspectstore_{REQUEST_SECONDS}",
            "Time from the request's head to the end of its answer.",
            labels=("process", "method", "route"),
        )
        for process, report in sorted(self._reports.items()):
            for sample in report.samples:
                known = FAMILIES.get(sample.family)
                if known is None or len(known.labels) != len(sample.labels):
                    continue  # of another release
                if sample.family not in families:
                    name = f"aspectstore_{sample.family}"
                    families[sample.family] = known.kind(name, known.words, labels=("process", *known.labels))
                families[sample.family].add_metric((process, *sample.labels), sample.value)
            for found in report.latencies:
                latencies.add_metric((process, *found.labels), _cumulative(found.counts), found.total_s)
        yield from families.values()
        yield latencies


def _cumulative(counts: Iterable[int]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    total = 0
    ends = (*(str(end) for end in BUCKETS_S), "+Inf")
    for end, count in zip(ends, counts, strict=False):
        total += count
        found.append((end, total))
    return found
