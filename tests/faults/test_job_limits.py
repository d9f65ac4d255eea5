"""A job that needs more memory or time than it may fails alone, in a whole service (R21, S9)."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bench.service import Service
from client import imports as calls
from runtime import valkey_server
from tests.conftest import need
from tests.faults.importing import CREDENTIALS, FILE_TYPE, START_MS, VARIABLES, Site, running

SECONDS = 10
BATCH_ROWS = 12_000_000
"""Of two columns: an Arrow batch is held whole, so this one takes 192 MB, and what is made of it as much."""
LINES, COPIES = 20_000, 400
"""Rows of a piece, and how often it comes: in each block a quote is wrong, so every row is read by itself."""

pytestmark = pytest.mark.timeout(300)


@contextmanager
def limited(data: Path, limits: dict[str, str]) -> Iterator[Site]:
    """Give a service whose jobs have these limits."""
    need("valkey", valkey_server.missing())
    with running(Service(data, credentials=CREDENTIALS, variables={**VARIABLES, **limits})) as site:
        arrow = {**FILE_TYPE, "name": "arrow-masts", "format": "arrow", "timeFormats": [], "assetColumn": ""}
        with site.client() as client:
            client.call(calls.create_file_type(arrow))
        yield site


def huge_batch() -> bytes:
    """One batch of an Arrow stream that no job of these limits can hold twice."""
    time = pa.array(START_MS + np.arange(BATCH_ROWS)).cast(pa.timestamp("ms", "UTC"))
    batch = pa.record_batch([time, pa.array(np.random.default_rng(1).random(BATCH_ROWS))], ["time", "speed"])
    out = io.BytesIO()
    with pa.ipc.new_stream(out, batch.schema) as stream:
        stream.write_batch(batch)
    return out.getvalue()


def long_text() -> bytes:
    """Eight million rows in little space."""
    times = np.datetime_as_string(np.datetime64(START_MS, "ms") + np.arange(LINES) * 60_000, unit="s")
    rows = "\n".join(f"{time},mast-0,{number},1" for number, time in enumerate(times.tolist()))
    rows += '\n"'
    return gzip.compress(b"time,mast,speed,file\n") + gzip.compress(f"{rows}\n".encode()) * COPIES


def burst(site: Site, type_: str, octets: bytes) -> str:
    """Have a job burst, and one that does not queue behind it; gives what the first says."""
    parts = site.service.processes()
    with site.client() as client:
        client.call(calls.put_file(site.root, "burst", octets))
        asked = {"entity": site.root, "files": ["burst"], "type": type_}
        job = client.call(calls.create_import(asked))
    following = site.begin()

    job = site.end_of(job)
    site.demand(site.end_of(following))
    assert parts.keys() <= site.service.processes().keys()
    assert job.state == "failed"
    return job.message


def test_a_job_that_needs_too_much_memory_fails_alone(tmp_path: Path) -> None:
    """It says so; worker, door and writer are the processes that they were, and the next job is done."""
    with limited(tmp_path / "data", {"ASPECTSTORE_JOB_MEMORY_MB": "256"}) as site:
        said = burst(site, "arrow-masts", huge_batch())

    assert "It needed more memory than a job may have (256 MB); divide it." == said


def test_a_job_that_takes_too_long_fails_alone(tmp_path: Path) -> None:
    """The same for one that is at work longer than it may be; its worker ends it."""
    with limited(tmp_path / "data", {"ASPECTSTORE_JOB_S": str(SECONDS)}) as site:
        said = burst(site, "masts", long_text())

    assert f"It took longer than a job may ({SECONDS} s); divide it." == said
