"""Short words for requests about events."""

from __future__ import annotations

import json
from urllib.parse import quote

BASE = "/api/eventmanagement/v3"
STANDARD = "com.siemens.mindsphere.eventmgmt.event.type.MindSphereStandardEvent"
DAY = "2025-12-31T"
"""The day before the clock of the tests."""

TYPE = {
    "name": "Leak",
    "ttl": 7,
    "fields": [
        {"name": "litres", "type": "DOUBLE", "filterable": True, "required": True, "updatable": True},
        {"name": "valve", "type": "ENUM", "values": ["north", "south"]},
    ],
}


async def call(service, method, path, body=None, headers=None, who=None):
    """Send a request of the tenant `acme` (or of `who`)."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body)
    return await service.http.request(
        method, BASE + path, content=content, headers={**(who or service.acme), **(headers or {})}
    )


async def root_of(service, who=None):
    """Give the id of a tenant's root asset, which every tenant has."""
    path = "/api/assetmanagement/v3/assets/root"
    return (await service.http.get(path, headers=who or service.acme)).json()["assetId"]


async def create(service, at="08:00:00Z", who=None, **members):
    """Create an event of the root asset; gives it."""
    time = at if "T" in at else DAY + at
    body = {"entityId": await root_of(service, who), "timestamp": time, **members}
    answer = await call(service, "POST", "/events?", body, who=who)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def listed(service, given=None, who=None, **query):
    """Give the events of a list, and the whole answer."""
    words = [f"{name}={quote(str(value))}" for name, value in query.items()]
    if given is not None:
        words.append("filter=" + quote(json.dumps(given)))
    answer = await call(service, "GET", "/events?" + "&".join(words), who=who)
    assert answer.status_code == 200, answer.text
    return answer.json()["_embedded"]["events"], answer


async def codes_of(service, given=None, **query):
    """Give the `code` of each event of a list."""
    events, _ = await listed(service, given, **query)
    return [event.get("code") for event in events]


def words_of(answer):
    """Give the messages of a refusal."""
    return [each["message"] for each in answer.json()]
