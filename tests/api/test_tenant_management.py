"""Tenant management as existing clients call it: exact bytes, ETags in capitals, logo, law (wire 10)."""

from __future__ import annotations

import json

import pytest

from api.tenants.logos import FORM_BYTES_MAX
from schemas.limits import LEGAL_BYTES_MAX, LOGO_BYTES_MAX

BASE = "/api/tenantmanagement/v4"
INFO, REGIONS, LOGO = f"{BASE}/tenantInfo", f"{BASE}/legalConfigRegions", f"{BASE}/tenantInfo/logo"
PICTURE = b"\x89PNG\r\n\x1a\n\x00--mindsphere\r\n\xff"
IMPRINT = {
    "id": "imprint", "type": "www", "sorting": 2,
    "languages": {
        "en": {"name": "Imprint", "value": "https://acme.example/imprint"},
        "de": {"name": "Impressum", "value": "https://acme.example/impressum"},
    },
}  # fmt: skip
CALL = {
    "id": "call",
    "type": "phone",
    "sorting": 1,
    "languages": {"en": {"name": "Call", "value": "+49 30 1"}},
}
EUROPE = {"regionName": "Europe", "regionCountries": ["DE", "FR"], "links": [IMPRINT, CALL]}
WORLD = {"regionName": "World"}


async def call(service, method, path, body=None, **headers):
    """Send a request as acme."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await service.http.request(method, path, json=body, headers={**service.acme, **named})


async def put_logo(service, content=PICTURE, name="l.png", kind="image/png"):
    """Send a logo as the SDK does: an odd boundary, no line end behind the last delimiter."""
    head = (
        f'----mindsphere\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return await service.http.post(
        LOGO,
        content=head.encode() + content + b"\r\n----mindsphere--",
        headers={**service.acme, "content-type": "multipart/form-data; boundary=--mindsphere"},
    )


# -- tenantInfo --------------------------------------------------------------------------------------


async def test_tenant_info_is_what_clients_read(service):
    """Name, prefix, type and the ETag in capitals, byte for byte; a dangling question mark does no harm."""
    answer = await call(service, "GET", f"{INFO}?")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert (
        b'{"ETag":0,"allowedToCreateSubtenant":true,"companyName":"","country":"","displayName":"acme",'
        b'"name":"acme","prefix":"acme","type":"DEVELOPER"}'
    ) == answer.content


async def test_a_patch_of_tenant_info_is_answered_with_it(service):
    """200 and JSON, as the SDK parses it (wire 0.3); the ETag counts; what cannot change is ignored."""
    sent = {"companyName": "Acme Ltd", "displayName": "Acme", "name": "evil", "type": "OPERATOR", "ETag": 9}
    answer = await service.http.patch(
        INFO,
        content=json.dumps(sent),
        headers={**service.acme, "content-type": "application/merge-patch+json", "if-match": "0"},
    )

    assert answer.status_code == 200
    assert {
        "ETag": 1, "allowedToCreateSubtenant": True, "companyName": "Acme Ltd", "country": "",
        "displayName": "Acme", "name": "acme", "prefix": "acme", "type": "DEVELOPER",
    } == answer.json()  # fmt: skip
    assert answer.json() == (await call(service, "GET", INFO)).json()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 400), ({"if_match": "7"}, 412), ({"if_match": '"0"'}, 200), ({"if_match": 'W/"0"'}, 200)],
)
async def test_a_patch_of_tenant_info_needs_its_etag(service, headers, status):
    """Missing 400, another one 412, bare or quoted (wire 0.5)."""
    assert (await call(service, "PATCH", INFO, {"companyName": "C"}, **headers)).status_code == status


async def test_a_refused_patch_of_tenant_info_names_its_place(service):
    """The pointer is the client's own word."""
    answer = await call(service, "PATCH", INFO, {"companyName": "a\nb", "country": "Germany"}, if_match="0")

    assert answer.status_code == 400
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/companyName", "/country"}


# -- logo --------------------------------------------------------------------------------------------


async def test_the_three_calls_of_a_command_line_client_succeed_on_a_fresh_tenant(service):
    """tenantInfo, legalConfigRegions with an empty list, logoMetaData, in this order (wire 10)."""
    answers = [await call(service, "GET", path) for path in (INFO, REGIONS, f"{LOGO}MetaData")]

    assert [200, 200, 200] == [answer.status_code for answer in answers]
    assert answers[1].content == b'{"regions":[]}'
    assert answers[2].content == b'{"name":"","size":0}'


