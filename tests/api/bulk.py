"""A site whose jobs run when a test says so, and short words for bulk imports."""

from __future__ import annotations

import itertools
import json

from schemas.durations import HOUR_MS
from schemas.jobs import RunJob
from schemas.times import format_time
from streams.memory_jobs import MemoryJobQueue
from tests.api.doors import NOW_MS
from tests.workers.world import SHARDS
from workers.import_jobs import Workshop, run_job
from workers.imports.importer import Ground

BULK = "/api/iottsbulk/v3"
JOBS = "/api/aspectstore/v1/jobs"
FILES = "/api/iotfile/v3/files"
OLD_MS = NOW_MS - 48 * HOUR_MS


def old(number):
    """Write a time two days ago, some seconds after another."""
    return format_time(OLD_MS + number * 1_000)


def records(count, start=0, value=0.5):
    """Make records as clients of the dialect write them into files: every value as a text."""
    return [
        {"_time": old(start + number), "temperature": str(value + number), "label": f"x}},{{{number}\\"}
        for number in range(count)
    ]


class Imports:
    """Imports at a site."""

    def __init__(self, site):
        """Put a queue into the site that does nothing by itself."""
        self.site = site
        ports = site.door.services.ports
        self.queue = MemoryJobQueue({}, tries=1)
        object.__setattr__(ports, "jobs", self.queue)
        numbers = itertools.count(10_000)  # Far from those of the writer
        ground = Ground(
            ports.catalog, ports.series, ports.stream, ports.clock, SHARDS,
            lambda: next(numbers).to_bytes(16, "big"), self.pause,
        )  # fmt: skip
        self.workshop = Workshop(ground, ports.files, self.queue, 1_024)

    async def pause(self, _seconds):
        """Let the writer work while a job waits."""
        self.site.clock.advance(200)
        await self.site.step()

    async def put_file(self, mast, path, content, **headers):
        """Store a file of the asset."""
        octets = content if isinstance(content, bytes) else json.dumps(content).encode()
        answer = await mast.send("PUT", f"{FILES}/{mast.asset}/{path}", octets, **headers)
        assert answer.status_code in {201, 204}, answer.text

    async def ask(self, mast, *files, key="filePath", **others):
        """Ask for an import of files: paths, or what stands in the request."""
        listed = [{key: file} if isinstance(file, str) else file for file in files]
        pair = {"entity": mast.asset, "propertySetName": mast.aspect, "timeseriesFiles": listed, **others}
        return await mast.send("POST", f"{BULK}/importJobs", {"data": [pair]})

    async def run(self):
        """Let workers do what they were told."""
        asked, self.queue._asked = dict(self.queue._asked), {}
        for _, arguments in asked.values():
            await run_job(self.workshop, RunJob(**arguments))

    async def done(self, mast, *files, **others):
        """Import files; gives the job as the dialect shows it."""
        answer = await self.ask(mast, *files, **others)
        assert answer.status_code == 201, answer.text
        await self.run()
        return (await mast.send("GET", answer.headers["location"])).json()

    async def job(self, mast, job_id):
        """Give a job as we show it."""
        answer = await mast.send("GET", f"{JOBS}/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()
