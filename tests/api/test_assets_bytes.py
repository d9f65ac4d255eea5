"""The lines of the compatibility list that touch asset management, byte for byte (wire 13)."""

import asyncio
import json
import re

import pytest

from tests.api.served import served_site

BASE = "/api/assetmanagement/v3"


class Client:
    """Requests as the Node SDK writes them, over one raw connection."""

    def __init__(self, wire, token):
        """Keep the connection and the caller's header."""
        self.wire, self.token = wire, token

    async def send(self, method, path, body=None, **headers):
        """Send the bytes of a request; give status line, headers and body."""
        lines = [
            f"{method} {BASE}{path} HTTP/1.1",
            "Host: door",
            "Accept: */*",
            f"Authorization: {self.token}",
        ]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        await self.wire.send("\r\n".join([*lines, "", ""]).encode() + content)
        return await asyncio.wait_for(self.wire.answer(), 10)


@pytest.fixture
async def client():
    """A connection to a served door."""
    async with served_site() as site:
        yield Client(await site.connect(), site.open.headers["authorization"])


async def made(client, **more):
    """Create an asset below the root; give its id and the root's."""
    root = json.loads((await client.send("GET", "/assets/root"))[2])["assetId"]
    body = {"name": "Zähler", "typeId": "core.BasicAsset", "parentId": root, **more}
    status, _, answer = await client.send("POST", "/assets?", body)
    assert status == 201
    return json.loads(answer)["assetId"], root


def asset_bytes(asset, root, *, etag, name="Zähler", location="null"):
    """Write the answer that is expected for an asset of these tests."""
    own = f"http://door{BASE}/assets/{asset}"
    return (
        f'{{"name":"{name}","externalId":null,"description":null,"location":{location},"variables":[],'
        '"aspects":[{"name":"connectivityStatus","variables":'
        '[{"name":"lastUpdated","value":null},{"name":"connected","value":null}]}],'
        f'"fileAssignments":[],"typeId":"core.basicasset","parentId":"{root}","timezone":"UTC",'
        '"twinType":"performance","tenantId":"acme","subTenant":null,"t2Tenant":null,'
        f'"assetId":"{asset}","locks":[],"deleted":null,"sharing":{{"modes":[]}},"etag":{etag},'
        f'"hierarchyPath":[{{"assetId":"{root}","name":"acme"}}],'
        f'"_links":{{"self":{{"href":"{own}"}},"aspects":{{"href":"{own}/aspects"}},'
        f'"variables":{{"href":"{own}/variables"}},"location":{{"href":"{own}/location"}},'
        f'"children":{{"href":"http://door{BASE}/assets?filter={{\\"parentId\\":\\"{asset}\\"}}"}},'
        f'"parent":{{"href":"http://door{BASE}/assets/{root}"}}}}}}'
    ).encode()


async def test_line_5_bodies_where_the_sdk_parses_json(client):
    """PATCH, PUT, move, location and its deletion answer 200 with the whole asset, never 204 (wire 13.5)."""
    asset, root = await made(client)
    place = '{"country":"DE","region":null,"locality":null,"streetAddress":null,"postalCode":null,'
    place += '"longitude":9.5,"latitude":null}'
    steps = [
        ("PATCH", "", {"name": "Ä1"}, "Ä1", "null"),
        ("PUT", "", {"name": "Ä2"}, "Ä2", "null"),
        ("PUT", "/location", {"country": "DE", "longitude": 9.5}, "Ä2", place),
        ("DELETE", "/location", None, "Ä2", "null"),
        ("POST", "/move", {"newParentId": root}, "Ä2", "null"),
        ("POST", "?", {"newParentId": root}, "Ä2", "null"),
    ]
    for etag, (method, part, body, name, location) in enumerate(steps):
        status, headers, answer = await client.send(method, f"/assets/{asset}{part}", body, If_Match=etag)

        assert status == 200, (method, part)
        assert answer == asset_bytes(asset, root, etag=etag + 1, name=name, location=location)
        assert headers["etag"] == f'"{etag + 1}"'
        assert headers["content-type"] == "application/hal+json"
    status, headers, answer = await client.send("DELETE", f"/assets/{asset}", If_Match=6)
    assert (status, answer) == (204, b"")


async def test_line_7_an_empty_body_with_a_content_type(client):
    """The model lock comes as JSON of length 0 (wire 13.7, 0.2)."""
    headers = {"Content_Type": "application/json", "Content_Length": 0}

    locked = await client.send("PUT", "/model/lock?enabled=true", **headers)
    unlocked = await client.send("PUT", "/model/lock?enabled=false", **headers)

    assert (locked[0], locked[2]) == (200, b'{"enabled":true,"jobs":[]}')
    assert (unlocked[0], unlocked[2]) == (200, b'{"enabled":false,"jobs":[]}')


