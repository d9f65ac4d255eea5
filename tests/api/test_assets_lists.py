"""Lists of assets: pages to the last one and beyond, orders, filters, links (wire 0.6, 4.4)."""

import random

import pytest

from tests.api.doors import put_model_files
from tests.api.test_assets import BASE, PUMP, call, pump_body

FILE = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
async def _files(service):
    await put_model_files(service, FILE)


async def make(service, count, **more):
    """Create assets named A00, A01 … in a mixed order; give their ids by name."""
    body = await pump_body(service, typeId="core.basicasset", **more)
    names = [f"A{number:02}" for number in range(count)]
    random.Random(1).shuffle(names)
    ids = {}
    for name in names:
        answer = await call(service, "POST", "/assets", {**body, "name": name})
        ids[name] = answer.json()["assetId"]
    return ids


async def listed(service, query=""):
    """Give a list."""
    answer = await call(service, "GET", f"/assets?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(found):
    """Give the names on a page."""
    return [asset["name"] for asset in found["_embedded"]["assets"]]


async def test_every_page_to_the_last_and_one_beyond(service):
    """`next` leads through everything once, in order; the page beyond is empty (wire 0.6)."""
    await make(service, 22)
    seen, pages, query = [], 0, f"{BASE}/assets?size=5"
    while query:
        page = (await service.http.get(query, headers=service.acme)).json()
        seen += names(page)
        pages += 1
        query = page["_links"].get("next", {}).get("href")
        last = page["_links"]["last"]["href"]

    assert seen == [*(f"A{number:02}" for number in range(22)), "acme"]
    assert (pages, page["page"]) == (5, {"size": 5, "totalElements": 23, "totalPages": 5, "number": 4})
    assert page["_links"]["self"]["href"] == last
    beyond = await listed(service, "size=5&page=5")
    assert (names(beyond), beyond["page"]["number"], "next" in beyond["_links"]) == ([], 5, False)
    assert beyond["_links"]["prev"]["href"] == last
    assert names(await listed(service, "size=5&page=2000000000")) == []


@pytest.mark.parametrize(("size", "total_pages"), [(1, 6), (2, 3), (3, 2), (5, 2), (6, 1), (7, 1), (0, 0)])
async def test_pages_are_counted(service, size, total_pages):
    """The number of pages is rounded up; a size of 0 has totals and no pages (wire 0.6)."""
    await make(service, 5)

    page = (await listed(service, f"size={size}"))["page"]

    assert page == {"size": size, "totalElements": 6, "totalPages": total_pages, "number": 0}


async def test_the_usual_order_is_by_name_then_id(service):
    """Without `sort`, with ASC alone and by name it is the same order (wire 4.3)."""
    await make(service, 3)
    await make(service, 3)
    first = (await listed(service))["_embedded"]["assets"]

    assert [(asset["name"], asset["assetId"]) for asset in first] == sorted(
        (asset["name"], asset["assetId"]) for asset in first
    )
    for query in ("sort=ASC", "sort=name%2Casc", "sort=name,id,asc", "sort="):
        assert (await listed(service, query))["_embedded"]["assets"] == first, query
    assert names(await listed(service, "sort=name,desc")) == [asset["name"] for asset in reversed(first)]
    link = (await listed(service))["_links"]["self"]["href"]
    assert link == f"http://door{BASE}/assets?basicFieldsOnly=false&page=0&size=10&sort=name,id,asc"


async def test_a_list_shows_every_change_of_its_door(service):
    """Made, renamed, moved and deleted: the next list has it in its place."""
    ids = await make(service, 4)
    assert names(await listed(service)) == ["A00", "A01", "A02", "A03", "acme"]

    await call(service, "PATCH", f"/assets/{ids['A00']}", {"name": "Z"}, {"if-match": "0"})
    assert names(await listed(service)) == ["A01", "A02", "A03", "Z", "acme"]
    await call(service, "DELETE", f"/assets/{ids['A02']}", headers={"if-match": "0"})
    assert names(await listed(service)) == ["A01", "A03", "Z", "acme"]
    assert names(await listed(service, 'filter={"name":{"startsWith":"A"}}')) == ["A01", "A03"]
    await call(service, "POST", "/assets", await pump_body(service, typeId="core.basicasset", name="A02"))
    assert names(await listed(service)) == ["A01", "A02", "A03", "Z", "acme"]
    move = {"newParentId": ids["A01"]}
    await call(service, "POST", f"/assets/{ids['A03']}/move", move, {"if-match": "0"})
    assert names(await listed(service, f'filter={{"parentId":"{ids["A01"]}"}}')) == ["A03"]


async def test_has_type_finds_descendants(service):
    """`hasType` is the type or any below it; `typeId` the type alone; built-in ids in any case (wire 4.4)."""
    await call(service, "PUT", "/assettypes/acme.Pump", {**PUMP, "aspects": []})
    child = {"name": "C", "parentTypeId": "acme.Pump"}
    for name, type_id in (("P", "acme.Pump"), ("D", "core.basicdevice"), ("B", "core.basicasset")):
        await call(service, "POST", "/assets", await pump_body(service, name=name, typeId=type_id))
    assert names(await listed(service, 'filter={"hasType":"acme.Pump"}')) == ["P"]
    await call(service, "PUT", "/assettypes/acme.Child", child)
    await call(service, "POST", "/assets", await pump_body(service, name="C", typeId="acme.Child"))

    for text, expected in {
        '{"hasType":"core.basicasset"}': ["B", "C", "D", "P", "acme"],
        '{"hasType":"core.BasicDevice"}': ["C", "D", "P"],
        '{"hasType":{"eq":"acme.Pump"}}': ["C", "P"],
        '{"hasType":{"in":{"value":["acme.Child","core.basicenterprise"]}}}': ["C", "acme"],
        '{"not":{"hasType":"core.basicdevice"}}': ["B", "acme"],
        '{"typeId":"CORE.basicdevice"}': ["D"],
        '{"typeId":{"contains":"acme."}}': ["C", "P"],
        '{"typeId":{"in":["acme.Pump","core.BasicAsset"]}}': ["B", "P"],
    }.items():
        assert names(await listed(service, f"filter={text}")) == expected, text


async def test_every_field_of_the_dialect_is_known(service):
    """Each field filters and sorts (wire 4.4)."""
    body = await pump_body(
        service, typeId="core.basicasset", name="N", externalId="X", timezone="Europe/Berlin",
        twinType="simulation", fileAssignments=[{"key": "k", "fileId": FILE}],
    )  # fmt: skip
    asset = (await call(service, "POST", "/assets", body)).json()
    for text in (
        f'{{"assetId":"{asset["assetId"]}"}}',
        '{"tenantId":"acme","name":"N"}',
        '{"externalId":"X"}',
        '{"not":{"externalId":null}}',
        '{"t2tenant":null,"subTenant":null,"name":"N"}',
        '{"timezone":{"endsWith":"Berlin"}}',
        '{"twinType":"simulation"}',
        f'{{"parentId":"{asset["parentId"]}"}}',
        f'{{"fileId":"{FILE}"}}',
    ):
        assert names(await listed(service, f"filter={text}")) == ["N"], text
    for field in ("externalId", "twinType", "timezone", "deleted", "hasType", "fileId", "t2tenant"):
        assert sorted(names(await listed(service, f"sort={field},desc"))) == ["N", "acme"], field


async def test_links_keep_filter_and_order(service):
    """A link of a page leads to the same list (wire 0.6)."""
    await make(service, 5)
    query = 'size=2&sort=name,desc&filter={"name":{"contains":"A"}}'

    first = await listed(service, query)
    second = (await service.http.get(first["_links"]["next"]["href"], headers=service.acme)).json()

    assert names(first) + names(second) == ["A04", "A03", "A02", "A01"]
    assert second["page"]["totalElements"] == 5
