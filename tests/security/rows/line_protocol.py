"""Line protocol, buckets, databases and inlets.

An inlet is named by a word of its tenant or, in an address, by that word's hash; nobody else's is there.
The credential may be shown in every way that clients of InfluxDB know; here it is an access token.
"""

from api.identity.scopes import ANY, ASSETS_WRITE, SERIES_READ, SERIES_WRITE
from api.routes.buckets import BUCKETS, ORGS
from api.routes.databases import PATH as QUERY
from api.routes.flux import PATH as FLUX
from api.routes.inlets import PATH
from api.routes.line_protocol import OLD_WRITE, WRITE
from tests.security.table import Row

ROWS = [
    Row(
        route=f"POST {WRITE}",
        scope=SERIES_WRITE,
        status=204,
        path=WRITE,
        query={"bucket": "<inlet>", "precision": "s"},
        raw="weather,mast=one level=1i 1000",
    ),
    Row(
        route=f"POST {OLD_WRITE}",
        scope=SERIES_WRITE,
        status=204,
        path=OLD_WRITE,
        query={"db": "<inlet>", "precision": "s"},
        raw="weather,mast=one level=1i 1000",
    ),
    Row(route="GET /ping", scope=None, status=204, path="/ping"),
    Row(route="HEAD /ping", scope=None, status=204, path="/ping"),
    Row(route="GET /ready", scope=None, status=200, path="/ready"),
    Row(route=f"GET {BUCKETS}", scope=SERIES_READ, status=200, path=BUCKETS),
    Row(
        route=f"GET {BUCKETS}",
        note="by name",
        scope=SERIES_READ,
        status=200,
        path=BUCKETS,
        query={"name": "<inlet>"},
    ),
    Row(route=f"POST {BUCKETS}", scope=ASSETS_WRITE, status=201, path=BUCKETS, body={"name": "fresh"}),
    Row(
        route=f"GET {BUCKETS}/{{bucket_id}}",
        scope=SERIES_READ,
        status=200,
        path=f"{BUCKETS}/<inlet_id>",
    ),
    Row(
        route=f"DELETE {BUCKETS}/{{bucket_id}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{BUCKETS}/<spare_bucket_id>",
    ),
    Row(route=f"GET {ORGS}", scope=ANY, status=200, path=ORGS),
    Row(route=f"GET {QUERY}", scope=SERIES_READ, status=200, path=QUERY, query={"q": "SHOW DATABASES"}),
    Row(route=f"POST {QUERY}", scope=SERIES_READ, status=200, path=QUERY, form={"q": "SHOW DATABASES"}),
    Row(
        route=f"POST {FLUX}",
        scope=SERIES_READ,
        status=200,
        path=FLUX,
        body={"query": 'from(bucket: "<inlet>") |> range(start: 0)'},
        foreign={"inlet in body": 404},
    ),
    Row(route=f"GET {PATH}", scope=SERIES_READ, status=200, path=PATH),
    Row(route=f"POST {PATH}", scope=ASSETS_WRITE, status=201, path=PATH, body={"name": "newest"}),
    Row(route=f"GET {PATH}/{{inlet}}", scope=SERIES_READ, status=200, path=f"{PATH}/<inlet_id>"),
    Row(
        route=f"PUT {PATH}/{{inlet}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<inlet_id>",
        headers={"if-match": "0"},
        body={"name": "<inlet>"},
        foreign={"inlet in body": 400},
    ),
    Row(
        route=f"DELETE {PATH}/{{inlet}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{PATH}/<spare_inlet_id>",
        headers={"if-match": "0"},
    ),
]
