"""Where events of agents go. What is changed is the agent's own; what is made and removed is another's."""

from api.http.errors import EVENT_MAPPINGS_PATH
from api.identity.scopes import AGENTS_READ, AGENTS_WRITE
from schemas.event_types import STANDARD_TYPE
from tests.security.table import AGENT, BOUND, STRANGER, Row

_ONE = f"{EVENT_MAPPINGS_PATH}/{{mapping_id}}"

ROWS = [
    Row(
        route=f"POST {EVENT_MAPPINGS_PATH}",
        scope=AGENTS_WRITE,
        status=201,
        path=EVENT_MAPPINGS_PATH,
        body={
            "agentId": "<changed_agent>",
            "assetId": "<asset>",
            "eventTypeId": STANDARD_TYPE,
            "eventTypeName": "MindSphereStandardEvent",
            "eventTypeFieldName": "code",
            "eventTypeFieldValue": "new",
        },
        foreign={"asset in body": 400, "changed_agent in body": 400},
        callers={STRANGER: 400, BOUND: 403, AGENT: 403},
    ),
    Row(
        route=f"GET {EVENT_MAPPINGS_PATH}",
        scope=AGENTS_READ,
        status=200,
        path=EVENT_MAPPINGS_PATH,
        query={"filter": '{"agentId":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {_ONE}",
        scope=AGENTS_READ,
        status=200,
        path=f"{EVENT_MAPPINGS_PATH}/<event_mapping>",
    ),
    Row(
        route=f"PATCH {_ONE}",
        scope=AGENTS_WRITE,
        status=200,
        path=f"{EVENT_MAPPINGS_PATH}/<event_mapping>",
        headers={"if-match": "<event_mapping_etag>"},
        body={"assetId": "<asset>"},
        foreign={"event_mapping_etag in header if-match": 412, "asset in body": 400},
        again=412,
    ),
    Row(
        route=f"DELETE {_ONE}",
        scope=AGENTS_WRITE,
        status=204,
        path=f"{EVENT_MAPPINGS_PATH}/<spare_event_mapping>",
        headers={"if-match": "<event_mapping_etag>"},
        foreign={"event_mapping_etag in header if-match": 412},
        callers={AGENT: 404},
    ),
]
