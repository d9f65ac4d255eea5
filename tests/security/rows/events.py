"""Events, their types, and the jobs that create and delete many.

As in asset management an id in a body is refused with 400, one in a filter finds nothing. A correlation id is
its sender's own word and names nothing.
"""

from api.identity.scopes import EVENTS_DELETE, EVENTS_READ, EVENTS_WRITE
from tests.security.estate import EVENT_TIME
from tests.security.table import BOUND, SHARED, STRANGER, Row

BASE = "/api/eventmanagement/v3"
_ANYWHERE = {"entityId": "<asset>", "typeId": "<event_type>", "timestamp": EVENT_TIME}

EVENTS = [
    Row(route=f"GET {BASE}", scope=EVENTS_READ, status=200, path=f"{BASE}/"),
    Row(
        route=f"GET {BASE}/events",
        scope=EVENTS_READ,
        status=200,
        path=f"{BASE}/events",
        query={"filter": '{"entityId":"<asset>","typeId":"<event_type>","id":"<event>"}'},
        foreign={f"{thing} in query filter": 200 for thing in ("asset", "event_type", "event")},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"POST {BASE}/events",
        scope=EVENTS_WRITE,
        status=201,
        path=f"{BASE}/events",
        body={**_ANYWHERE, "correlationId": "<event>"},
        foreign={"asset in body": 400, "event_type in body": 400, "event in body": 201},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"GET {BASE}/events/{{event_id}}",
        scope=EVENTS_READ,
        status=200,
        path=f"{BASE}/events/<event>",
        callers={SHARED: 200},
    ),
    Row(
        route=f"PUT {BASE}/events/{{event_id}}",
        scope=EVENTS_WRITE,
        status=200,
        path=f"{BASE}/events/<event>",
        headers={"if-match": "<event_etag>"},
        body={**_ANYWHERE, "text": "changed"},
        foreign={
            "event_etag in header if-match": 412,
            "asset in body": 400,
            "event_type in body": 400,
        },
    ),
]

TYPES = [
    Row(
        route=f"GET {BASE}/eventTypes",
        scope=EVENTS_READ,
        status=200,
        path=f"{BASE}/eventTypes",
        query={"filter": '{"id":"<event_type>","owner":"<tenant>"}'},
        foreign={"event_type in query filter": 200, "tenant in query filter": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"POST {BASE}/eventTypes",
        scope=EVENTS_WRITE,
        status=201,
        path=f"{BASE}/eventTypes",
        body={"id": "<new_event_type>", "name": "Fresh", "parentId": "<event_type>"},
        foreign={"new_event_type in body": 400, "event_type in body": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"GET {BASE}/eventTypes/{{type_id}}",
        scope=EVENTS_READ,
        status=200,
        path=f"{BASE}/eventTypes/<event_type>",
        callers={BOUND: 200},
    ),
    Row(
        route=f"PUT {BASE}/eventTypes/{{type_id}}",
        scope=EVENTS_WRITE,
        status=200,
        path=f"{BASE}/eventTypes/<event_type>",
        headers={"if-match": "<event_type_etag>"},
        body=[{"op": "replace", "path": "/ttl", "value": 36}],
        foreign={"event_type_etag in header if-match": 412},
    ),
    Row(
        route=f"PATCH {BASE}/eventTypes/{{type_id}}",
        scope=EVENTS_WRITE,
        status=200,
        path=f"{BASE}/eventTypes/<event_type>",
        body=[{"op": "replace", "path": "/ttl", "value": 37}],
    ),
    Row(
        route=f"DELETE {BASE}/eventTypes/{{type_id}}",
        scope=EVENTS_DELETE,
        status=204,
        path=f"{BASE}/eventTypes/<spare_event_type>",
        headers={"if-match": "<spare_etag>"},
        foreign={"spare_etag in header if-match": 412},
    ),
]

JOBS = [
    Row(
        route=f"POST {BASE}/createEventsJobs",
        scope=EVENTS_WRITE,
        status=202,
        path=f"{BASE}/createEventsJobs",
        body={"events": [_ANYWHERE]},
        foreign={"asset in body": 400, "event_type in body": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"GET {BASE}/createEventsJobs/{{job_id}}",
        scope=EVENTS_WRITE,
        status=200,
        path=f"{BASE}/createEventsJobs/<create_job>",
    ),
    Row(
        route=f"POST {BASE}/deleteEventsJobs",
        scope=EVENTS_DELETE,
        status=202,
        path=f"{BASE}/deleteEventsJobs",
        body={"filter": {"entityId": "<asset>", "id": "<event>"}},
        foreign={"asset in body": 202, "event in body": 202},
        callers={STRANGER: 202},
    ),
    Row(
        route=f"GET {BASE}/deleteEventsJobs/{{job_id}}",
        scope=EVENTS_DELETE,
        status=200,
        path=f"{BASE}/deleteEventsJobs/<delete_job>",
    ),
]

ROWS = [*EVENTS, *TYPES, *JOBS]
