"""Schedules of exports.

A schedule is named by a word of its tenant; what it exports names assets, of which only own ones fit.
Schedules are the whole tenant's: callers bound to a subtenant have none.
"""

from api.identity.scopes import ASSETS_WRITE, SERIES_READ
from api.routes.export_schedules import PATH
from tests.security.table import Row

ROWS = [
    Row(route=f"GET {PATH}", scope=SERIES_READ, status=200, path=PATH),
    Row(route=f"GET {PATH}/{{name}}", scope=SERIES_READ, status=200, path=f"{PATH}/<schedule>"),
    Row(
        route=f"PUT {PATH}/{{name}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<schedule>",
        headers={"if-match": "0"},
        body={"export": {"assets": ["<asset>"]}, "every": "1w", "paused": True},
        foreign={"asset in body": 400},
    ),
    Row(
        route=f"DELETE {PATH}/{{name}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{PATH}/<spare_schedule>",
        headers={"if-match": "0"},
    ),
]
