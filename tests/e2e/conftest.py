"""Whole services for the tests of this folder: `aspectstore serve` on SQLite and on a real Cassandra."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from bench.service import Service
from bench.tenant import Credentials
from client import Client
from runtime import valkey_server
from tests.conftest import need

CREDENTIALS = Credentials("acme", "loader", "s3cret-of-the-loader")
COMMAND = [sys.executable, "-P", "-m", "cli.main"]
CALL_S = 120.0


@pytest.fixture(scope="session", params=["sqlite", "cassandra"])
def service(request, tmp_path_factory):
    """A running service on each store, as the tenant `acme`."""
    need("valkey", valkey_server.missing())
    store = "sqlite"
    if request.param == "cassandra":
        host, port = request.getfixturevalue("cassandra")
        store = f"cassandra://{host}:{port}/e2e_{secrets.token_hex(4)}"
    data = tmp_path_factory.mktemp("e2e") / "data"
    key = {"ASPECTSTORE_SECRETS_KEY": secrets.token_hex(32)}  # without it none is kept on Cassandra
    service = Service(data, store=store, credentials=CREDENTIALS, variables=key)
    service.start(seconds_max=120)
    yield service
    assert service.stop() == 0
    if request.param == "cassandra":
        _drop_keyspace(host, port, store.rpartition("/")[2])


def _drop_keyspace(host: str, port: int, keyspace: str) -> None:
    from cassandra.cluster import Cluster

    with Cluster([host], port) as cluster, cluster.connect() as session:
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture
def client(service):
    """A client of the service with all scopes."""
    with Client(service.url, CREDENTIALS.client, CREDENTIALS.secret) as client:
        yield client


@pytest.fixture
def command(service, tmp_path):
    """Give a function that runs the command as its own process against the service."""
    variables = {"URL": service.url, "CLIENT": CREDENTIALS.client, "SECRET": CREDENTIALS.secret}
    environ = clean_environ() | {f"ASPECTSTORE_{name}": value for name, value in variables.items()}
    return lambda *arguments: run(arguments, environ, tmp_path)


def clean_environ() -> dict[str, str]:
    """Give the environment without variables of the product."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ASPECTSTORE_")}


def run(arguments, environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    words = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        words, env=environ, cwd=folder, capture_output=True, text=True, timeout=CALL_S, check=False
    )
