"""Masts whose files are imported while parts of the service die, and a reader that looks beside it.

Every file writes the same rows of every mast, with values that name the file: so what a read shows is of one
file or of another, and a slice that shows two of them is half visible.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import numpy as np

from bench.service import Service
from bench.tenant import Credentials
from client import Client, ClientError
from client import imports as calls
from client.calls import Call, Response, decode, read_records
from client.imports import Job
from client.models import Variable
from schemas.ids import AspectId, AssetId, SeriesId, TenantId
from schemas.times import format_time
from storage.slices import WIDTH_MS, slice_starts
from tests.faults.house import QUICK

CREDENTIALS = Credentials("acme", "loader", "s3cret-of-the-loader")
ASPECT = "mast"
START_MS, STEP_MS, ROWS, MASTS = 1_577_836_800_000, 3_600_000, 6_000, 3
FILE_VALUE = 1_000_000
"""The values of file n are n times this, and the number of the row."""
ENDS_S = 240.0
"""A job that takes longer goes on no more."""

VARIABLES = {
    **QUICK,
    "ASPECTSTORE_JOB_WORKERS": "1",
    "ASPECTSTORE_JOB_LOST_S": "3",
}
"""A job whose worker is gone is taken up after seconds."""

FILE_TYPE = {
    "name": "masts",
    "timeColumns": ["time"],
    "timeFormats": ["%Y-%m-%dT%H:%M:%S"],
    "zone": "UTC",
    "assetColumn": "mast",
    "aspect": ASPECT,
    "rules": [{"pattern": "speed"}, {"pattern": "file"}],
}

TIMES_MS = START_MS + STEP_MS * np.arange(1, ROWS + 1, dtype="<i8")


def file_of(number: int, part: int) -> bytes:
    """Write one of the two files of an import: half of the rows of every mast."""
    half = range(part * ROWS // 2, (part + 1) * ROWS // 2)
    times = np.datetime_as_string(TIMES_MS.astype("datetime64[ms]"), unit="s")
    values = FILE_VALUE * number
    lines = (f"{times[row]},mast-{mast},{values + row},{number}" for row in half for mast in range(MASTS))
    return "\n".join(["time,mast,speed,file", *lines, ""]).encode()


@dataclass
class Site:
    """One service with its masts."""

    service: Service
    root: str = ""
    masts: dict[str, SeriesId] = field(default_factory=dict)
    """Asset id → series."""
    resting: set[int] = field(default_factory=set)
    """The processes of job workers while no job is at work."""
    number: int = 0
    """Of the newest import."""

    def client(self, patience_s: float = 60.0) -> Client:
        """Log in."""
        return Client(self.service.url, CREDENTIALS.client, CREDENTIALS.secret, patience_s=patience_s)

    def build(self) -> None:
        """Make the masts below one asset, and the type of their files."""
        with self.client() as client:
            speed = [Variable(name="speed", data_type="DOUBLE"), Variable(name="file", data_type="DOUBLE")]
            client.create_aspect_type("acme.mast", "mast", speed)
            kind = client.create_asset_type("acme.mast", "mast", {ASPECT: "acme.mast"})
            aspect = next(each.aspect_id for each in kind.aspects if each.name == ASPECT)
            self.root = client.create_asset("site", "acme.mast").asset_id
            for number in range(MASTS):
                asset = client.create_asset(f"mast-{number}", "acme.mast", self.root).asset_id
                self.masts[asset] = SeriesId(TenantId("acme"), AssetId(asset), AspectId(aspect))
            client.call(calls.create_file_type(FILE_TYPE))

    def begin(self) -> Job:
        """Send the files of the next import, and ask for it."""
        self.number = number = self.number + 1
        with self.client() as client:
            paths = [f"{number}-{part}.csv" for part in (0, 1)]
            for part, path in enumerate(paths):
                client.call(calls.put_file(self.root, path, file_of(number, part)))
            self.resting = set(self.pids("workers.main jobs"))
            return client.call(calls.create_import({"entity": self.root, "files": paths, "type": "masts"}))

    def end_of(self, job: Job) -> Job:
        """Wait until a job has ended, whatever dies meanwhile."""
        deadline = monotonic() + ENDS_S
        with self.client() as client:
            while not job.has_ended:
                assert monotonic() < deadline, f"{job}\n{self.said()}"
                sleep(0.05)
                job = client.call(calls.get_job(job.id))
        return job

    def is_at_work(self, job: Job) -> bool:
        """Tell whether a job has not ended yet."""
        with self.client() as client:
            return not client.call(calls.get_job(job.id)).has_ended

    def demand(self, job: Job) -> None:
        """The counts of the newest import are those of its files, and every mast has exactly their rows."""
        number = self.number
        rows = MASTS * ROWS
        wanted = {"rows": rows, "stored": rows, "duplicates": 0, "refused": 0, "series": MASTS}
        assert ("done", wanted) == (job.state, {name: job.counts.get(name) for name in wanted}), job.message
        expected = [FILE_VALUE * number + row for row in range(ROWS)]
        with self.client() as client:
            for asset in self.masts:
                begin, end = format_time(START_MS), format_time(int(TIMES_MS[-1]))
                rows = list(client.read_all(asset, ASPECT, start=begin, end=end, limit=2_000))
                assert expected == [row["speed"] for row in rows], f"mast {asset} after file {number}"
                assert {float(number)} == {row["file"] for row in rows}

    def await_work(self, job: Job) -> None:
        """Wait until a job has begun, or ended already."""
        with self.client() as client:
            while job.state == "submitted":
                sleep(0.02)
                job = client.call(calls.get_job(job.id))

    def pids(self, word: str) -> list[int]:
        """List processes by a word of their command lines; waits until there is one."""
        deadline = monotonic() + ENDS_S
        while not (found := sorted(self.service.processes(word))):
            assert monotonic() < deadline, f"no process {word!r}\n{self.said()}"
            sleep(0.02)
        return found

    def at_work(self) -> set[int]:
        """List the processes in which jobs run now: what job workers forked, but for their schedulers."""
        return set(self.pids("workers.main jobs")) - self.resting

    @staticmethod
    def kill(pid: int) -> bool:
        """Kill a process (`kill -9`); False where it has ended."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def said(self) -> str:
        """Give the last words of the service, for a failing test."""
        return self.service.output.read_text(errors="replace")[-6000:]


