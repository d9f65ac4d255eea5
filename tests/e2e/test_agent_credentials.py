"""Credentials of agents at a whole service: what is stolen opens nothing, what is rotated loses nothing.

Real processes on SQLite and on a real Cassandra; connections are new each time, so that every door is asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from bench.service import Service
from runtime.clock import SystemClock
from tests.api.agents import BASE, Device, new_device
from tests.api.doors import bearer
from tests.e2e.conftest import COMMAND, CREDENTIALS, clean_environ
from tests.schemas.device_messages import NODE_TYPE, node_message, sampling

EXCHANGE = "/api/mindconnect/v3/exchange"
MODEL = "/api/assetmanagement/v3"
DOOR = "cli.door"
BACK_S = 120.0
MESSAGES = 40


class Caller:
    """The tenant's technical user, and the service, as helpers of the other tests know them."""

    tenant = CREDENTIALS.tenant

    def __init__(self, service: Service, http: httpx.AsyncClient) -> None:
        """Take the service and a client of it."""
        self.service = service
        self.http = http
        self.site = SimpleNamespace(http=http, clock=SystemClock())

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send a request with a new token."""
        form = {"grant_type": "client_credentials"}
        login = (CREDENTIALS.client, CREDENTIALS.secret)
        token = (await self.http.post("/oauth/token", data=form, auth=login)).json()["access_token"]
        return await self.http.request(method, path, json=body, headers=bearer(token))

    async def made(self, method: str, path: str, body: Any) -> Any:
        """Send a request that must be taken; gives what is answered."""
        answer = await self.send(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


def opened(service: Service) -> httpx.AsyncClient:
    """Open a client that keeps no connection."""
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=service.url, timeout=60, limits=limits)


async def back(http: httpx.AsyncClient) -> None:
    """Wait until doors answer that shards take records."""
    deadline = time.monotonic() + BACK_S
    while time.monotonic() < deadline:
        try:
            if (await http.get("/health")).json() == {"status": "UP"}:
                return
        except (httpx.HTTPError, ValueError):
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("no door came back")


def kill_doors(service: Service) -> None:
    """End every door at once (`kill -9`); the supervisor starts new ones."""
    for pid in service.processes(DOOR):
        os.kill(pid, signal.SIGKILL)


def refused(answer: httpx.Response) -> None:
    """Check that nothing was given to whoever asked."""
    assert answer.status_code == 401, answer.text
    assert answer.json().keys() == {"id", "error", "error_description"}


async def steal(service: Service, profile: str) -> None:
    """Let an agent use its credentials, and a thief after it, before and after the doors are killed."""
    async with opened(service) as http:
        caller = Caller(service, http)
        device = await new_device(caller, f"stolen-{profile}".lower(), profile)
        thief = Device(http, caller.site.clock, device.id, key=device.key, tenant=caller.tenant)
        first = device.content["iat"]
        assert (await device.register()).status_code == 201
        assertion = device.assertion()
        assert (await device.ask(assertion)).status_code == 200
        renewal = device.answer["registration_access_token"]
        assert (await device.renew()).status_code == 200
        await device.token()

        for _ in range(2):
            # Once each: whoever guesses more is braked, and so is the agent at the same address.
            refused(await thief.ask(assertion))
            refused(await thief.register(first))
            refused(await thief.renew(renewal))
            kill_doors(service)
            await back(http)
        assert (await device.ask()).status_code == 200


@pytest.mark.timeout(600)
@pytest.mark.parametrize("profile", ["SHARED_SECRET", "RSA_3072"])
def test_what_was_used_is_worthless(service: Service, profile: str) -> None:
    """An assertion, a token to register and one to renew with, sent again by a thief: 401 (S4, wire 5.3)."""
    asyncio.run(steal(service, profile))


def samplings(number: int) -> list[dict[str, Any]]:
    """Give what the agent sends at once: five samplings, each value once in its life."""
    return [
        sampling(f"2026-01-01T00:{number:02d}:{second:02d}.000Z", dp=str(100 * number + second))
        for second in range(5)
    ]


async def furnished(caller: Caller, name: str) -> Device:
    """Make an agent whose one data point goes to a variable of its own asset, and register it."""
    aspect, kind = f"{caller.tenant}.{name}", f"{caller.tenant}.{name}Kind"
    variables = [{"name": "value", "dataType": "LONG"}]
    await caller.made("PUT", f"{MODEL}/aspecttypes/{aspect}", {"name": name, "variables": variables})
    held = [{"name": "flow", "aspectTypeId": aspect}]
    body = {"name": name, "parentTypeId": "core.mclib", "aspects": held}
    await caller.made("PUT", f"{MODEL}/assettypes/{kind}", body)
    root = (await caller.send("GET", f"{MODEL}/assets/root")).json()["assetId"]
    asset = {"name": name, "typeId": kind, "parentId": root}
    asset_id = (await caller.made("POST", f"{MODEL}/assets", asset))["assetId"]
    agent = {"name": name, "securityProfile": "SHARED_SECRET", "entityId": asset_id}
    device = Device(caller.http, caller.site.clock, "", tenant=caller.tenant)
    device.id = (await caller.made("POST", f"{BASE}/agents", agent))["id"]
    configuration = await caller.send("GET", f"{BASE}/agents/{device.id}/boarding/configuration")
    device.content = configuration.json()["content"]
    assert (await device.register()).status_code == 201
    point = {"id": "dp", "name": "dp", "type": "LONG", "unit": "", "customData": {}}
    sources = {"configurationId": "c", "dataSources": [{"name": "s", "dataPoints": [point]}]}
    path = f"{BASE}/agents/{device.id}/dataSourceConfiguration"
    answer = await device.send("PUT", path, sources, if_match="0")
    assert answer.status_code == 200, answer.text
    mapping = {
        "agentId": device.id, "dataPointId": "dp", "entityId": asset_id, "propertySetName": "flow",
        "propertyName": "value",
    }  # fmt: skip
    await caller.made("POST", "/api/mindconnect/v3/dataPointMappings", mapping)
    return device


async def rotate(service: Service) -> None:
    """Give the installation a new key that signs at once, as its operator does."""
    words = [
        *COMMAND,
        "keys",
        "rotate",
        "--overlap",
        "0",
        "--data",
        str(service.data),
        "--store",
        service.store,
    ]
    await asyncio.to_thread(
        subprocess.run, words, env=clean_environ(), check=True, capture_output=True, timeout=BACK_S
    )


async def stream(service: Service) -> None:
    """Send message after message, while the agent's secret and the installation's keys are rotated."""
    async with opened(service) as http:
        caller = Caller(service, http)
        device = await furnished(caller, f"rotating{time.monotonic_ns()}")
        token = await device.token()
        rotation = asyncio.create_task(rotate(service))
        renewed = 0
        for number in range(MESSAGES):
            message = node_message(samplings(number), configuration="c")
            for _ in range(10):
                headers = {**bearer(token), "content-type": NODE_TYPE}
                answer = await http.post(EXCHANGE, content=message, headers=headers)
                if answer.status_code == 200:
                    break
                assert answer.status_code == 401, answer.text
                renewed += 1
                await asyncio.sleep(0.3)
                token = await device.token()  # As agents do whose token does not hold.
            assert answer.status_code == 200
            if number % 10 == 5:
                assert (await device.renew()).status_code == 200
                token = await device.token()
            if number == MESSAGES // 2:
                await rotation
        await device.token()
        asked = {"from": "2025-12-31T00:00:00Z", "to": "2026-01-02T00:00:00Z", "limit": "2000"}
        path = f"/api/iottimeseries/v3/timeseries/{device.id}/flow"
        found = (await caller.send("GET", f"{path}?{httpx.QueryParams(asked)}")).json()

    expected = [100 * number + second for number in range(MESSAGES) for second in range(5)]
    assert [row["value"] for row in found] == expected


@pytest.mark.timeout(600)
def test_rotations_in_the_middle_of_a_stream_lose_nothing(service: Service) -> None:
    """The agent's secret and the key that signs change while it sends: each value once (wire 5.3, TB-10)."""
    asyncio.run(stream(service))
