"""One whole service for the tests of this folder: `aspectstore serve` with SQLite and its own Valkey."""

from __future__ import annotations

import pytest

from bench.service import Service
from bench.tenant import Credentials, Tenant
from runtime import valkey_server
from tests.conftest import need

CREDENTIALS = Credentials("canary", "canary-client", "canary-secret-7f3a91")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A running service that logs all it has to say, and answers as the tenant `canary`."""
    need("valkey", valkey_server.missing())
    service = Service(
        tmp_path_factory.mktemp("operations") / "data",
        variables={"ASPECTSTORE_LOG_LEVEL": "debug", "ASPECTSTORE_DRAIN_S": "60"},
        credentials=CREDENTIALS,
    )
    service.start()
    yield service
    service.stop()


@pytest.fixture
def tenant(service):
    """A caller of the service with all scopes."""
    with Tenant(service.url, CREDENTIALS) as tenant:
        yield tenant
