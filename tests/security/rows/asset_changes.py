"""What changes assets and types member by member, moves and deletes them, and the lock of the model.

As with whole resources, an id in a body is refused with 400 and its place, and a version that is not the
present one is 412, whoever gave it.
"""

from api.identity.scopes import ASSETS_READ, ASSETS_WRITE
from tests.security.table import Row

BASE = "/api/assetmanagement/v3"
_MATCH = "in header if-match"
_FILE = {"fileId": "<model_file>"}


def _of_asset(method: str, part: str, body: object = None, *in_body: str) -> Row:
    return Row(
        route=f"{method} {BASE}/assets/{{asset_id}}{part.replace('logo', '{key}')}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{BASE}/assets/<asset>{part}",
        headers={"if-match": "<asset_etag>"},
        body=body,
        foreign={f"asset_etag {_MATCH}": 412, **{f"{thing} in body": 400 for thing in in_body}},
    )


def _of_type(method: str, kind: str, part: str, body: object = None, status: int = 200, *in_body: str) -> Row:
    return Row(
        route=f"{method} {BASE}/{kind}types/{{type_id}}{part.replace('logo', '{key}')}",
        scope=ASSETS_WRITE,
        status=status,
        path=f"{BASE}/{kind}types/<{kind}_type>{part}",
        headers={"if-match": f"<{kind}_type_etag>"},
        body=body,
        foreign={f"{kind}_type_etag {_MATCH}": 412, **{f"{thing} in body": 400 for thing in in_body}},
    )


ASSETS = [
    _of_asset("PATCH", "", {"description": "D"}),
    _of_asset("POST", "/move", {"newParentId": "<root>"}, "root"),
    _of_asset("POST", "", {"newParentId": "<root>"}, "root"),
    _of_asset("PUT", "/location", {"country": "NZ"}),
    _of_asset("DELETE", "/location"),
    _of_asset("PUT", "/fileAssignments/logo", _FILE, "model_file"),
    _of_asset("DELETE", "/fileAssignments/logo"),
    Row(
        route=f"DELETE {BASE}/assets/{{asset_id}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{BASE}/assets/<spare_asset>",
        headers={"if-match": "<spare_etag>"},
        foreign={f"spare_etag {_MATCH}": 412},
    ),
]

TYPES = [
    _of_type("PATCH", "aspect", "", {"description": "D"}),
    _of_type("PATCH", "aspect", "/variables", {"level": {"unit": "m"}}, 204),
    _of_type("PATCH", "asset", "", {"description": "D"}),
    _of_type("PATCH", "asset", "/variables", {}),
    _of_type("PUT", "asset", "/fileAssignments/logo", _FILE, 200, "model_file"),
    _of_type("DELETE", "asset", "/fileAssignments/logo"),
    Row(
        route="POST /api/aspectstore/v1/aspecttypes/{type_id}/preview",
        scope=ASSETS_READ,
        status=200,
        path="/api/aspectstore/v1/aspecttypes/<aspect_type>/preview",
        body={"level": {"unit": "m"}},
    ),
]

MODEL = [
    Row(route=f"GET {BASE}/model/lock", scope=ASSETS_READ, status=200, path=f"{BASE}/model/lock"),
    Row(
        route=f"PUT {BASE}/model/lock",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{BASE}/model/lock",
        query={"enabled": "false"},
    ),
]

ROWS = [*ASSETS, *TYPES, *MODEL]
