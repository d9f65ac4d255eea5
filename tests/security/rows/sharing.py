"""Shares and subtenants, and what shares open of the asset management.

A share names another tenant, so that is no id of the caller's. Only its giver changes a share: its receiver
sees it, and is told so. In asset management a shared asset is there for who asks for shared ones.
"""

from typing import Any

from api.identity.scopes import (
    ASSETS_READ,
    SERIES_READ,
    SHARING_READ,
    SHARING_WRITE,
    TENANT_READ,
    TENANT_WRITE,
)
from schemas.shares import Action
from tests.security.estate import GUEST
from tests.security.table import BOUND, SHARED, STRANGER, Row

SHARES = "/api/aspectstore/v1/shares"
SUBTENANTS = "/api/tenantmanagement/v4/subtenants"
ASSETS = "/api/assetmanagement/v3/assets"
_SHARE = {"receiver": {"tenant": GUEST}, "assets": ["<asset>"], "actions": ["records.read"]}
_WANTED = {"includeShared": "true"}


def _of_share(method: str, thing: str, status: int, scope: str, **more: Any) -> Row:
    return Row(
        route=f"{method} {SHARES}/{{share_id}}",
        scope=scope,
        status=status,
        path=f"{SHARES}/<{thing}>",
        **more,
    )


GIVEN = [
    Row(
        route=f"GET {SHARES}",
        scope=SHARING_READ,
        status=200,
        path=SHARES,
        query={"after": "<share>"},
        foreign={"share in query after": 200},
        callers={STRANGER: 200},
    ),
    Row(
        route=f"GET {SHARES}",
        note="received",
        scope=SHARING_READ,
        status=200,
        path=SHARES,
        query={"side": "received"},
    ),
    Row(
        route=f"POST {SHARES}",
        scope=SHARING_WRITE,
        status=201,
        path=SHARES,
        body=_SHARE,
        foreign={"asset in body": 400},
        callers={STRANGER: 400, BOUND: 403},
    ),
    _of_share("GET", "share", 200, SHARING_READ, callers={SHARED: 200}),
    _of_share(
        "PUT",
        "share",
        200,
        SHARING_WRITE,
        headers={"if-match": "<share_etag>"},
        body={**_SHARE, "actions": [action.value for action in Action], "note": "changed"},
        foreign={"share_etag in header if-match": 412, "asset in body": 400},
        callers={SHARED: 403},
    ),
    _of_share(
        "DELETE",
        "spare_share",
        204,
        SHARING_WRITE,
        headers={"if-match": "<share_etag>"},
        foreign={"share_etag in header if-match": 412},
        callers={SHARED: 403},
    ),
]

RECEIVED = [
    Row(
        route=f"GET {ASSETS}{part}",
        note="shared",
        scope=ASSETS_READ,
        status=200,
        path=f"{ASSETS}{part.replace('{asset_id}', '<asset>')}",
        query=_WANTED,
        callers={SHARED: 200},
    )
    for part in ("", "/{asset_id}", "/{asset_id}/variables", "/{asset_id}/aspects")
]
RECEIVED.append(
    Row(
        route="GET /api/aspectstore/v1/latest",
        note="shared",
        scope=SERIES_READ,
        status=200,
        path="/api/aspectstore/v1/latest",
        query={"aspect": "weather", **_WANTED},
        callers={BOUND: 404},
    )
)

PARTS = [
    Row(route=f"GET {SUBTENANTS}", scope=TENANT_READ, status=200, path=SUBTENANTS),
    Row(
        route=f"POST {SUBTENANTS}",
        scope=TENANT_WRITE,
        status=201,
        path=SUBTENANTS,
        body={"id": "fresh", "displayName": "Fresh"},
    ),
    Row(
        route=f"GET {SUBTENANTS}/{{subtenant_id}}",
        scope=TENANT_READ,
        status=200,
        path=f"{SUBTENANTS}/<subtenant>",
    ),
    Row(
        route=f"PUT {SUBTENANTS}/{{subtenant_id}}",
        scope=TENANT_WRITE,
        status=200,
        path=f"{SUBTENANTS}/<subtenant>",
        headers={"if-match": "<subtenant_etag>"},
        body={"displayName": "North"},
        foreign={"subtenant_etag in header if-match": 412},
    ),
    Row(
        route=f"DELETE {SUBTENANTS}/{{subtenant_id}}",
        scope=TENANT_WRITE,
        status=204,
        path=f"{SUBTENANTS}/<spare_subtenant>",
        headers={"if-match": "<subtenant_etag>"},
        foreign={"subtenant_etag in header if-match": 412},
    ),
    Row(
        route="PUT /api/aspectstore/v1/assets/{asset_id}/subtenant",
        scope=TENANT_WRITE,
        status=200,
        path="/api/aspectstore/v1/assets/<asset>/subtenant",
        headers={"if-match": "<asset_etag>"},
        body={"subTenant": "<subtenant>"},
        foreign={"asset_etag in header if-match": 412, "subtenant in body": 400},
    ),
]

ROWS = [*GIVEN, *RECEIVED, *PARTS]
