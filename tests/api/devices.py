"""Agents as devices: they send, and whoever looks after them sees what became of it (wire 6.3)."""

from __future__ import annotations

from api.identity.scopes import DEFAULT_AGENT
from api.identity.tokens import AGENT as AGENT_CATEGORY
from api.identity.tokens import Grant
from tests.api.doors import NOW_MS, bearer
from tests.api.masts import MAST
from tests.api.stations import AGENT, Station, put_agents
from tests.schemas.device_messages import NODE_TYPE, node_message

EXCHANGE = "/api/mindconnect/v3/exchange"
INGEST = "/api/mindconnect/v3/ingest"
RECORDS = "/api/mindconnect/v3/recoverableRecords"


def agent_token(site, agent=AGENT, tenant="acme"):
    """Sign the token of an agent."""
    grant = Grant(tenant, agent, agent, (DEFAULT_AGENT,), AGENT_CATEGORY, 3_600)
    return site.door.services.identity.tokens.issue(grant, NOW_MS // 1_000)[0]


class Device:
    """An agent with a configuration, and who looks after it."""

    def __init__(self, site, mast=None, agent=AGENT):
        """Take the site, and who looks after the agent."""
        self.site, self.mast, self.agent = site, mast or site.open, agent
        self.station = Station(self.mast)
        self.headers = bearer(agent_token(site, agent, self.mast.tenant))

    async def send(self, body, content_type=NODE_TYPE, path=EXCHANGE, **headers):
        """POST a body as the agent."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.site.http.post(
            path, content=body, headers={**self.headers, "content-type": content_type, **named}
        )

    async def send_samplings(self, *samplings, **headers):
        """POST time series with these headers."""
        return await self.send(node_message(list(samplings)), **headers)

    async def sent(self, *samplings, **more):
        """POST time series that must be taken, as the Node agent does."""
        answer = await self.send(node_message(list(samplings), **more))
        assert (answer.status_code, answer.content) == (200, b""), answer.text
        return answer

    async def rows(self, aspect="weather", asset=MAST):
        """Read what is stored of an aspect."""
        return await self.mast.of(asset, aspect).rows()

    async def quarantined(self, **parameters):
        """List the recoverable records."""
        answer = await self.mast.send("GET", RECORDS, None, parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["content"]

    async def replay(self, record):
        """Replay a record."""
        return await self.mast.send("POST", f"{RECORDS}/{record['id']}/replay")


async def configured_device(site, points=None):
    """Give the device of `acme`, configured, without mappings."""
    await put_agents(site, "acme", "other", "rigid")
    device = Device(site)
    await device.station.configured(0, points)
    return device