async def test_line_7_a_dangling_question_mark(client):
    """A path that ends with `?` is the same path, for GET, POST and PUT (wire 13.7)."""
    variables = [{"name": "x", "dataType": "INT", "unit": "°C"}]
    body = {"name": "T", "category": "dynamic", "scope": "private", "variables": variables}

    created = await client.send("PUT", "/aspecttypes/acme.T?", body)
    listed, plain = await client.send("GET", "/assets?"), await client.send("GET", "/assets")

    assert created[0] == 201
    assert (
        created[2]
        == (
            '{"name":"T","category":"dynamic","scope":"private","description":"","variables":'
            '[{"name":"x","dataType":"INT","unit":"°C","searchable":false,"length":null,"defaultValue":null,'
            '"qualityCode":false}],"id":"acme.T","tenantId":"acme","etag":0,"sharing":{"modes":[]},'
            f'"_links":{{"self":{{"href":"http://door{BASE}/aspecttypes/acme.T"}}}}}}'
        ).encode()
    )
    assert (listed[0], listed[2]) == (200, plain[2])


@pytest.mark.parametrize("tag", ["0", '"0"', 'W/"0"'])
async def test_line_7_if_match_bare_and_quoted(client, tag):
    """`If-Match: 0` without quotes is what the SDK sends (wire 13.7)."""
    asset, root = await made(client)

    answer = await client.send("PUT", f"/assets/{asset}", {"name": "Zähler"}, If_Match=tag)

    assert (answer[0], answer[2]) == (200, asset_bytes(asset, root, etag=1))


@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_line_7_a_direction_alone_and_a_page_too_many(client, sort):
    """`sort=ASC` is no error, and the page behind the last is an empty list with its totals (wire 13.7)."""
    total = json.loads((await client.send("GET", "/assets"))[2])["page"]["totalElements"]

    status, _, answer = await client.send("GET", f"/assets?page=1&size=2000&sort={sort}")

    link = f"http://door{BASE}/assets?basicFieldsOnly=false&page={{page}}&size=2000&sort={sort}"
    first, beyond = link.format(page=0), link.format(page=1)
    assert status == 200
    assert (
        answer
        == (
            f'{{"_embedded":{{"assets":[]}},"_links":{{"first":{{"href":"{first}"}},'
            f'"prev":{{"href":"{first}"}},'
            f'"self":{{"href":"{beyond}"}},"last":{{"href":"{first}"}}}},'
            f'"page":{{"size":2000,"totalElements":{total},"totalPages":1,"number":1}}}}'
        ).encode()
    )


async def test_line_10_a_move_without_the_word(client):
    """The SDK posts a move to the asset itself; it sends `ifMatch` as the header If-Match (wire 13.10)."""
    asset, root = await made(client)

    answer = await client.send("POST", f"/assets/{asset}?", {"newParentId": root}, If_Match=0)

    assert (answer[0], answer[2]) == (200, asset_bytes(asset, root, etag=1))


async def test_line_11_ids(client):
    """An asset's id has 32 lowercase hexadecimal digits; with others there is no asset (wire 13.11)."""
    asset, root = await made(client)

    shown = await client.send("GET", f"/assets/{asset}")
    capitals = await client.send("GET", f"/assets/{asset.upper()}x")

    assert re.fullmatch(r"[0-9a-f]{32}", asset)
    assert shown[2] == asset_bytes(asset, root, etag=0)
    assert capitals[0] == 404


@pytest.mark.parametrize("type_id", ["core.basicasset", "core.BasicAsset", "Core.BASICASSET"])
async def test_line_15_core_types_in_any_case(client, type_id):
    """Types of `core` are there, whatever the case of their id (wire 13.15, 4.5)."""
    asset, root = await made(client, typeId=type_id)

    status, _, answer = await client.send("GET", f"/assettypes/{type_id}?exploded=false")

    assert (await client.send("GET", f"/assets/{asset}"))[2] == asset_bytes(asset, root, etag=0)
    assert status == 200
    assert answer.startswith(b'{"name":"basicasset","description":"Any asset.","parentTypeId":null,')


async def test_errors_have_the_shape_of_the_dialect(client):
    """`errors` with code, logref and message, as `application/vnd.error+json` (wire 0.7)."""
    status, headers, answer = await client.send("GET", f"/assets/{'0' * 32}")

    assert status == 404
    assert headers["content-type"] == "application/vnd.error+json"
    assert re.fullmatch(
        rb'\{"errors":\[\{"code":"mdsp\.core\.generic\.noMatch","logref":"[^"]+",'
        rb'"message":"There is no such asset\.","messageParameters":\[\]\}\]\}',
        answer,
    )
