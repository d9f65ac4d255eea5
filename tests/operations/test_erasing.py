"""A tenant is erased to its proof in a running service, with short waits (design 4.16)."""

from __future__ import annotations

import time

import pytest

from bench.service import Service
from bench.tenant import Tenant
from runtime import valkey_server
from tests.conftest import need
from tests.operations.conftest import CREDENTIALS

TENANTS = "/api/aspectstore/v1/tenants"
PATIENCE_S = 90.0


@pytest.fixture
def service(tmp_path):
    """A running service that waits for seconds where others wait for minutes and hours."""
    need("valkey", valkey_server.missing())
    waits = {"ERASE_AGAIN_S": "2", "ERASE_RETRY_S": "1", "TRIM_DELAY_S": "1", "DRAIN_S": "10"}
    service = Service(
        tmp_path / "data",
        variables={f"ASPECTSTORE_{name}": value for name, value in waits.items()},
        credentials=CREDENTIALS,
    )
    service.start()
    yield service
    service.stop()


@pytest.mark.slow
def test_a_tenant_is_erased_and_proved(service):
    """From its making to `PROVED`, with the signed receipt, and nothing left in any place."""
    with Tenant(service.url, CREDENTIALS) as platform:
        platform.ask("POST", TENANTS, {"name": "windco"})
        platform.ask("POST", f"{TENANTS}/windco/suspend")
        begun = platform.ask("DELETE", f"{TENANTS}/windco?confirm=windco")
        path = f"/api/aspectstore/v1/erasures/{begun['id']}"
        states, deadline = [begun["state"]], time.monotonic() + PATIENCE_S
        while states[-1] != "PROVED" and time.monotonic() < deadline:
            found = platform.ask("GET", path)
            if found["state"] != states[-1]:
                states.append(found["state"])
            time.sleep(0.2)

    assert (["ERASING", "ERASED", "PROVED"], True) == (states, bool(found["receipt"]))
    assert not any(found["left"].values())
    assert any(found["before"].values())
