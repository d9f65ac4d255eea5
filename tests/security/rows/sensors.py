"""Metadata of sensors: of an asset, which is named in the path, or of those that a query selects."""

from api.identity.scopes import ASSETS_READ, ASSETS_WRITE
from api.routes.sensors import PATH
from tests.security.table import Row

ROWS = [
    Row(
        route=f"GET {PATH}",
        scope=ASSETS_READ,
        status=200,
        path=PATH,
        query={"asset": "<asset>", "quantity": "wind_speed"},
    ),
    Row(route=f"GET {PATH}", scope=ASSETS_READ, status=200, path=PATH, note="all"),
    Row(route=f"GET {PATH}/{{asset}}", scope=ASSETS_READ, status=200, path=f"{PATH}/<asset>"),
    Row(
        route=f"PUT {PATH}/{{asset}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<asset>",
        body={"sensors": []},
    ),
    Row(
        route=f"POST {PATH}/{{asset}}/iea43",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<asset>/iea43",
        query={"aspect": "weather"},
        body={"measurement_location": []},
    ),
]