async def test_a_logo_comes_back_byte_for_byte(service):
    """Bytes that look like delimiters too; it goes out as something to be saved, not to be run (S11)."""
    sent = await put_logo(service)
    got = await call(service, "GET", LOGO)

    assert (sent.status_code, sent.json()) == (201, {"name": "l.png", "size": len(PICTURE)})
    assert sent.json() == (await call(service, "GET", f"{LOGO}MetaData")).json()
    assert (got.status_code, got.content) == (200, PICTURE)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-security-policy"] == "sandbox"
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_a_second_logo_replaces_the_first(service):
    """One tenant, one logo; another tenant has its own."""
    await put_logo(service)
    await put_logo(service, b"second", "s.svg", "image/svg+xml")

    assert (await call(service, "GET", LOGO)).content == b"second"
    other = await service.http.get(LOGO, headers=service.other)
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("name", "kind", "shown", "media"),
    [
        ('x"\r\nset-cookie: a=b', "image/png", None, None),
        ("../../etc/passwd", "image/png", "..%2F..%2Fetc%2Fpasswd", "image/png"),
        ("l.png", "text/html\r\nx: y", "l.png", "text/html"),
        ("l.png", "nonsense", "l.png", "application/octet-stream"),
        ("ü.png", "image/png", "%C3%BC.png", "image/png"),
    ],
)
async def test_a_logos_name_enters_no_header(service, name, kind, shown, media):
    """Whatever the client calls it: one header, escaped, and no other (S10)."""
    sent = await put_logo(service, b"x", name, kind)
    got = await call(service, "GET", LOGO)

    assert sent.status_code in {201, 400}
    assert "set-cookie" not in got.headers
    if shown is not None:
        assert got.headers["content-disposition"] == f"attachment; filename*=UTF-8''{shown}"
        assert got.headers["content-type"] == media


async def test_a_logo_has_a_size_and_a_form(service):
    """Too large, empty, without the field or no form at all: 4xx."""
    assert (await put_logo(service, b"x" * LOGO_BYTES_MAX)).status_code == 201
    assert (await put_logo(service, b"x" * (LOGO_BYTES_MAX + 1))).status_code == 413
    assert (await put_logo(service, b"x" * FORM_BYTES_MAX)).status_code == 413
    assert (await put_logo(service, b"")).status_code == 400
    headers = {**service.acme, "content-type": "multipart/form-data; boundary=b"}
    for body in (b"", b"--b\r\n", b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--'):
        assert (await service.http.post(LOGO, content=body, headers=headers)).status_code == 400
    assert (await call(service, "POST", LOGO, {"file": "x"})).status_code == 415


# -- legal information -------------------------------------------------------------------------------


async def test_regions_are_stored_and_given_with_etags(service):
    """Ids are made by the service; each region has an ETag of its own, in capitals."""
    sent = await call(service, "POST", REGIONS, {"regions": [EUROPE, WORLD]})

    assert sent.status_code == 201
    first, second = sent.json()["regions"]
    assert first == {**EUROPE, "ETag": 0, "regionId": first["regionId"]}
    assert second == {**WORLD, "ETag": 0, "regionId": second["regionId"], "regionCountries": [], "links": []}
    assert len({first["regionId"], second["regionId"]}) == 2
    assert sent.json() == (await call(service, "GET", REGIONS)).json()
    again = await call(service, "POST", REGIONS, {"regions": [WORLD]})
    assert again.status_code == 409


async def test_one_region_is_replaced_under_its_etag(service):
    """Missing 400, stale 412, unknown 404; the others keep their versions."""
    regions = (await call(service, "POST", REGIONS, {"regions": [EUROPE, WORLD]})).json()["regions"]
    path = f"{REGIONS}/{regions[1]['regionId']}"

    changed = await call(service, "PUT", path, {"regionName": "Rest"}, if_match="0")

    assert (changed.status_code, changed.json()["ETag"], changed.json()["regionName"]) == (200, 1, "Rest")
    assert (await call(service, "PUT", path, WORLD, if_match="0")).status_code == 412
    assert (await call(service, "PUT", path, WORLD)).status_code == 400
    unknown = f"{REGIONS}/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    assert (await call(service, "PUT", unknown, WORLD, if_match="0")).status_code == 404
    foreign = await service.http.put(path, json=WORLD, headers={**service.other, "if-match": "1"})
    assert foreign.status_code == 404
    kept = (await call(service, "GET", REGIONS)).json()["regions"]
    assert kept == [regions[0], changed.json()]


async def test_deleting_regions_is_empty_and_may_be_repeated(service):
    """204 without a body, also where there is nothing (wire 0.3)."""
    await call(service, "POST", REGIONS, {"regions": [WORLD]})

    for _ in range(2):
        answer = await call(service, "DELETE", REGIONS)
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await call(service, "GET", REGIONS)).json() == {"regions": []}
    assert (await call(service, "POST", REGIONS, {"regions": [WORLD]})).status_code == 201


