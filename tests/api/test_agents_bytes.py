"""The lines of the compatibility list that touch agents, byte for byte (wire 13, 1-3, 5, 7, 11, 16)."""

import asyncio
import base64
import json
import re

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.api.agents import ASSERTION_TYPE, device_key, keys_of
from tests.api.served import served_site

BASE = "/api/agentmanagement/v3"
NODE = (
    "Accept: */*",
    "Accept-Encoding: gzip,deflate",
    "User-Agent: mindconnect-nodejs (3.24.2)",
    "X-Powered-By: meowz",
    "Connection: keep-alive",
    "Host: door",
)


class Client:
    """Requests as the Node SDK writes them, over one raw connection."""

    def __init__(self, site, wire):
        """Keep the connection and the caller's header."""
        self.site, self.wire = site, wire
        self.account = site.open.headers["authorization"]

    async def send(self, method, path, body=None, *, token=None, **headers):
        """Send the bytes of a request; give status, headers and body. No token: the account's."""
        authorization = self.account if token is None else token and f"Bearer {token}"
        lines = [f"{method} {path} HTTP/1.1", *NODE]
        lines += [f"Authorization: {authorization}"] if authorization else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        content = (
            body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
        )
        if body is not None:
            named = any(name.lower() == "content_type" for name in headers)
            lines += [] if named else ["Content-Type: application/json"]
            lines += [f"Content-Length: {len(content)}"]
        await self.wire.send("\r\n".join([*lines, "", ""]).encode() + content)
        return await asyncio.wait_for(self.wire.answer(), 10)

    async def agent(self, profile="SHARED_SECRET", name="Motor 1"):
        """Make an asset and its agent as the command of the SDK does; gives the answer's body."""
        root = json.loads((await self.send("GET", "/api/assetmanagement/v3/assets/root"))[2])["assetId"]
        asset = {"name": name, "typeId": "core.mclib", "parentId": root}
        made = json.loads((await self.send("POST", "/api/assetmanagement/v3/assets?", asset))[2])
        agent = {"name": name, "securityProfile": profile, "entityId": made["assetId"]}
        status, _, body = await self.send("POST", f"{BASE}/agents", agent)
        assert status == 201
        return body

    async def content(self, agent_id):
        """Fetch a boarding configuration; gives its content."""
        path = f"{BASE}/agents/{agent_id}/boarding/configuration"
        return json.loads((await self.send("GET", path))[2])["content"]

    async def token(self, agent_id, secret):
        """Ask for an access token as the SDK does; gives the whole answer."""
        now_s = self.site.clock.now_ms() // 1_000
        claims = {
            "iss": agent_id, "sub": agent_id, "aud": ["southgate"], "iat": now_s, "nbf": now_s,
            "exp": now_s + 3_600, "jti": "0f3a5d0e-2f0b-4a54-a4f5-9b1f3a4b5c6d",
            "schemas": ["urn:siemens:mindsphere:v1"], "ten": "acme",
        }  # fmt: skip
        key, algorithm = (OctKey.import_key(secret), "HS256") if secret else (device_key(), "RS384")
        assertion = jwt.encode({"alg": algorithm, "typ": "JWT"}, claims, key, [algorithm])
        form = (
            "grant_type=client_credentials"
            f"&client_assertion_type={ASSERTION_TYPE.replace(':', '%3A')}&client_assertion={assertion}"
        )
        media = "application/x-www-form-urlencoded"
        return await self.send("POST", f"{BASE}/oauth/token", form, token="", content_type=media)


@pytest.fixture
async def client():
    """A connection to a served door."""
    async with served_site() as site:
        yield Client(site, await site.connect())


async def test_line_1_registration_answers_201_with_every_member(client):
    """The SDK and the C library test for exactly 201 (wire 5.3, 13.1)."""
    agent_id = json.loads(await client.agent())["id"]
    content = await client.content(agent_id)

    status, _, body = await client.send("POST", f"{BASE}/register", {}, token=content["iat"])

    assert status == 201
    given = json.loads(body)
    expires = client.site.clock.now_ms() // 1_000 + 604_800
    assert (
        body
        == (
            f'{{"client_id":"{agent_id}","client_secret":"{given["client_secret"]}",'
            f'"client_secret_expires_at":{expires},"grant_types":["client_credentials"],'
            f'"registration_access_token":"{given["registration_access_token"]}",'
            f'"registration_client_uri":"http://door{BASE}/register/{agent_id}",'
            '"token_endpoint_auth_method":"client_secret_jwt"}'
        ).encode()
    )
    assert given["registration_access_token"].startswith("eyJ")
    assert re.fullmatch(r"[\w-]{64}", given["client_secret"], re.ASCII)


