"""The list of peers: which of them this machine can start, and why not the others."""

from __future__ import annotations

from bench.peers.influx import InfluxDB
from bench.peers.kairosdb import KairosDB
from bench.peers.questdb import QuestDB
from bench.peers.victoria import VictoriaMetrics
from bench.systems import System

PEERS: dict[str, type[System]] = {
    "victoriametrics": VictoriaMetrics,
    "questdb": QuestDB,
    "influxdb": InfluxDB,
    "kairosdb": KairosDB,
}
"""Those that speak HTTP, by the name that `--systems` takes; TinyFlux has no server (`tinyflux`)."""
