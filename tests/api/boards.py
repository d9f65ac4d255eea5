"""The published agent of 2021 as the wire sees it: requests as MicroPython's `urequests` writes them.

HTTP/1.0, `Host` without a port, the headers that the agent's code gives, and behind them, for JSON, a second
`Content-Type`. The connection ends with the answer. The agent keeps what it measured until it hears 2xx, in
memory and in flash; the flash learns of it at the next sample only (TB-51, TB-55).
"""

from __future__ import annotations

import json

import msgspec

from api.identity.passwords import Passwords
from api.identity.setup import add_user
from schemas.aspects import AspectType, Variable, VariableType
from schemas.assets import Asset, AssetType, TypeAspect
from schemas.builtin import root_asset
from schemas.ids import AspectId
from tests.api.masts import at

BASIC = "Basic d2ViOnNlY3JldA=="
USER, PASSWORD = "board-7", "p@ss!w:o/rd"
SYMBOL = "esp30ae"
BOARD = "b" * 32
FIELDS = {
    "mem_used": VariableType.LONG,
    "mem_free": VariableType.LONG,
    "am2320_temp": VariableType.DOUBLE,
    "am2320_humidity": VariableType.DOUBLE,
    "bmp180_temp": VariableType.DOUBLE,
    "bmp180_pressure": VariableType.DOUBLE,
    "bmp180_altitude": VariableType.DOUBLE,
}
ASPECT_ID = AspectId("8" * 32)


def weather_record(tenant, variables=FIELDS):
    """Give the aspect type of the agent's messages."""
    given = tuple(
        Variable(name=name, type=kind, id=number) for number, (name, kind) in enumerate(variables.items(), 1)
    )
    return AspectType(
        id=f"{tenant}.weather_record",
        tenant=tenant,
        name="weather_record",
        category="dynamic",
        variables=given,
        ids_given=len(given),
    )


def documents(tenant, name, asset_id):
    """Give what a tenant with the stream, and perhaps a board, has in the catalogue: kind, id, thing."""
    aspect = TypeAspect(name="air", aspect_type_id=f"{tenant}.weather_record", aspect_id=ASPECT_ID)
    board = AssetType(id=f"{tenant}.Board", tenant=tenant, name="Board", aspects=(aspect,))
    found = [
        ("aspecttype", f"{tenant}.weather_record", weather_record(tenant)),
        ("assettype", board.id, board),
    ]
    if name:
        root = root_asset(tenant)
        asset = Asset(id=asset_id, tenant=tenant, name=name, type_id=board.id, parent_id=root.id)
        found.append(("asset", asset_id, asset))
    return found


async def put_board(site, tenant="acme", name=SYMBOL, asset_id=BOARD):
    """Put a tenant's stream, and perhaps a board, into the catalogue."""
    for kind, document_id, document in documents(tenant, name, asset_id):
        await site.catalog.create(tenant, kind, document_id, msgspec.json.encode(document))
    await site.door.services.refresh()


def sample(number, **changed):
    """Give what the agent measures and keeps, every two seconds; its milliseconds are the weekday's digit."""
    time = at(2_000 * number - 60_000).replace(".000Z", ".003Z")
    return {
        "mem_used": 61_440 + number,
        "mem_free": 49_712 - number,
        "am2320_temp": 21.5 + number / 10,
        "am2320_humidity": 48.3,
        "bmp180_temp": 22.1,
        "bmp180_pressure": 98_912.4 + number,
        "bmp180_altitude": 202.74,
        "timestamp": time,
        **changed,
    }


def text_of(samples, symbol=SYMBOL):
    """Write a body as the agent does: two members beside each sample, blanks behind `:` and `,`."""
    return json.dumps([{**each, "$type": "weather_record", "symbol": symbol} for each in samples])


class Board:
    """One board: it knows what to send, and hears what comes back."""

    def __init__(self, site, stream="weather_record"):
        self.site, self.stream = site, stream
        self.tokens = {}
        self.kept = []
        """In its memory."""
        self.flash = []

    async def send(self, octets):
        """Send a request on a connection of its own, which the answer ends; gives status and body."""
        wire = await self.site.connect()
        await wire.send(octets)
        status, _, body = await wire.answer()
        assert await wire.ended()
        return status, body

    def form(self, **fields):
        """Write the request for a token; nothing is escaped."""
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        return (
            "POST /oauth/token HTTP/1.0\r\n"
            "Host: 127.0.0.1\r\n"
            f"Authorization: {BASIC}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\n"
            "\r\n"
            f"{body}"
        ).encode()

    def post(self, body, path=None):
        """Write the request with the samples."""
        return (
            f"POST {path or f'/api/v0/{self.stream}/write'} HTTP/1.0\r\n"
            "Host: 127.0.0.1\r\n"
            f"Authorization: bearer {self.tokens['access_token']}\r\n"
            "Content-Type: application/json\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body.encode())}\r\n"
            "\r\n"
            f"{body}"
        ).encode()

    async def login(self):
        """Get a token by name and password, or by the refresh token that it has."""
        fields = {"grant_type": "password", "scope": "trust", "password": PASSWORD, "username": USER}
        if self.tokens:
            fields = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        status, body = await self.send(self.form(**fields))
        assert status == 200, body
        self.tokens = json.loads(body)

    def measure(self, number):
        """Take a sample: into memory, and all of memory into the flash."""
        self.kept.append(sample(number))
        self.flash = list(self.kept)

    def boot(self):
        """Start anew, with what the flash has."""
        self.kept, self.tokens = list(self.flash), {}

    def text(self):
        """Write all that is kept."""
        return text_of(self.kept)

    async def upload(self):
        """Send what is kept, and drop it after 2xx; gives status and body."""
        status, body = await self.send(self.post(self.text()))
        if status // 100 == 2:
            self.kept = []
        return status, body


async def add_board_user(catalog):
    """Let the board's user log in."""
    await add_user(catalog, Passwords(8), "acme", USER, PASSWORD)
