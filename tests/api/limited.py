"""Tenants under policies of one's own, and what an answer says of their limits."""

from __future__ import annotations

import itertools
import json

POLICIES = "/api/aspectstore/v1/policies"
USAGE = "/api/aspectstore/v1/usage"

_numbers = itertools.count(1)


async def limit(site, mast, **members):
    """Give a mast's tenant a policy with these members, as on the wire; gives the policy's name."""
    name = f"policy-{next(_numbers)}"
    made = await site.open.send("POST", POLICIES, {"name": name, **members})
    assert made.status_code == 201, made.text
    await give(site, mast.tenant, name)
    return name


async def give(site, tenant, policy):
    """Let a tenant have a policy, as another process does it."""
    document = await site.catalog.get("core", "tenant", tenant)
    body = json.dumps({**json.loads(document.body), "profile": policy}).encode()
    assert await site.catalog.replace("core", "tenant", tenant, body, document.version) is not None
    await site.door.services.refresh()


async def charge(site):
    """Let the door tell all that is to be told, now."""
    await site.door.services.quotas.charge(everything=True)


def quota(answer):
    """Read what an answer says of the nearest limit: rule, limit, used; None where it says nothing."""
    if "quota-rule" not in answer.headers:
        return None
    headers = answer.headers
    return headers["quota-rule"], int(headers["quota-limit"]), int(headers["quota-used"])


def records(count, at_ms=0):
    """Make records of the aspect `weather`."""
    from tests.api.masts import at

    return [{"_time": at(at_ms + number), "level": number} for number in range(count)]
