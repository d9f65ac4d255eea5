"""Deletes as things: previews, lists, one of them, its undo.

In a list the id of a delete is a place in time, that of an asset a filter: another tenant's finds what the
caller's own tenant has there, which is nothing of the other's.
"""

from api.deletes.service import PATH
from api.identity.scopes import SERIES_DELETE, SERIES_READ
from tests.security.estate import FROM, TO
from tests.security.table import BOUND, STRANGER, Row

ROWS = [
    Row(
        route=f"GET {PATH}/preview",
        scope=SERIES_DELETE,
        status=200,
        path=f"{PATH}/preview",
        query={"asset": "<asset>", "aspect": "weather", "from": FROM, "to": TO},
    ),
    Row(
        route=f"GET {PATH}",
        scope=SERIES_READ,
        status=200,
        path=PATH,
        query={"asset": "<asset>", "before": "<delete>"},
        foreign={"asset in query asset": 200, "delete in query before": 200},
        callers={STRANGER: 200, BOUND: 200},
    ),
    Row(
        route=f"GET {PATH}/{{delete_id}}",
        scope=SERIES_READ,
        status=200,
        path=f"{PATH}/<delete>",
    ),
    Row(
        route=f"POST {PATH}/{{delete_id}}/undo",
        scope=SERIES_DELETE,
        status=202,
        path=f"{PATH}/<delete>/undo",
    ),
]
