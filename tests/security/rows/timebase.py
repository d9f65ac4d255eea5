"""The door for clients of TimeBase: streams are aspect types, symbols are assets.

A foreign stream is unknown, which these clients hear as 400; a foreign symbol in a write is a message that is
refused, in a question one without messages. Declared streams are words of their tenant.
"""

from __future__ import annotations

from api.identity.scopes import ASSETS_READ, ASSETS_WRITE, SERIES_DELETE, SERIES_READ, SERIES_WRITE
from api.routes.timebase import BASE
from api.routes.timebase_streams import PATH
from tests.api.masts import at
from tests.security.table import BOUND, SHARED, STRANGER, Row

_STREAM = f"{BASE}/<aspect_type>"
_MESSAGE = {"symbol": "<asset>", "timestamp": at(5_000), "level": 5}
_UNKNOWN = {STRANGER: 400, SHARED: 400}
_EMPTY = {
    "aspect_type in path": 400,
    "asset in path": 200,
    "asset in query symbols": 200,
    "asset in body": 200,
}


def _foreign(*labels: str) -> dict[str, int]:
    return {label: _EMPTY[label] for label in labels}


WRITING = [
    Row(
        route=f"POST {BASE}/{{stream}}/write",
        scope=SERIES_WRITE,
        status=200,
        path=f"{_STREAM}/write",
        body=[_MESSAGE],
        foreign={"aspect_type in path": 400, "asset in body": 400},
        callers=_UNKNOWN | {BOUND: 400},
    ),
    Row(
        route=f"POST {BASE}/{{stream}}/{{symbol}}/write",
        scope=SERIES_WRITE,
        status=200,
        path=f"{_STREAM}/<asset>/write",
        body=[{"timestamp": at(5_000), "level": 5}],
        foreign={"aspect_type in path": 400, "asset in path": 400},
        callers=_UNKNOWN | {BOUND: 400},
    ),
]

READING = [
    Row(route=f"GET {BASE}/streams", scope=SERIES_READ, status=200, path=f"{BASE}/streams"),
    *(
        Row(
            route=f"GET {BASE}/{{stream}}/{name}",
            scope=SERIES_READ,
            status=200,
            path=f"{_STREAM}/{name}",
            foreign=_foreign("aspect_type in path"),
            callers=_UNKNOWN | {BOUND: 200},
        )
        for name in ("symbols", "schema", "describe")
    ),
    Row(
        route=f"GET {BASE}/{{stream}}/range",
        scope=SERIES_READ,
        status=200,
        path=f"{_STREAM}/range",
        query={"symbols": "<asset>"},
        foreign=_foreign("aspect_type in path", "asset in query symbols"),
        callers=_UNKNOWN | {BOUND: 200},
    ),
    Row(
        route=f"GET {BASE}/select",
        scope=SERIES_READ,
        status=200,
        path=f"{BASE}/select",
        query={"streams": "<aspect_type>", "symbols": "<asset>"},
        foreign={"aspect_type in query streams": 400, "asset in query symbols": 200},
        callers=_UNKNOWN | {BOUND: 200},
    ),
    Row(
        route=f"POST {BASE}/select",
        scope=SERIES_READ,
        status=200,
        path=f"{BASE}/select",
        body={"streams": ["<aspect_type>"], "symbols": ["<asset>"]},
        foreign={"aspect_type in body": 400, "asset in body": 200},
        callers=_UNKNOWN | {BOUND: 200},
    ),
    Row(
        route=f"GET {BASE}/{{stream}}/select",
        scope=SERIES_READ,
        status=200,
        path=f"{_STREAM}/select",
        query={"symbols": "<asset>"},
        foreign=_foreign("aspect_type in path", "asset in query symbols"),
        callers=_UNKNOWN | {BOUND: 200},
    ),
    Row(
        route=f"POST {BASE}/{{stream}}/select",
        scope=SERIES_READ,
        status=200,
        path=f"{_STREAM}/select",
        body={"symbols": ["<asset>"]},
        foreign=_foreign("aspect_type in path", "asset in body"),
        callers=_UNKNOWN | {BOUND: 200},
    ),
    *(
        Row(
            route=f"{method} {BASE}/{{stream}}/{{symbol}}/select",
            scope=SERIES_READ,
            status=200,
            path=f"{_STREAM}/<asset>/select",
            foreign=_foreign("aspect_type in path", "asset in path"),
            callers=_UNKNOWN | {BOUND: 200},
        )
        for method in ("GET", "POST")
    ),
]

PRUNING = [
    Row(
        route=f"POST {BASE}/{{stream}}/{verb}",
        scope=SERIES_DELETE,
        status=200,
        path=f"{_STREAM}/{verb}",
        body={"timestamp": timestamp, "symbols": ["<asset>"]},
        foreign=_foreign("aspect_type in path", "asset in body"),
        callers=_UNKNOWN | {BOUND: 200},
    )
    for verb, timestamp in (("purge", 1_000), ("truncate", 4_102_444_800_000))
]

DECLARED = [
    Row(route=f"GET {PATH}", scope=ASSETS_READ, status=200, path=PATH),
    Row(route=f"GET {PATH}/{{stream}}", scope=ASSETS_READ, status=200, path=f"{PATH}/<stream>"),
    Row(
        route=f"PUT {PATH}/{{stream}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<stream>",
        headers={"if-match": "0"},
        body={"stream": "<stream>", "aspectType": "<aspect_type>"},
        foreign={"stream in path": 400, "stream in body": 400, "aspect_type in body": 400},
        callers={STRANGER: 400, SHARED: 400},
    ),
    Row(
        route=f"DELETE {PATH}/{{stream}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{PATH}/<spare_stream>",
        headers={"if-match": "0"},
    ),
]

ROWS = [*WRITING, *READING, *PRUNING, *DECLARED]
