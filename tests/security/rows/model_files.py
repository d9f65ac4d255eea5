"""Files of asset management."""

from api.identity.scopes import ASSETS_READ, ASSETS_WRITE
from tests.security.table import Row

_FILES = "/api/assetmanagement/v3/files"
_FORM = (
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nbytes\r\n'
    '--b\r\nContent-Disposition: form-data; name="scope"\r\n\r\nprivate\r\n--b--'
)
_TYPE = {"content-type": "multipart/form-data; boundary=b"}
_STALE = {"model_file_etag in header if-match": 412}

ROWS = [
    Row(
        route=f"POST {_FILES}",
        scope=ASSETS_WRITE,
        status=201,
        path=_FILES,
        headers=_TYPE,
        raw=_FORM,
    ),
    Row(route=f"GET {_FILES}", scope=ASSETS_READ, status=200, path=_FILES),
    Row(
        route=f"GET {_FILES}/{{file_id}}",
        scope=ASSETS_READ,
        status=200,
        path=f"{_FILES}/<model_file>",
    ),
    Row(
        route=f"GET {_FILES}/{{file_id}}/file",
        scope=ASSETS_READ,
        status=200,
        path=f"{_FILES}/<model_file>/file",
    ),
    Row(
        route=f"PUT {_FILES}/{{file_id}}",
        scope=ASSETS_WRITE,
        status=200,
        path=f"{_FILES}/<model_file>",
        headers={**_TYPE, "if-match": "<model_file_etag>"},
        raw=_FORM,
        foreign=_STALE,
    ),
    Row(
        route=f"DELETE {_FILES}/{{file_id}}",
        scope=ASSETS_WRITE,
        status=204,
        path=f"{_FILES}/<spare_model_file>",
        headers={"if-match": "<model_file_etag>"},
        foreign=_STALE,
    ),
]
