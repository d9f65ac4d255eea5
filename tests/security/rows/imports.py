"""File types, previews by them, and imports of logger files.

A file type is named by a word of its tenant; an import names an asset, a path of a file of it, and a type.
Who reads no files previews none; importing them shows nothing of what they hold.
"""

from api.identity.scopes import ASSETS_WRITE, SERIES_WRITE
from api.routes.file_types import PATH
from api.routes.imports import PATH as IMPORTS
from tests.security.table import DEVICE, Row

_TYPE = {"timeColumns": ["t"], "aspect": "weather", "versions": "separate"}

ROWS = [
    Row(route=f"GET {PATH}", scope=SERIES_WRITE, status=200, path=PATH),
    Row(
        route=f"POST {PATH}",
        scope=ASSETS_WRITE,
        status=201,
        path=PATH,
        body={"name": "fresh", **_TYPE},
    ),
    Row(
        route=f"GET {PATH}/{{name}}",
        scope=SERIES_WRITE,
        status=200,
        path=f"{PATH}/<file_type>",
    ),
    Row(
        route=f"PUT {PATH}/{{name}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{PATH}/<file_type>",
        headers={"if-match": "0"},
        body={"name": "<file_type>", **_TYPE},
        foreign={"file_type in body": 400},
    ),
    Row(
        route=f"DELETE {PATH}/{{name}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{PATH}/<spare_file_type>",
        headers={"if-match": "0"},
    ),
    Row(
        route=f"POST {PATH}/preview",
        scope=SERIES_WRITE,
        status=200,
        path=f"{PATH}/preview",
        body={"type": "<file_type>", "entity": "<asset>", "path": "kept.txt"},
        callers={DEVICE: 403},
    ),
    Row(
        route=f"POST {IMPORTS}",
        scope=SERIES_WRITE,
        status=201,
        path=IMPORTS,
        body={"entity": "<asset>", "files": ["import.csv"], "type": "<file_type>"},
    ),
    Row(
        route=f"POST {IMPORTS}/{{job_id}}/replay",
        scope=SERIES_WRITE,
        status=409,
        path=f"{IMPORTS}/<import_job>/replay",
        body={},
    ),
]