async def test_line_2_the_end_is_there_for_a_key_too_and_far_enough_ahead(client):
    """Without it every call of an agent fails; nearer than 25 hours it would rotate at each (wire 13.2)."""
    agent_id = json.loads(await client.agent("RSA_3072"))["id"]
    content = await client.content(agent_id)
    keys = keys_of(device_key())

    status, _, body = await client.send("POST", f"{BASE}/register", keys, token=content["iat"])

    given = json.loads(body)
    assert (status, "client_secret" in given) == (201, False)
    expires = client.site.clock.now_ms() // 1_000 + 604_800
    assert (
        body
        == (
            f'{{"client_id":"{agent_id}","client_secret_expires_at":{expires},'
            f'"grant_types":["client_credentials"],'
            f'"registration_access_token":"{given["registration_access_token"]}",'
            f'"registration_client_uri":"http://door{BASE}/register/{agent_id}",'
            '"token_endpoint_auth_method":"private_key_jwt"}'
        ).encode()
    )
    renewal = {"client_id": agent_id, **keys}
    status, _, again = await client.send(
        "PUT", f"{BASE}/register/{agent_id}", renewal, token=given["registration_access_token"]
    )
    assert (status, list(json.loads(again))) == (200, list(given))
    assert (await client.token(agent_id, ""))[0] == 200


async def test_line_3_the_key_has_no_line_break_at_its_ends(client):
    """The SDK puts the two breaks in itself, after BEGIN and before END, and then it parses (wire 13.3)."""
    status, _, body = await client.send("GET", f"{BASE}/oauth/token_key", token="")
    key = json.loads(body)
    begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"

    assert status == 200
    assert set(key) == {"kty", "e", "n", "kid", "alg", "use", "value"}
    assert not re.search(f"{begin}\\s|\\s{end}", key["value"])
    as_the_sdk_does = key["value"].replace(begin, f"{begin}\n").replace(end, f"\n{end}")
    assert RSAKey.import_key(as_the_sdk_does).as_dict(private=False)["n"] == key["n"]
    _, _, all_keys = await client.send("GET", f"{BASE}/oauth/token_keys", token="")
    assert json.loads(all_keys)["keys"][0] == key


async def test_an_agents_token_verifies_with_the_published_key(client):
    """What the SDK does at each call, without network: signature by that key, and the end (wire 5.3)."""
    agent_id = json.loads(await client.agent())["id"]
    content = await client.content(agent_id)
    given = json.loads((await client.send("POST", f"{BASE}/register", {}, token=content["iat"]))[2])

    status, headers, body = await client.token(agent_id, given["client_secret"])

    answer = json.loads(body)
    assert status == 200
    assert (
        body
        == (
            f'{{"access_token":"{answer["access_token"]}","token_type":"bearer","expires_in":3600,'
            f'"jti":"{answer["jti"]}","scope":["mdsp:core:DefaultAgent"]}}'
        ).encode()
    )
    assert headers["server-time"] == str(client.site.clock.now_ms())
    key = json.loads((await client.send("GET", f"{BASE}/oauth/token_key", token=""))[2])
    numbers = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
    claims = jwt.decode(answer["access_token"], numbers, ["RS256"]).claims
    assert (claims["jti"], "nbf" in claims) == (answer["jti"], False)


async def test_a_refused_token_is_told_the_time_in_the_form_of_agents(client):
    """401 with id, word and sentence, and `Server-Time` for a clock that is off (wire 0.7, 5.3)."""
    agent_id = json.loads(await client.agent())["id"]

    status, headers, body = await client.token(agent_id, "x" * 64)

    refusal = json.loads(body)
    assert status == 401
    assert headers["server-time"] == str(client.site.clock.now_ms())
    assert (
        body
        == (
            f'{{"id":"{refusal["id"]}","error":"token_validation_failed","error_description":'
            f'"[{refusal["id"]}] The client assertion does not hold, or was used already."}}'
        ).encode()
    )
    assert refusal["id"].replace("-", "").endswith(headers["x-request-id"])


async def test_line_5_bodies_where_the_sdk_parses_json(client):
    """PUT of an agent and off-boarding answer 200 with a body, never 204 (wire 0.3, 13.5)."""
    made = await client.agent()
    agent_id = json.loads(made)["id"]
    assert (
        made
        == (
            f'{{"id":"{agent_id}","eTag":"0","name":"Motor 1","securityProfile":"SHARED_SECRET",'
            f'"entityId":"{agent_id}"}}'
        ).encode()
    )
    path = f"{BASE}/agents/{agent_id}"
    change = {"name": "Motor 2", "securityProfile": "RSA_3072", "entityId": "x", "id": "y", "eTag": "7"}

    status, _, body = await client.send("PUT", path, change, If_Match="0")

    assert status == 200
    assert (
        body
        == (
            f'{{"id":"{agent_id}","eTag":"1","name":"Motor 2","securityProfile":"RSA_3072",'
            f'"entityId":"{agent_id}"}}'
        ).encode()
    )
    status, _, body = await client.send("POST", f"{path}/boarding/offboard", "")
    assert (status, body) == (200, b'{"status":"NOT_ONBOARDED"}')


