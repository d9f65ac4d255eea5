"""Assets, aspect types and asset types.

In a body an id of another tenant is refused as an unknown one is, with 400 and its place; in a filter neither
finds anything; a version that is not the present one is 412, whoever gave it.
"""

from api.identity.scopes import ASSETS_READ, ASSETS_WRITE
from tests.security.table import BOUND, STRANGER, Row

BASE = "/api/assetmanagement/v3"
_MATCH = "in header if-match"
_FILTER = "in query filter"
_BODY = "in body"

VARIABLES = [{"name": "level", "dataType": "INT"}, {"name": "temperature", "dataType": "DOUBLE"}]

ASPECT_TYPES = [
    Row(
        route=f"GET {BASE}/aspecttypes",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/aspecttypes",
        query={"filter": '{"id":"<aspect_type>","tenantId":"<tenant>"}'},
        foreign={f"aspect_type {_FILTER}": 200, f"tenant {_FILTER}": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {BASE}/aspecttypes/{{type_id}}",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/aspecttypes/<aspect_type>",
        callers={BOUND: 200},
    ),
    Row(
        route=f"PUT {BASE}/aspecttypes/{{type_id}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{BASE}/aspecttypes/<aspect_type>",
        headers={"if-match": "<aspect_type_etag>"},
        body={"name": "Weather", "variables": VARIABLES},
        foreign={f"aspect_type_etag {_MATCH}": 412},
    ),
    Row(
        route=f"PUT {BASE}/aspecttypes/{{type_id}}",
        note="new",
        scope=ASSETS_WRITE,
        status=201,
        path=f"{BASE}/aspecttypes/<new_aspect_type>",
        headers={"if-none-match": "*"},
        body={"name": "Fresh", "variables": VARIABLES},
        foreign={"new_aspect_type in path": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"DELETE {BASE}/aspecttypes/{{type_id}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{BASE}/aspecttypes/<spare_aspect_type>",
        headers={"if-match": "<spare_etag>"},
        foreign={f"spare_etag {_MATCH}": 412},
    ),
]

ASSET_TYPES = [
    Row(
        route=f"GET {BASE}/assettypes",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assettypes",
        query={"filter": '{"id":"<asset_type>","parentTypeId":"<parent_type>","tenantId":"<tenant>"}'},
        foreign={f"{thing} {_FILTER}": 200 for thing in ("asset_type", "parent_type", "tenant")},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {BASE}/assettypes/{{type_id}}",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assettypes/<asset_type>",
        callers={BOUND: 200},
    ),
    Row(
        route=f"PUT {BASE}/assettypes/{{type_id}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{BASE}/assettypes/<asset_type>",
        headers={"if-match": "<asset_type_etag>"},
        body={
            "name": "Mast",
            "parentTypeId": "<parent_type>",
            "aspects": [{"name": "weather", "aspectTypeId": "<aspect_type>", "aspectId": "<aspect_id>"}],
        },
        foreign={
            f"asset_type_etag {_MATCH}": 412,
            f"parent_type {_BODY}": 400,
            f"aspect_type {_BODY}": 400,
            f"aspect_id {_BODY}": 400,
        },
    ),
    Row(
        route=f"PUT {BASE}/assettypes/{{type_id}}",
        note="new",
        scope=ASSETS_WRITE,
        status=201,
        path=f"{BASE}/assettypes/<new_asset_type>",
        headers={"if-none-match": "*"},
        body={"name": "Fresh", "parentTypeId": "core.basicdevice"},
        foreign={"new_asset_type in path": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"DELETE {BASE}/assettypes/{{type_id}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{BASE}/assettypes/<spare_asset_type>",
        headers={"if-match": "<spare_etag>"},
        foreign={f"spare_etag {_MATCH}": 412},
    ),
]

ASSETS = [
    Row(route=f"GET {BASE}", scope=ASSETS_READ, status=200, path=f"{BASE}/"),
    Row(
        route=f"GET {BASE}/assets",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assets",
        query={
            "filter": '{"id":"<asset>","parentId":"<root>","typeId":"<asset_type>","tenantId":"<tenant>"}'
        },
        foreign={f"{thing} {_FILTER}": 200 for thing in ("asset", "root", "asset_type", "tenant")},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"POST {BASE}/assets",
        scope=ASSETS_WRITE,
        status=201,
        path=f"{BASE}/assets",
        body={"name": "M", "typeId": "<asset_type>", "parentId": "<asset>"},
        foreign={f"asset_type {_BODY}": 400, f"asset {_BODY}": 400},
        callers={STRANGER: 400},
    ),
    Row(
        route=f"GET {BASE}/assets/root",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assets/root",
        callers={BOUND: 404},
    ),
    Row(
        route=f"GET {BASE}/assets/{{asset_id}}",
        scope=ASSETS_READ,
        status=304,
        path=f"{BASE}/assets/<asset>",
        headers={"if-none-match": "<asset_etag>"},
        foreign={"asset_etag in header if-none-match": 200},
    ),
    Row(
        route=f"PUT {BASE}/assets/{{asset_id}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{BASE}/assets/<asset>",
        headers={"if-match": "<asset_etag>"},
        body={
            "name": "M",
            "assetId": "<asset>",
            "tenantId": "<tenant>",
            "typeId": "<asset_type>",
            "parentId": "<root>",
        },
        foreign={
            f"asset_etag {_MATCH}": 412,
            **{f"{thing} {_BODY}": 200 for thing in ("asset", "tenant", "asset_type", "root")},
        },
    ),
    Row(
        route=f"GET {BASE}/assets/{{asset_id}}/variables",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assets/<asset>/variables",
    ),
    Row(
        route=f"GET {BASE}/assets/{{asset_id}}/aspects",
        scope=ASSETS_READ,
        status=200,
        path=f"{BASE}/assets/<asset>/aspects",
    ),
]

ROWS = [*ASPECT_TYPES, *ASSET_TYPES, *ASSETS]
