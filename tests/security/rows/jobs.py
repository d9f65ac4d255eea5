"""Jobs, and bulk import and read.

In a list the id of a job is a place in time: another tenant's finds nothing. A path of a file is a word of
its asset and names nothing without it.
"""

from api.bulk.reading import BASE
from api.bulk.reading import PATH as READ
from api.identity.scopes import SERIES_DELETE, SERIES_READ, SERIES_WRITE
from api.jobs.service import PATH
from tests.security.estate import FROM, TO
from tests.security.table import BOUND, SHARED, STRANGER, Row

_FILES = [{"filePath": "import.json"}]

JOBS = [
    Row(
        route=f"GET {PATH}",
        scope=SERIES_WRITE,
        status=200,
        path=PATH,
        query={"before": "<import_job>"},
        foreign={"import_job in query before": 200},
        callers={STRANGER: 200, BOUND: 200},
    ),
    Row(
        route=f"GET {PATH}/{{job_id}}",
        scope=SERIES_WRITE,
        status=200,
        path=f"{PATH}/<import_job>",
    ),
    Row(
        route=f"GET {PATH}/{{job_id}}/events",
        scope=SERIES_WRITE,
        status=200,
        path=f"{PATH}/<ended_job>/events",
    ),
    Row(
        route=f"POST {PATH}/{{job_id}}/cancel",
        scope=SERIES_WRITE,
        status=202,
        path=f"{PATH}/<waiting_job>/cancel",
    ),
    Row(
        route=f"POST {PATH}/{{job_id}}/undo",
        scope=SERIES_DELETE,
        status=202,
        path=f"{PATH}/<import_job>/undo",
    ),
]

BULK = [
    Row(
        route=f"POST {BASE}/importJobs",
        scope=SERIES_WRITE,
        status=201,
        path=f"{BASE}/importJobs",
        body={"data": [{"entity": "<asset>", "propertySetName": "weather", "timeseriesFiles": _FILES}]},
    ),
    Row(
        route=f"GET {BASE}/importJobs/{{job_id}}",
        scope=SERIES_WRITE,
        status=200,
        path=f"{BASE}/importJobs/<import_job>",
    ),
    Row(
        route=f"GET {READ}/{{asset}}/{{aspect}}",
        scope=SERIES_READ,
        status=200,
        path=f"{READ}/<asset>/weather",
        query={"from": FROM, "to": TO},
        callers={SHARED: 200},
    ),
]

ROWS = [*JOBS, *BULK]
