"""Events at a running service: the door keeps them, job workers create and delete many (wire 9)."""

from __future__ import annotations

import json
import time

BASE = "/api/eventmanagement/v3"


def finished(tenant, path):
    """Ask for a job until it has ended; fails after half a minute."""
    deadline = time.monotonic() + 30.0
    while (job := tenant.ask("GET", path))["state"] in {"ACCEPTED", "IN_PROGRESS"}:
        assert time.monotonic() < deadline, "the job did not end"
        time.sleep(0.02)
    return job


def listed(tenant):
    """Give the code of each event."""
    events = tenant.ask("GET", f"{BASE}/events")["_embedded"]["events"]
    return [event["code"] for event in events]


def test_events_of_a_running_service(tenant):
    """What the door creates, and what a job creates, is listed; what a job deletes is gone."""
    [asset] = tenant.create_assets(1, prefix="eventful")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    event = {"entityId": asset, "timestamp": now}

    made = tenant.ask("POST", f"{BASE}/events", {**event, "code": "one"})
    body = {"events": [{**event, "code": "many"}] * 50}
    created = tenant.ask("POST", f"{BASE}/createEventsJobs", body)
    done = finished(tenant, f"{BASE}/createEventsJobs/{created['id']}")
    before = sorted(tenant.ask("GET", f"{BASE}/events?size=100")["_embedded"]["events"], key=json.dumps)
    deleting = tenant.ask("POST", f"{BASE}/deleteEventsJobs", {"filter": {"code": "many"}})
    gone = finished(tenant, f"{BASE}/deleteEventsJobs/{deleting['id']}")

    assert (done["state"], done["details"]) == ("FINISHED", {"created": 50})
    assert (made["code"], len(before)) == ("one", 51)
    assert (gone["state"], gone["details"]) == ("FINISHED", {"deleted": 50})
    assert listed(tenant) == ["one"]
