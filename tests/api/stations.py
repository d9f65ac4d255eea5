"""Agents of two masts, what they send, and into which variables: short words for tests (wire 5.1, 6.1)."""

from __future__ import annotations

import msgspec

from api.identity.scopes import ALL_SCOPES
from api.identity.tokens import Identity
from schemas.agents import Agent, SecurityProfile
from tests.api.doors import NOW_MS
from tests.api.masts import ASPECT_IDS, MAST, SECOND

MAPPINGS = "/api/mindconnect/v3/dataPointMappings"
WEATHER = ASPECT_IDS["weather"]
AGENT, GATEWAY = MAST, SECOND
"""Two agents, each of one of the masts."""

USUAL = {"dp-t": ("DOUBLE", ""), "dp-p": ("DOUBLE", ""), "dp-n": ("LONG", "")}


def configuration(points=None, name="CF"):
    """Write a configuration of one source: type and unit by id of the data point."""
    found = USUAL if points is None else points
    written = [
        {"id": point, "name": point, "type": kind, "unit": unit} for point, (kind, unit) in found.items()
    ]
    return {"configurationId": name, "dataSources": [{"name": "DS", "dataPoints": written}]}


def mapping(point="dp-t", variable="temperature", agent=AGENT, asset=MAST, aspect="weather", **more):
    """Write a mapping."""
    return {
        "agentId": agent,
        "dataPointId": point,
        "entityId": asset,
        "propertySetName": aspect,
        "propertyName": variable,
        **more,
    }


def agent_identity(agent=AGENT, tenant="acme"):
    """Give the identity of an agent that calls."""
    return Identity(tenant, agent, agent, frozenset(ALL_SCOPES), "t", 0, category="agent-token:v1")


async def put_agents(site, *tenants):
    """Make the agents of both masts of each tenant."""
    for tenant in tenants:
        for agent in (AGENT, GATEWAY):
            made = Agent(
                id=agent,
                tenant=tenant,
                name=agent,
                security_profile=SecurityProfile.SHARED_SECRET,
                created_ms=NOW_MS,
            )
            await site.catalog.create(tenant, "agent", agent, msgspec.json.encode(made))
    await site.door.services.refresh()


class Station:
    """Requests of somebody about agents."""

    def __init__(self, mast):
        """Take how the caller is seen elsewhere."""
        self.mast, self.site = mast, mast.site

    async def configure(self, etag, points=None, agent=AGENT, name="CF"):
        """PUT a configuration on this eTag; gives the answer."""
        body = configuration(points, name)
        return await self.mast.send("PUT", source(agent), body, if_match=str(etag))

    async def configured(self, etag=0, points=None, agent=AGENT, name="CF"):
        """PUT a configuration that must be taken; gives it as the answer has it."""
        answer = await self.configure(etag, points, agent, name)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def map(self, point="dp-t", variable="temperature", *, blind=False, **more):
        """POST a mapping; gives the answer."""
        parameters = {"noAgentValidation": "true"} if blind else None
        return await self.mast.send("POST", MAPPINGS, mapping(point, variable, **more), parameters)

    async def mapped(self, point="dp-t", variable="temperature", **more):
        """POST a mapping that must be taken; gives it as the answer has it."""
        answer = await self.map(point, variable, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def shown(self, found):
        """Read a mapping again."""
        return await self.mast.send("GET", f"{MAPPINGS}/{found['id']}")

    async def listed(self, **parameters):
        """List mappings."""
        answer = await self.mast.send("GET", MAPPINGS, None, parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def removed(self, found):
        """DELETE a mapping; gives the answer."""
        return await self.mast.send("DELETE", f"{MAPPINGS}/{found['id']}")

    def routes(self, agent=AGENT):
        """Give where the values of an agent go."""
        return self.site.door.services.mappings.of(self.mast.tenant).routes_of(agent)


def source(agent=AGENT):
    """Give the path of an agent's configuration."""
    return f"/api/agentmanagement/v3/agents/{agent}/dataSourceConfiguration"


def words(answer):
    """Give status and words of a refusal by the services of agents."""
    body = answer.json()
    assert set(body) == {"id", "message"}
    return answer.status_code, body["message"]
