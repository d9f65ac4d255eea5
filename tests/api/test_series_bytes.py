"""The lines of the compatibility list that touch series and token keys, byte for byte (wire 13).

Those that touch assets stand in `test_assets_bytes.py`, those of files and events beside their routes.
"""

import asyncio
import base64
import json
import re

import pytest

from tests.api.masts import MAST, NOW_MS, at
from tests.api.served import served_site

SERIES = f"/api/iottimeseries/v3/timeseries/{MAST}/weather"
AGGREGATES = "/api/iottsaggregates/v4/aggregates"
USER = "acme-tech"


class Client:
    """Requests as the Node SDK and its command write them, over one raw connection."""

    def __init__(self, wire, token):
        """Keep the connection and the caller's header."""
        self.wire, self.token = wire, token

    async def send(self, method, target, content=None):
        """Send the bytes of a request; give status, headers and body."""
        lines = [f"{method} {target} HTTP/1.1", "Host: door", "Accept: */*", f"Authorization: {self.token}"]
        if content is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        await self.wire.send("\r\n".join([*lines, "", ""]).encode() + (content or b""))
        return await asyncio.wait_for(self.wire.answer(), 10)


@pytest.fixture
async def site():
    """A served door with three tenants."""
    async with served_site() as site:
        yield site


@pytest.fixture
async def client(site):
    """A connection to it."""
    return Client(await site.connect(), site.open.headers["authorization"])


def payload_of(token):
    """Read what a token says, as a client does that checks it itself."""
    head, _, rest = token.partition(".")
    return tuple(
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in (head, rest.partition(".")[0])
    )


async def test_line_3_keys_are_pem_in_several_lines(client):
    """`value` of a user token's key is a PEM that Node reads: one in a single line fails there."""
    status, _, answer = await client.send("GET", "/token_keys")

    assert status == 200
    pattern = rb'\{"keys":\[\{"kid":"[^"]+","alg":"RS256","use":"sig","kty":"RSA","n":"[^"]+","e":"AQAB",'
    pattern += (
        rb'"value":"-----BEGIN PUBLIC KEY-----(\\n[A-Za-z0-9+/=]{1,64})+\\n-----END PUBLIC KEY-----\\n"\}'
    )
    assert re.match(pattern, answer), answer[:200]


async def test_line_4_the_first_key_is_the_one_that_signs(client):
    """The SDK looks at `keys[0]` only; a token names it, says nothing of the future, and has no `nbf`."""
    first = json.loads((await client.send("GET", "/token_keys"))[2])["keys"][0]
    head, claims = payload_of(client.token.removeprefix("Bearer "))

    assert head["kid"] == first["kid"]
    assert "nbf" not in claims
    assert claims["iat"] * 1_000 <= NOW_MS
    assert len(base64.urlsafe_b64decode(first["n"] + "==")) * 8 >= 2_048


async def test_line_8_numbers_and_codes_as_texts(client):
    """The command's upload writes every value as text; codes go out as texts whoever sent them."""
    sent = (
        f'[{{"_time":"{at(-2_000)}","temperature":"20.5","temperature_qc":"0","count":"7","running":"true"}},'
        f'{{"_time":"{at(-1_000)}","temperature":21,"temperature_qc":3}}]'
    )
    status, _, answer = await client.send("PUT", SERIES, sent.encode())
    assert (status, answer) == (204, b"")

    status, _, answer = await client.send("GET", f"{SERIES}?from={at(-5_000)}&to={at(0)}")

    assert (status, answer) == (
        200,
        (
            f'[{{"_time":"{at(-2_000)}","temperature":20.5,"temperature_qc":"0","count":7,"running":true}},'
            f'{{"_time":"{at(-1_000)}","temperature":21.0,"temperature_qc":"3"}}]'
        ).encode(),
    )


async def test_line_9_link_on_every_page_but_the_last(client):
    """The command goes on while there is a `Link`, and cuts exactly `; rel="next"` and the brackets off."""
    records = ",".join(f'{{"_time":"{at(1_000 * number)}","level":{number}}}' for number in range(-5, 0))
    assert (await client.send("PUT", SERIES, f"[{records}]".encode()))[0] == 204
    target = f"{SERIES}?from={at(-60_000)}&to={at(0)}&limit=2&select=level"
    pages, links = [], []
    while target:
        status, headers, answer = await client.send("GET", target)
        assert status == 200
        pages.append([record["level"] for record in json.loads(answer)])
        links.append(headers.get("link"))
        target = (links[-1] or "").replace('; rel="next"', "").replace("<", "").replace(">", "")

    assert pages == [[-5, -4], [-3, -2], [-1]]
    assert links[-1] is None
    assert links[0] == (
        f"<{SERIES}?from={at(-4_000).replace(':', '%3A')}&to={at(0).replace(':', '%3A')}"
        '&limit=2&select=level>; rel="next"'
    )


async def test_line_14_aggregates_with_only_from(client):
    """The command's call names asset, aspect and `from`; texts and absent figures are left out, not null."""
    sent = f'[{{"_time":"{at(-1_000)}","level":3,"label":"x","running":true}}]'
    assert (await client.send("PUT", SERIES, sent.encode()))[0] == 204
    begin = at(0, hours=-24).replace(":", "%3A")

    status, _, answer = await client.send(
        "GET", f"{AGGREGATES}?assetId={MAST}&aspectName=weather&from={begin}"
    )

    assert status == 200
    assert b"null" not in answer
    (item,) = json.loads(answer)["aggregates"]
    assert item.keys() == {"starttime", "endtime", "level"}
    assert (
        answer
        == (
            f'{{"aggregates":[{{"starttime":"{item["starttime"]}","endtime":"{item["endtime"]}","level":'
            '{"countgood":1,"countuncertain":0,"countbad":0,"sum":3,"average":3.0,"minvalue":3,"maxvalue":3,'
            f'"firstvalue":3,"lastvalue":3,"firsttime":"{at(-1_000)}","lasttime":"{at(-1_000)}",'
            f'"mintime":"{at(-1_000)}","maxtime":"{at(-1_000)}","sd":0.0}}}}]}}'
        ).encode()
    )
