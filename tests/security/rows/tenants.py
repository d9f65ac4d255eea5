"""Tenants as the dialect shows them, their settings, and all of them for the platform.

Who manages the tenants reaches every tenant by its name; nobody else gets further than 403.
"""

from api.identity.scopes import PLATFORM, TENANT_READ, TENANT_WRITE
from tests.security.table import Row

BASE = "/api/tenantmanagement/v4"
_REGIONS = f"{BASE}/legalConfigRegions"
_LOGO = f"{BASE}/tenantInfo/logo"
_OWN = "/api/aspectstore/v1/tenant"
_ALL = "/api/aspectstore/v1/tenants"
_FORM = '--x\r\nContent-Disposition: form-data; name="file"; filename="l.png"\r\n\r\npicture\r\n--x--'

MANAGEMENT = [
    Row(route=f"GET {BASE}/tenantInfo", scope=TENANT_READ, status=200, path=f"{BASE}/tenantInfo"),
    Row(
        route=f"PATCH {BASE}/tenantInfo",
        scope=TENANT_WRITE,
        status=200,
        path=f"{BASE}/tenantInfo",
        headers={"if-match": "<tenant_etag>"},
        body={"companyName": "C"},
        foreign={"tenant_etag in header if-match": 412},
        callers={"stranger": 412},
    ),
    Row(
        route=f"POST {_LOGO}",
        scope=TENANT_WRITE,
        status=201,
        path=_LOGO,
        headers={"content-type": "multipart/form-data; boundary=x"},
        raw=_FORM,
    ),
    Row(route=f"GET {_LOGO}", scope=TENANT_READ, status=200, path=_LOGO),
    Row(route=f"GET {_LOGO}MetaData", scope=TENANT_READ, status=200, path=f"{_LOGO}MetaData"),
    Row(route=f"GET {_REGIONS}", scope=TENANT_READ, status=200, path=_REGIONS),
    Row(
        route=f"PUT {_REGIONS}/{{region_id}}",
        scope=TENANT_WRITE,
        status=200,
        path=f"{_REGIONS}/<region>",
        headers={"if-match": "<region_etag>"},
        body={"regionName": "World"},
        foreign={"region_etag in header if-match": 412},
    ),
    Row(route=f"GET {BASE}/legalInfo", scope=TENANT_READ, status=200, path=f"{BASE}/legalInfo"),
    *(
        Row(
            route=f"GET {BASE}/{name}/{{tenant}}",
            scope=TENANT_READ,
            status=200,
            path=f"{BASE}/{name}/<tenant>",
        )
        for name in ("legalInfo", "legalInfoForSpecificTenant")
    ),
    Row(route=f"DELETE {_REGIONS}", scope=TENANT_WRITE, status=204, path=_REGIONS),
    Row(
        route=f"POST {_REGIONS}",
        scope=TENANT_WRITE,
        status=201,
        path=_REGIONS,
        body={"regions": [{"regionName": "World"}]},
    ),
]

SETTINGS = [
    Row(route=f"GET {_OWN}", scope=TENANT_READ, status=200, path=_OWN),
    Row(route=f"PATCH {_OWN}", scope=TENANT_WRITE, status=200, path=_OWN, body={"country": "NZ"}),
]


def _managed(method: str, part: str = "", body: object = None, status: int = 200) -> Row:
    return Row(
        route=f"{method} {_ALL}/{{tenant}}{part}",
        scope=PLATFORM,
        status=status,
        path=f"{_ALL}/<managed_tenant>{part}",
        body=body,
        foreign={"managed_tenant in path": status},
    )


PLATFORMS = [
    Row(
        route=f"GET {_ALL}",
        scope=PLATFORM,
        status=200,
        path=_ALL,
        query={"limit": "1"},
    ),
    Row(route=f"POST {_ALL}", scope=PLATFORM, status=201, path=_ALL, body={"name": "fresh"}),
    _managed("GET"),
    _managed("PATCH", "", {"profile": "strict"}),
    _managed("POST", "/suspend"),
    _managed("POST", "/resume"),
    _managed("POST", "/admins", None, 201),
]

ROWS = [*MANAGEMENT, *SETTINGS, *PLATFORMS]