@dataclass
class Reader:
    """Reads slices while imports go on, and remembers what no reader may see."""

    site: Site
    wrong: list[str] = field(default_factory=list)
    reads: int = 0
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read for the time of the block."""
        ended = threading.Event()
        thread = threading.Thread(target=self._read_all, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _read_all(self, ended: threading.Event) -> None:
        while not ended.is_set():
            with self.site.client(patience_s=0) as client:
                try:
                    self._read_each(client, ended)
                except ClientError:
                    ended.wait(0.1)  # What is away comes back; the reader has nothing to say of it.

    def _read_each(self, client: Client, ended: threading.Event) -> None:
        for asset, series in self.site.masts.items():
            starts = slice_starts(series, TIMES_MS)
            for start in np.unique(starts).tolist():
                if ended.is_set():
                    return
                begin, end = format_time(start), format_time(start + WIDTH_MS)
                call = read_records(asset, ASPECT, start=begin, end=end, limit=2_000)
                answer: Response = client.call(Call(call.request, lambda answer: answer))
                lags = "read-position" in answer.headers  # It says itself that it may be behind.
                found = decode(answer, list[dict[str, Any]])
                self.reads += 1
                self._judge((asset, start), np.flatnonzero(starts == start), found, lags=lags)

    def _judge(self, place: tuple[str, int], rows: Any, found: list[dict[str, Any]], *, lags: bool) -> None:
        """A slice has the rows of exactly one file, and never of an older one than before."""
        files = {row["file"] for row in found}
        speeds = [row["speed"] for row in found]
        if len(files) > 1:
            self.wrong.append(f"{place} shows the files {sorted(files)} at once")
            return
        number = int(files.pop()) if files else 0
        whole = [FILE_VALUE * number + row for row in rows.tolist()] if number else []
        if speeds != whole:
            self.wrong.append(f"{place} shows {len(speeds)} of {len(rows)} rows of file {number}")
        if number < self._seen.get(place, 0) and not lags:
            self.wrong.append(f"{place} shows file {number} after file {self._seen[place]}")
        self._seen[place] = max(number, self._seen.get(place, 0))


@contextmanager
def running(service: Service) -> Iterator[Site]:
    """Start a service and make its masts; stop it at the end."""
    service.start(120)
    try:
        site = Site(service)
        site.build()
        yield site
    finally:
        service.stop()
