"""Files of assets. Names are the same in all tenants, so only asset and version could be foreign."""

from api.identity.scopes import FILES_DELETE, FILES_READ, FILES_WRITE
from tests.security.table import SHARED, Row

BASE = "/api/iotfile/v3"
_FILE = f"{BASE}/files/{{entity}}/{{path}}"
_MATCH = {"if-match": "<file_etag>"}


def _put(note: str, file: str, status: int, again: int = 0, **query: str) -> Row:
    return Row(
        route=f"PUT {_FILE}",
        note=note,
        scope=FILES_WRITE,
        status=status,
        path=f"{BASE}/files/<asset>/{file}",
        query=query,
        body="some bytes",
        again=again,
    )


ROWS = [
    Row(
        route=f"GET {BASE}/files/{{entity}}",
        scope=FILES_READ,
        status=200,
        path=f"{BASE}/files/<asset>",
        callers={SHARED: 200},
    ),
    Row(
        route=f"GET {_FILE}",
        scope=FILES_READ,
        status=200,
        path=f"{BASE}/files/<asset>/kept.txt",
        callers={SHARED: 200},
    ),
    Row(
        route=f"GET {_FILE}",
        note="known",
        scope=FILES_READ,
        status=304,
        path=f"{BASE}/files/<asset>/kept.txt",
        headers={"if-none-match": "<file_etag>"},
        foreign={"file_etag in header if-none-match": 200},
        callers={SHARED: 304},
    ),
    _put("", "fresh.txt", 201, again=412),
    _put("start", "begun.bin", 201, upload="start"),
    _put("part", "long.bin", 200, part="1"),
    _put("complete", "done.bin", 201, again=412, upload="complete"),
    _put("abort", "left.bin", 204, upload="abort"),
    Row(
        route=f"PUT {_FILE}",
        note="over another",
        scope=FILES_WRITE,
        status=204,
        path=f"{BASE}/files/<asset>/changed.txt",
        headers=_MATCH,
        body="other bytes",
        foreign={"file_etag in header if-match": 412},
        again=412,
    ),
    Row(
        route=f"DELETE {_FILE}",
        scope=FILES_DELETE,
        status=204,
        path=f"{BASE}/files/<asset>/spare.txt",
        headers=_MATCH,
        foreign={"file_etag in header if-match": 412},
    ),
    Row(
        route=f"GET {BASE}/fileslist/{{entity}}/{{path}}",
        scope=FILES_READ,
        status=200,
        path=f"{BASE}/fileslist/<asset>/long.bin",
    ),
]
