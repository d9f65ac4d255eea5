"""Exports.

Words that select assets find only the caller's own: another tenant's id, and a subtenant's, are words that
fit nothing. In a list the id of an export is a place in time: another tenant's finds nothing.
"""

from api.identity.scopes import SERIES_READ
from api.routes.exports import PATH
from tests.security.table import BOUND, SHARED, STRANGER, Row

ROWS = [
    Row(
        route=f"POST {PATH}",
        scope=SERIES_READ,
        status=201,
        path=PATH,
        body={"assets": ["<asset>"], "aspects": ["weather"]},
        foreign={"asset in body": 400},
        callers={STRANGER: 400, SHARED: 400, BOUND: 400},
    ),
    Row(
        route=f"GET {PATH}",
        scope=SERIES_READ,
        status=200,
        path=PATH,
        query={"before": "<export>"},
        foreign={"export in query before": 200},
        callers={STRANGER: 200, BOUND: 200},
    ),
    Row(route=f"GET {PATH}/{{export_id}}", scope=SERIES_READ, status=200, path=f"{PATH}/<export>"),
    Row(
        route=f"GET {PATH}/{{export_id}}/manifest",
        scope=SERIES_READ,
        status=200,
        path=f"{PATH}/<export>/manifest",
    ),
    Row(
        route=f"GET {PATH}/{{export_id}}/content",
        scope=SERIES_READ,
        status=200,
        path=f"{PATH}/<export>/content",
    ),
    Row(
        route=f"DELETE {PATH}/{{export_id}}",
        scope=SERIES_READ,
        status=204,
        path=f"{PATH}/<spare_export>",
    ),
]
