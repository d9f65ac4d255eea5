"""Random programs on configurations, mappings and types, beside a plain model of MS-85."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from tests.api.masts import MAST, TYPES, aspect_type
from tests.api.plants import put_asset
from tests.api.stations import AGENT, GATEWAY, Station, put_agents

STEPS = 50
THIRD = "d" * 32
"""An asset that no agent stands for."""
KINDS = ("INT", "LONG", "DOUBLE", "STRING")
UNITS = ("", "K")
WIDER = {"INT": "LONG", "LONG": "DOUBLE"}
WEATHER = msgspec.structs.replace(
    aspect_type("acme", "weather"),
    variables=tuple(each for each in aspect_type("acme", "weather").variables if each.name != "note"),
    ids_given=len(TYPES["weather"]),
)
"""The type as the masts have it, without the long text that leaves no room for more."""
PATH = "/api/assetmanagement/v3/aspecttypes/acme.weather"


class Model:
    """What should be there, worked out anew each time from nothing but what was sent."""

    def __init__(self):
        """Begin as the tests do: types and assets, no configuration, no mapping."""
        self.points = {AGENT: {}, GATEWAY: {}}
        self.etags = {AGENT: 0, GATEWAY: 0}
        self.assets = {MAST, THIRD}
        self.variables = {
            variable.id: {
                "name": variable.name, "type": variable.type.value, "unit": "",
                "coded": variable.quality_code,
            }
            for variable in WEATHER.variables
        }  # fmt: skip
        self.given = WEATHER.ids_given
        self.mappings = {}

    def number_of(self, name):
        """Give the number of the variable that is called so now; None if there is none."""
        return next((number for number, each in self.variables.items() if each["name"] == name), None)

    def status_of(self, wanted, *, blind):
        """Tell how the request for a mapping must be answered."""
        number = self.number_of(wanted["variable"])
        point = self.points[wanted["agent"]].get(wanted["point"])
        if wanted["asset"] not in self.assets or number is None or (point is None and not blind):
            return 400
        if point is not None and point[0] != self.variables[number]["type"]:
            return 400
        for each in self.mappings.values():
            if all(each[name] == wanted[name] for name in ("agent", "asset")) and (
                each["number"] == number
                or (each["point"] == wanted["point"] and each["number"] in self.variables)
            ):
                return 409
        return 201

    def made(self, mapping_id, wanted, *, keep):
        """Take in a mapping; one of the same place whose variable is gone gives way."""
        self.mappings = {
            name: each
            for name, each in self.mappings.items()
            if each["number"] in self.variables
            or any(each[member] != wanted[member] for member in ("agent", "asset"))
            or (each["point"] != wanted["point"] and each["variable"] != wanted["variable"])
        }
        self.mappings[mapping_id] = {**wanted, "keep": keep, "number": self.number_of(wanted["variable"])}

    def shown(self, mapping_id):
        """Write a mapping as the service should."""
        each = self.mappings[mapping_id]
        there = each["asset"] in self.assets
        variable = self.variables.get(each["number"]) if there else None
        point = self.points[each["agent"]].get(each["point"])
        reasons = [] if point else ["MISSING_DATAPOINT"]
        reasons += [] if variable else ["MISSING_PROPERTY"]
        if not reasons:
            reasons += ["INVALID_TYPE"] if point[0] != variable["type"] else []
            reasons += ["INVALID_UNIT"] if point[1] != variable["unit"] else []
        return {
            "id": mapping_id,
            "agentId": each["agent"],
            "dataPointId": each["point"],
            "dataPointUnit": point[1] if point else None,
            "dataPointType": point[0] if point else None,
            "entityId": each["asset"],
            "propertySetName": "weather",
            "propertyName": variable["name"] if variable else each["variable"],
            "propertyUnit": variable["unit"] if variable else None,
            "propertyType": variable["type"] if variable else None,
            "qualityEnabled": bool(variable and variable["coded"]),
            "keepMapping": each["keep"],
            "validity": {"status": "INVALID" if reasons else "VALID", "reasons": reasons},
        }


class Program:
    """One run: the door, the model, and the steps that change both."""

    def __init__(self, station, draw):
        """Take the door and the source of chance."""
        self.station, self.draw, self.model = station, draw, Model()

    async def configure(self):
        """Replace a configuration: mappings that are not kept go."""
        agent = self.draw.choice((AGENT, GATEWAY))
        points = {
            f"dp{number}": (self.draw.choice(KINDS), self.draw.choice(UNITS))
            for number in range(4)
            if self.draw.random() < 0.8
        }
        await self.station.configured(self.model.etags[agent], points, agent)
        self.model.etags[agent] += 1
        self.model.points[agent] = points
        self.model.mappings = {
            name: each for name, each in self.model.mappings.items() if each["agent"] != agent or each["keep"]
        }

    async def map(self):
        """Ask for a mapping, mostly one whose types fit."""
        agent, asset = self.draw.choice((AGENT, GATEWAY)), self.draw.choice((MAST, THIRD))
        point = f"dp{self.draw.randrange(4)}"
        kind = self.model.points[agent].get(point, ("", ""))[0]
        fitting = [each["name"] for each in self.model.variables.values() if each["type"] == kind]
        names = fitting if fitting and self.draw.random() < 0.8 else ["temperature", "none", "level", "new1"]
        wanted = {"agent": agent, "asset": asset, "point": point, "variable": self.draw.choice(names)}
        blind, keep = self.draw.random() < 0.2, self.draw.random() < 0.5

        answer = await self.station.map(**wanted, blind=blind, keepMapping=keep)

        assert answer.status_code == self.model.status_of(wanted, blind=blind), (wanted, answer.text)
        if answer.status_code == 201:
            self.model.made(answer.json()["id"], wanted, keep=keep)

    async def remove(self):
        """Remove a mapping."""
        if self.model.mappings:
            mapping_id = self.draw.choice(sorted(self.model.mappings))
            assert (await self.station.removed({"id": mapping_id})).status_code == 204
            del self.model.mappings[mapping_id]

    async def change_type(self):
        """Remove, widen, rename a variable or give it another unit; or add one."""
        number = self.draw.choice(sorted(self.model.variables))
        old = self.model.variables[number]
        kind = self.draw.choice(("remove", "widen", "rename", "unit", "add"))
        taken = {each["name"] for each in self.model.variables.values()}
        fresh = next(f"new{place}" for place in range(99) if f"new{place}" not in taken)
        wider = WIDER.get(old["type"], old["type"])
        changes = {
            "remove": (None, None),
            "widen": ({"dataType": wider}, {"type": wider}),
            "rename": ({"name": fresh}, {"name": fresh}),
            "unit": ({"unit": "K"}, {"unit": "K"}),
            "add": ({"dataType": "INT"}, {}),
        }
        sent, change = changes[kind]
        etag = (await self.station.mast.send("GET", PATH)).json()["etag"]
        body = {fresh if kind == "add" else old["name"]: sent}
        answer = await self.station.mast.send("PATCH", f"{PATH}/variables", body, if_match=str(etag))
        assert answer.status_code in {200, 204}, answer.text
        if kind == "add":
            self.model.given += 1
            added = {"name": fresh, "type": "INT", "unit": "", "coded": False}
            self.model.variables[self.model.given] = added
        elif kind == "remove":
            del self.model.variables[number]
        else:
            self.model.variables[number] = {**old, **change}

    async def delete_asset(self):
        """Delete the third asset, once, behind the door's back."""
        if THIRD not in self.model.assets or self.draw.random() < 0.7:
            return
        site = self.station.site
        document = await site.catalog.get("acme", "asset", THIRD)
        body = json.dumps({**json.loads(document.body), "deleted_ms": 1}).encode()
        await site.catalog.replace("acme", "asset", THIRD, body, document.version)
        await site.door.services.refresh()
        self.model.assets.discard(THIRD)

    async def check(self):
        """Hold what the door says, by lists and by routes, against the model."""
        model = self.model
        expected = {mapping_id: model.shown(mapping_id) for mapping_id in model.mappings}
        listed = await self.station.listed(size=2000)
        assert {each["id"]: each for each in listed["content"]} == expected
        for agent in (AGENT, GATEWAY):
            routes = self.station.routes(agent)
            ways = {
                (point, routes.aspects[route.place].asset_id, route.variable.name)
                for point, found in routes.by_point.items()
                for route in found
            }
            own = [each for each in expected.values() if each["agentId"] == agent]
            assert ways == {
                (each["dataPointId"], each["entityId"], each["propertyName"])
                for each in own
                if each["validity"]["status"] == "VALID"
            }
            faults = {
                fault.mapping_id: [reason.value for reason in fault.reasons]
                for found in routes.faults.values()
                for fault in found
            }
            assert faults == {
                each["id"]: each["validity"]["reasons"]
                for each in own
                if each["validity"]["status"] == "INVALID"
            }


@pytest.mark.parametrize("seed", range(6))
async def test_validity_is_what_a_plain_recomputation_gives(site, seed):
    """After every step mappings, their validity and routes follow from what was sent (MS-85, wire 6.1)."""
    await site.catalog.replace("acme", "aspecttype", "acme.weather", msgspec.json.encode(WEATHER), 0)
    await put_agents(site, "acme")
    await put_asset(site, THIRD, "T", None)
    program = Program(Station(site.open), random.Random(seed))
    steps = [
        (program.configure, 2), (program.map, 7), (program.remove, 1), (program.change_type, 3),
        (program.delete_asset, 1),
    ]  # fmt: skip
    await program.configure()
    for _ in range(STEPS):
        (step,) = program.draw.choices([step for step, _ in steps], [weight for _, weight in steps])
        await step()
        await program.check()
    await site.door.services.index.load()
    await program.check()
