"""File types as documents of a tenant, and previews by them (SM-03, design 9.7)."""

import gzip

import pytest

from schemas.limits import FILE_TYPES_MAX

PATH = "/api/aspectstore/v1/filetypes"
TYPE = {"name": "tower-7", "delimiter": ";", "timeColumns": ["t"], "zone": "UTC", "aspect": "weather"}
TEXT = "t;temperature\n2020-01-01 00:00:00;1.5\nnever;2\n"


async def test_a_file_type_is_kept_with_its_versions(site):
    """Created, read, replaced under If-Match and deleted; a stale etag changes nothing."""
    mast = site.open
    made = await mast.send("POST", PATH, TYPE)
    again = await mast.send("POST", PATH, TYPE)
    read = await mast.send("GET", f"{PATH}/tower-7")
    tag = made.headers["etag"]
    changed = {**TYPE, "decimalComma": True}
    put = await mast.send("PUT", f"{PATH}/tower-7", changed, if_match=tag)
    stale = await mast.send("PUT", f"{PATH}/tower-7", TYPE, if_match=tag)
    without = await mast.send("PUT", f"{PATH}/tower-7", TYPE)

    assert (201, 409, 200) == (made.status_code, again.status_code, read.status_code)
    assert (TYPE, tag) == (read.json(), read.headers["etag"])
    assert (200, 412, 400) == (put.status_code, stale.status_code, without.status_code)
    assert changed == (await mast.send("GET", f"{PATH}/tower-7")).json()
    assert 412 == (await mast.send("DELETE", f"{PATH}/tower-7", if_match=tag)).status_code
    gone = await mast.send("DELETE", f"{PATH}/tower-7", if_match=put.headers["etag"])
    assert (204, 404) == (gone.status_code, (await mast.send("GET", f"{PATH}/tower-7")).status_code)


async def test_presets_are_listed_and_read_and_never_changed(site):
    """Every tenant has them; they have no etag."""
    mast = site.open
    await mast.send("POST", PATH, TYPE)
    listed = (await mast.send("GET", PATH)).json()["fileTypes"]
    one = await mast.send("GET", f"{PATH}/campbell-toa5")
    put = await mast.send("PUT", f"{PATH}/campbell-toa5", one.json(), if_match='"0"')

    assert {"name": "tower-7", "format": "text", "preset": False, "etag": 0} == listed[0]
    assert {"campbell-toa5", "parquet"} <= {each["name"] for each in listed if each["preset"]}
    assert ("etag" in one.headers, 409) == (False, put.status_code)
    assert 409 == (await mast.send("POST", PATH, {**TYPE, "name": "parquet"})).status_code


async def test_a_file_type_that_cannot_be_read_by_is_refused_with_every_problem(site):
    """All of them at once, each with its place."""
    bad = {**TYPE, "delimiter": ";;", "zone": "Nowhere", "rules": [{"pattern": "(a+)+"}]}
    answer = await site.open.send("POST", PATH, bad)

    assert 400 == answer.status_code
    places = {error["pointer"] for error in answer.json()["errors"]}
    assert {"/delimiter", "/zone", "/rules/0/pattern"} == places
    assert 400 == (await site.open.send("POST", PATH, {**TYPE, "unknown": 1})).status_code


async def test_another_tenants_file_type_is_unknown(site):
    """404 in the words for one that never was."""
    await site.open.send("POST", PATH, TYPE)
    foreign = await site.other.send("GET", f"{PATH}/tower-7")
    unknown = await site.other.send("GET", f"{PATH}/tower-8")

    assert (404, 404) == (foreign.status_code, unknown.status_code)
    assert foreign.json()["errors"][0]["message"] == unknown.json()["errors"][0]["message"]


async def test_a_tenant_has_so_many_file_types(site):
    """The list is bounded."""
    for number in range(FILE_TYPES_MAX):
        await site.catalog.create("acme", "filetype", f"t{number}", b"{}")
    assert 429 == (await site.open.send("POST", PATH, TYPE)).status_code


@pytest.mark.parametrize("packed", [False, True])
async def test_a_preview_of_a_stored_file(site, packed):
    """Columns with what becomes of them, the first rows and the refused ones; packed ones, too."""
    mast = site.open
    octets = TEXT.encode()
    path = f"/api/iotfile/v3/files/{mast.asset}/a.csv"
    assert 201 == (await mast.send("PUT", path, gzip.compress(octets) if packed else octets)).status_code
    asked = {"fileType": {**TYPE, "newColumns": "extend"}, "entity": mast.asset, "path": "a.csv"}
    answer = await mast.send("POST", f"{PATH}/preview", asked)

    assert 200 == answer.status_code, answer.text
    seen = answer.json()
    assert (1, 1) == (seen["rowsRead"], seen["refusedCount"])
    assert ["time", "value"] == [column["use"] for column in seen["columns"]]
    assert [["2020-01-01T00:00:00.000Z", "1.5"]] == seen["rows"]


async def test_a_preview_of_a_text_tells_what_is_wrong(site):
    """What cannot be of the type is told beside its first lines, with 200 (TB-75)."""
    await site.open.send("POST", PATH, TYPE)
    answer = await site.open.send("POST", f"{PATH}/preview", {"type": "tower-7", "text": "a;b\n1;2\n"})
    assert (200, ["a;b", "1;2"]) == (answer.status_code, answer.json()["lines"])
    assert answer.json()["problem"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"type": "parquet"}, 400),
        ({"text": "x"}, 400),
        ({"type": "parquet", "fileType": TYPE, "text": "x"}, 400),
        ({"type": "parquet", "entity": "0" * 32}, 400),
        ({"type": "nothing-such", "text": "x"}, 404),
        ({"type": "parquet", "entity": "0" * 32, "path": "x"}, 404),
        ({"type": "parquet", "text": "x" * 300_000}, 400),
        ({"fileType": {**TYPE, "zone": "Nowhere"}, "text": "x"}, 400),
    ],
)
async def test_a_preview_names_one_file_and_one_type(site, asked, status):
    """Anything else is refused before it is looked at."""
    assert status == (await site.open.send("POST", f"{PATH}/preview", asked)).status_code