async def test_line_7_what_clients_write_loosely_is_read(client):
    """An empty JSON body, a dangling `?`, a bare If-Match, a page past the end, a bare `sort` (wire 13.7)."""
    agent_id = json.loads(await client.agent())["id"]
    path = f"{BASE}/agents/{agent_id}"
    one = f'{{"id":"{agent_id}","eTag":"0","name":"Motor 1","securityProfile":"SHARED_SECRET",'
    one += f'"entityId":"{agent_id}"}}'
    by_name = '[{"direction":"DESC","property":"name","ignoreCase":false,"nullHandling":"NATIVE",'
    by_name += '"descending":true,"ascending":false}]'

    status, _, body = await client.send("POST", f"{path}/boarding/offboard?", "")
    assert (status, body) == (200, b'{"status":"NOT_ONBOARDED"}')
    assert (await client.send("GET", f"{path}?"))[2] == one.encode()
    pages = {
        "?": (one, "true", 1, 1, 1, "true", "null", 20, 0),
        "?page=1&size=20": ("", "true", 1, 1, 0, "false", "null", 20, 1),
        "?sort=ASC": (one, "true", 1, 1, 1, "true", "null", 20, 0),
        "?size=0": ("", "true", 0, 1, 0, "true", "null", 0, 0),
        "?sort=name%2CDESC&size=2000": (one, "true", 1, 1, 1, "true", by_name, 2_000, 0),
        "?filter=%7B%22name%22%3A%22other%22%7D": ("", "true", 0, 0, 0, "true", "null", 20, 0),
        "?filter=%7B%22securityProfile%22%3A%22SHARED_SECRET%22%7D": (
            one, "true", 1, 1, 1, "true", "null", 20, 0,
        ),
    }  # fmt: skip
    for query, said in pages.items():
        status, _, body = await client.send("GET", f"{BASE}/agents{query}")
        content, last, count, total, here, first, sort, size, number = said
        expected = f'{{"last":{last},"totalPages":{count},"totalElements":{total},"numberOfElements":{here},'
        expected += f'"first":{first},"sort":{sort},"size":{size},"number":{number},"content":[{content}]}}'
        assert (status, body.decode()) == (200, expected), query
    status, _, body = await client.send("DELETE", path, If_Match="0")
    assert (status, body) == (204, b"")


async def test_line_11_an_agents_id_is_its_assets(client):
    """32 lowercase hexadecimal digits, without dashes; both names of it are one (wire 0.4, 13.11)."""
    agent = json.loads(await client.agent())
    content = await client.content(agent["id"])

    assert re.fullmatch("[a-f0-9]{32}", agent["id"])
    assert agent["id"] == agent["entityId"] == content["clientId"]
    status, _, _ = await client.send("GET", f"/api/assetmanagement/v3/assets/{agent['id']}")
    assert status == 200


async def test_a_boarding_configuration_has_what_an_agent_needs(client):
    """`baseUrl` is where it was asked for, without a slash; the token is a JWT of seven days (wire 5.2)."""
    agent_id = json.loads(await client.agent())["id"]
    path = f"{BASE}/agents/{agent_id}/boarding"
    assert (await client.send("GET", f"{path}/status"))[2] == b'{"status":"NOT_ONBOARDED"}'

    status, _, body = await client.send("GET", f"{path}/configuration")

    token = json.loads(body)["content"]["iat"]
    assert status == 200
    assert (
        body
        == (
            f'{{"content":{{"baseUrl":"http://door","iat":"{token}",'
            f'"clientCredentialProfile":["SHARED_SECRET"],"clientId":"{agent_id}","tenant":"acme"}},'
            '"expiration":"2026-01-08T00:00:00.000Z"}'
        ).encode()
    )
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 604_800
    assert (await client.send("GET", f"{path}/configuration"))[2] == body
    assert (await client.send("GET", f"{path}/status"))[2] == b'{"status":"ONBOARDING"}'
    await client.send("POST", f"{BASE}/register", {}, token=token)
    assert (await client.send("GET", f"{path}/status"))[2] == b'{"status":"ONBOARDED"}'


async def test_refusals_have_an_id_and_a_message(client):
    """The form of agents' services, with the words of every reason (wire 0.7)."""
    status, headers, body = await client.send("GET", f"{BASE}/agents/{'0' * 32}")

    refusal = json.loads(body)
    assert status == 404
    assert body == f'{{"id":"{refusal["id"]}","message":"There is no such agent."}}'.encode()
    assert refusal["id"].replace("-", "").endswith(headers["x-request-id"])
    status, _, body = await client.send("POST", f"{BASE}/agents", {"name": 1})
    assert status == 400
    assert json.loads(body)["message"].startswith("/")
