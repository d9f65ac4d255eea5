"""What agents are configured to send, and where it goes.

An agent has its asset's id. A mapping may be made before the agent has the data point, so no configuration is
needed. Where a mapping is made or removed it is another agent's than the one that calls.
"""

from api.identity.scopes import AGENTS_READ, AGENTS_WRITE
from tests.security.table import AGENT, BOUND, STRANGER, Row

_SOURCE = "/api/agentmanagement/v3/agents/{}/dataSourceConfiguration"
_MAPPINGS = "/api/mindconnect/v3/dataPointMappings"
_POINT = {"id": "p", "name": "p", "type": "INT", "unit": ""}

CONFIGURATIONS = [
    Row(
        route=f"GET {_SOURCE.format('{agent_id}')}",
        scope=AGENTS_READ,
        status=200,
        path=_SOURCE.format("<asset>"),
    ),
    Row(
        route=f"PUT {_SOURCE.format('{agent_id}')}",
        scope=AGENTS_WRITE,
        status=200,
        path=_SOURCE.format("<asset>"),
        headers={"if-match": "<configuration_etag>"},
        body={"configurationId": "c", "dataSources": [{"name": "s", "dataPoints": [_POINT]}]},
        foreign={"configuration_etag in header if-match": 412},
    ),
]

MAPPINGS = [
    Row(
        route=f"POST {_MAPPINGS}",
        scope=AGENTS_WRITE,
        status=201,
        path=_MAPPINGS,
        query={"noAgentValidation": "true"},
        body={
            "agentId": "<changed_agent>",
            "dataPointId": "new",
            "entityId": "<asset>",
            "propertySetName": "weather",
            "propertyName": "temperature",
        },
        foreign={"asset in body": 400, "changed_agent in body": 400},
        callers={STRANGER: 400, BOUND: 403, AGENT: 403},
    ),
    Row(
        route=f"GET {_MAPPINGS}",
        scope=AGENTS_READ,
        status=200,
        path=_MAPPINGS,
        query={"filter": '{"agentId":"<asset>"}'},
        foreign={"asset in query filter": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {_MAPPINGS}/{{mapping_id}}",
        scope=AGENTS_READ,
        status=200,
        path=f"{_MAPPINGS}/<mapping>",
    ),
    Row(
        route=f"DELETE {_MAPPINGS}/{{mapping_id}}",
        scope=AGENTS_WRITE,
        status=204,
        path=f"{_MAPPINGS}/<spare_mapping>",
        callers={AGENT: 404},
    ),
]

ROWS = [*CONFIGURATIONS, *MAPPINGS]
