"""Fixtures that every test may ask for: real input, a real Cassandra, a real Valkey, a real S3 server.

A server that lacks skips its tests with the reason on a user's machine and fails them where it is required:
under `CI=true`, or when `REQUIRE` names it (`REQUIRE=cassandra,valkey`).
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

from runtime import cassandra_server, s3_server, valkey_server
from runtime.cassandra_server import CassandraServer
from runtime.s3_server import S3Server
from runtime.valkey_server import ValkeyServer

hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("tests")
"""The same examples on each run and machine; `make slow` searches with its own, printed, seed."""

pytest.register_assert_rewrite(
    "storage.testing", "storage.catalog_testing", "storage.files_testing", "streams.testing"
)

CASSANDRA_ADDRESS = "ASPECTSTORE_TEST_CASSANDRA"
GIVEN_CASSANDRA = pytest.StashKey[str | None]()
SERVER_FIXTURES = {
    "cassandra": "cassandra",
    "cassandra_factory": "cassandra",
    "s3": "s3",
    "valkey": "valkey",
    "valkey_factory": "valkey",
}
ROOT = Path(__file__).resolve().parent.parent


class CassandraAddress(NamedTuple):
    """Where the Cassandra of this run answers; a test makes a keyspace of its own there and drops it."""

    host: str
    port: int


def required(name: str) -> bool:
    """Say whether the run must not go on without this part."""
    return os.environ.get("CI") == "true" or name in os.environ.get("REQUIRE", "").split(",")


def need(name: str, lacking: str | None) -> None:
    """Skip or fail the test when something lacks; do nothing when it is there."""
    if lacking and required(name):
        pytest.fail(f"{name} is required here: {lacking}", pytrace=False)
    if lacking:
        pytest.skip(f"{name}: {lacking}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for a server, so that `-m "not cassandra"` needs no mark written by hand."""
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in SERVER_FIXTURES:
                item.add_marker(SERVER_FIXTURES[fixture])


def pytest_configure(config: pytest.Config) -> None:
    """Take the tests' own variable out of the environment: a service started by a test refuses it."""
    if not _is_controller(config):
        config.stash[GIVEN_CASSANDRA] = os.environ.pop(CASSANDRA_ADDRESS, None)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Under pytest-xdist the controller starts the one Cassandra, before its workers inherit the address."""
    if not _is_controller(session.config) or os.environ.get(CASSANDRA_ADDRESS) or cassandra_server.missing():
        return
    servers = _cassandra_server()
    os.environ[CASSANDRA_ADDRESS] = next(servers).address
    session.config.add_cleanup(servers.close)


def _is_controller(config: pytest.Config) -> bool:
    """Say whether this process only hands tests to the workers of pytest-xdist."""
    return bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def cassandra(pytestconfig: pytest.Config) -> Iterator[CassandraAddress]:
    """The one Cassandra of this run; ASPECTSTORE_TEST_CASSANDRA=host:port names one that runs already."""
    if address := pytestconfig.stash[GIVEN_CASSANDRA]:
        host, port = address.rsplit(":", 1)
        yield CassandraAddress(host, int(port))
        return
    need("cassandra", cassandra_server.missing())
    for server in _cassandra_server():
        yield CassandraAddress(server.host, server.port)


def _cassandra_server() -> Generator[CassandraServer]:
    """Start a Cassandra in a folder of its own; end it and remove the folder, if it came up, afterwards."""
    folder = tempfile.mkdtemp(prefix="cassandra-")
    server = CassandraServer(Path(folder))
    try:
        server.start()  # where this fails the folder stays, for its log
        yield server
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        server.kill()  # nobody needs its data, and an orderly stop takes five seconds


@pytest.fixture
def cassandra_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., CassandraServer]]:
    """Start private Cassandra servers, each about 10 s: `cassandra_factory(commitlog_sync="periodic")`."""
    need("cassandra", cassandra_server.missing())
    yield from _factory(CassandraServer, tmp_path_factory)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """The one Valkey of this run (of this worker under xdist), on a Unix socket; share it by key prefix."""
    need("valkey", valkey_server.missing())
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ValkeyServer]]:
    """Start private Valkey servers to kill, pause and restart: `valkey_factory(appendfsync="everysec")`."""
    need("valkey", valkey_server.missing())
    yield from _factory(ValkeyServer, tmp_path_factory)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The one S3Proxy of this run (of this worker under xdist), with one bucket; share it by tenant."""
    need("s3", s3_server.missing())
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        server.make_bucket("files")
        yield server
    finally:
        server.kill()


def _factory(server_class: Any, folders: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Yield a function that starts a server in a new folder; stop every one of them afterwards."""
    started = []

    def start(folder: Path | None = None, **options: Any) -> Any:
        server = server_class(folder or folders.mktemp(server_class.__name__.lower()), **options)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()
        server.stop()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real input: TEST_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("TEST_DATA") or ROOT.parent / "shared" / "data")
    need("test data", None if folder.is_dir() else f"no folder {folder}; set TEST_DATA to it")
    return folder
