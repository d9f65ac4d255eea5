"""Notices of a running service: a writer that is killed tells everything all the same (MS-84)."""

from __future__ import annotations

import http.server
import json
import os
import signal
import threading
import time

import pytest

from bench.service import Service
from bench.tenant import Tenant
from runtime import valkey_server
from tests.conftest import need
from tests.operations.conftest import CREDENTIALS

RECORDS = 24
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A running service whose webhooks may reach this machine."""
    need("valkey", valkey_server.missing())
    service = Service(
        tmp_path_factory.mktemp("notices") / "data",
        variables={"ASPECTSTORE_WEBHOOK_NETWORKS": "127.0.0.0/8", "ASPECTSTORE_DRAIN_S": "10"},
        credentials=CREDENTIALS,
    )
    service.start()
    yield service
    service.stop()


class Hook(http.server.BaseHTTPRequestHandler):
    """Takes two of three deliveries."""

    seen: list[dict]
    count = 0

    def do_POST(self):
        """Answer, and keep what was taken."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).count += 1
        fails = type(self).count % 3 == 0
        if not fails:
            self.seen.extend(json.loads(body)["notices"])
        self.send_response(503 if fails else 204)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def hook():
    """A receiver on this machine."""
    hook = type("OneHook", (Hook,), {"seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/"
    yield hook
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_record_is_told_over_killed_writers(service, hook):
    """Each id once more or never again, and all records in order, whatever was killed meanwhile."""
    with Tenant(service.url, CREDENTIALS) as tenant:
        [asset] = tenant.create_assets(1, prefix="told")
        tenant.ask(
            "POST", "/api/aspectstore/v1/subscriptions", {"kind": "data", "webhook": {"url": hook.url}}
        )
        begin = int(time.time()) - 1_000
        for number in range(RECORDS):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + number))
            tenant.ask("PUT", tenant.series_path(asset), [{"_time": stamp, "temperature": number}])
            if number % 8 == 3:
                for pid in service.processes("workers.main writer"):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        deadline = time.monotonic() + PATIENCE_S
        while told(hook) < RECORDS and time.monotonic() < deadline:
            time.sleep(0.1)

    unique = {notice["id"]: notice for notice in hook.seen}
    assert RECORDS == told(hook)
    assert sorted(unique, key=int) == list(unique)
    times = [notice["from"] for notice in unique.values()]
    assert sorted(times) == times


def told(hook):
    """Count the records of all notices, each once."""
    return sum({notice["id"]: notice.get("records", 0) for notice in hook.seen}.values())
