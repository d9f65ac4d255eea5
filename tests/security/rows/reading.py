"""Our own reads of series and aggregates, and those of the dialect for aggregates."""

from api.identity.scopes import AGGREGATES_READ, SERIES_READ
from tests.security.estate import FROM, TO
from tests.security.table import DEVICE, SHARED, STRANGER, Row

_OWN = "/api/aspectstore/v1"
_RANGE = {"from": FROM, "to": TO}
_HOURS = {**_RANGE, "intervalUnit": "hour", "intervalValue": "1"}
_AFTER = {"read-after": "<receipt>"}

READS = [
    Row(
        route=f"GET {_OWN}/timeseries/{{asset}}/{{aspect}}",
        scope=SERIES_READ,
        status=200,
        path=f"{_OWN}/timeseries/<asset>/weather",
        query=_RANGE,
        headers=_AFTER,
        callers={SHARED: 200},
    ),
    Row(
        route=f"POST {_OWN}/query",
        scope=SERIES_READ,
        status=200,
        path=f"{_OWN}/query",
        headers=_AFTER,
        body={**_RANGE, "assets": ["<asset>"], "aspects": ["weather"]},
        callers={SHARED: 200},
    ),
    Row(
        route=f"POST {_OWN}/query",
        note="aggregates",
        scope=SERIES_READ,
        status=200,
        path=f"{_OWN}/query",
        headers=_AFTER,
        body={**_RANGE, "assets": ["<asset>"], "aspects": ["weather"], "aggregate": {"unit": "hour"}},
        callers={DEVICE: 403, SHARED: 200},
    ),
    Row(
        route=f"GET {_OWN}/latest",
        scope=SERIES_READ,
        status=200,
        path=f"{_OWN}/latest",
        query={"aspect": "weather"},
        headers=_AFTER,
    ),
    Row(
        route=f"GET {_OWN}/latest",
        note="a later page",
        scope=SERIES_READ,
        status=200,
        path=f"{_OWN}/latest",
        query={"aspect": "weather", "after": "<asset>"},
        foreign={"asset in query after": 200},
        callers={STRANGER: 200},
    ),
]

AGGREGATES = [
    *(
        Row(
            route=f"GET {path}",
            scope=AGGREGATES_READ,
            status=200,
            path=path,
            query={"assetId": "<asset>", "aspectName": "weather", **_HOURS},
            headers=_AFTER,
            callers={SHARED: 200},
        )
        for path in ("/api/iottsaggregates/v4/aggregates", f"{_OWN}/aggregates")
    ),
    *(
        Row(
            route=f"GET {path}/{{asset}}/{{aspect}}",
            scope=AGGREGATES_READ,
            status=200,
            path=f"{path}/<asset>/weather",
            query=_HOURS,
            headers=_AFTER,
            callers={SHARED: 200},
        )
        for path in ("/api/iottsaggregates/v3/aggregates", "/api/iottimeseries/v3/aggregates")
    ),
]

ROWS = [*READS, *AGGREGATES]