async def test_legal_information_follows_the_country(service):
    """Links by language, in their order, of the region of the tenant's country, else of the first one."""
    assert (await call(service, "GET", f"{BASE}/legalInfo")).content == b"{}"
    mail = {"id": "mail", "type": "mail", "languages": {"fr": {"name": "Mail", "value": "a@acme.example"}}}
    france = {"regionName": "France", "regionCountries": ["FR"], "links": [mail]}
    europe = {**EUROPE, "regionCountries": ["DE"]}
    await call(service, "POST", REGIONS, {"regions": [europe, france]})

    shown = {
        "en": [
            {"id": "call", "type": "phone", "name": "Call", "value": "+49 30 1"},
            {"id": "imprint", "type": "www", "name": "Imprint", "value": "https://acme.example/imprint"},
        ],
        "de": [
            {"id": "imprint", "type": "www", "name": "Impressum", "value": "https://acme.example/impressum"}
        ],
    }
    assert shown == (await call(service, "GET", f"{BASE}/legalInfo")).json()
    await call(service, "PATCH", INFO, {"country": "FR"}, if_match="0")
    for path in ("legalInfo", "legalInfo/acme", "legalInfoForSpecificTenant/acme"):
        told = (await call(service, "GET", f"{BASE}/{path}")).json()
        assert told == {"fr": [{"id": "mail", "type": "mail", "name": "Mail", "value": "a@acme.example"}]}


@pytest.mark.parametrize("path", ["legalInfo", "legalInfoForSpecificTenant"])
async def test_another_tenants_legal_information_is_an_unknown_ones(service, path):
    """404 in the same words (design 8.15)."""
    answers = [await call(service, "GET", f"{BASE}/{path}/{name}") for name in ("other", "nobody")]

    assert [404, 404] == [answer.status_code for answer in answers]
    assert len({answer.json()["errors"][0]["message"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("region", "pointer"),
    [
        ({"regionName": ""}, "/regions/0/regionName"),
        ({"regionName": "R", "regionCountries": ["Germany"]}, "/regions/0/regionCountries/0"),
        ({"regionName": "R", "links": [{**CALL, "id": ""}]}, "/regions/0/links/0/id"),
        (
            {
                "regionName": "R",
                "links": [{**IMPRINT, "languages": {"en": {"name": "x", "value": "javascript:1"}}}],
            },
            "/regions/0/links/0/languages/en/value",
        ),
        (
            {"regionName": "R", "links": [{**CALL, "languages": {"e/n": {"name": "x", "value": "1"}}}]},
            "/regions/0/links/0/languages/e~1n",
        ),
    ],
)
async def test_legal_information_that_makes_no_sense_is_refused(service, region, pointer):
    """400 with the place; an address that a page could run is none (S11)."""
    answer = await call(service, "POST", REGIONS, {"regions": [region]})

    assert answer.status_code == 400
    assert pointer in [error.get("pointer") for error in answer.json()["errors"]]


async def test_legal_information_has_a_size(service):
    """All regions are one row of the catalogue: 413 beyond its limit, and nothing is stored."""
    region = {**WORLD, "regionCountries": ["DE"] * (LEGAL_BYTES_MAX // 5)}

    assert (await call(service, "POST", REGIONS, {"regions": [region]})).status_code == 413
    assert (await call(service, "GET", REGIONS)).json() == {"regions": []}
