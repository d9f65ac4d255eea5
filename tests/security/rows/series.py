"""Records of series, and what became of a write.

A receipt is its writer's, or anybody's of the writer's tenant, and says nothing but whether it is stored.
An idempotency key belongs to its tenant: one that another tenant has used is new here.
"""

from api.identity.scopes import SERIES_DELETE, SERIES_READ, SERIES_WRITE
from api.series.service import PATH
from tests.security.estate import FROM, RECORDS, TO
from tests.security.table import BOUND, SHARED, STRANGER, Row

ONE = f"{PATH}/{{asset}}/{{aspect}}"
_HERE = f"{PATH}/<asset>/weather"

ROWS = [
    Row(
        route=f"PUT {ONE}",
        scope=SERIES_WRITE,
        status=204,
        path=_HERE,
        headers={"idempotency-key": "<put_key>"},
        body=RECORDS,
        foreign={"put_key in header idempotency-key": 204},
        callers={SHARED: 204},
    ),
    Row(
        route=f"PATCH {ONE}",
        scope=SERIES_WRITE,
        status=204,
        path=_HERE,
        headers={"idempotency-key": "<patch_key>"},
        body=RECORDS,
        foreign={"patch_key in header idempotency-key": 204},
        callers={SHARED: 204},
    ),
    Row(
        route=f"PUT {PATH}",
        scope=SERIES_WRITE,
        status=202,
        path=PATH,
        headers={"idempotency-key": "<set_key>"},
        body={"timeseries": [{"entityId": "<asset>", "propertySetName": "weather", "data": RECORDS}]},
        foreign={"set_key in header idempotency-key": 202, "asset in body": 202},
        callers={STRANGER: 202},
    ),
    Row(
        route=f"GET {ONE}",
        scope=SERIES_READ,
        status=200,
        path=_HERE,
        query={"from": FROM, "to": TO},
        headers={"read-after": "<receipt>"},
        callers={SHARED: 200},
    ),
    Row(
        route="GET /api/aspectstore/v1/receipts/{receipt}",
        scope=SERIES_WRITE,
        status=200,
        path="/api/aspectstore/v1/receipts/<receipt>",
        callers={SHARED: 200, BOUND: 200},
    ),
    Row(
        route=f"DELETE {ONE}",
        scope=SERIES_DELETE,
        status=204,
        path=_HERE,
        query={"from": FROM, "to": TO},
        headers={"idempotency-key": "<delete_key>"},
        foreign={"delete_key in header idempotency-key": 204},
    ),
]
