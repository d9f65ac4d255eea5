"""Existing clients work unmodified: the dialect's SDK and command for Node against a running service.

Every request is the client's own; `tests/e2e/node` holds the programs that use the SDK.
"""

import json
import re
import secrets

import pytest

from tests.conftest import need
from tests.e2e import node_clients
from tests.e2e.node_clients import NodeClients

ENVIRONMENT_SECONDS = [f"2026-01-01T00:00:0{second}.000Z" for second in range(3)]


@pytest.fixture
def clients(service, command, tmp_path):
    """The Node clients as the administrator of a tenant that nobody else of the run uses."""
    need("node", node_clients.missing())
    name = "n" + secrets.token_hex(3)
    said = command("tenant", "create", name, "--format", "json")
    assert said.returncode == 0, said.stderr
    admin = json.loads(said.stdout)["admin"]
    home = tmp_path / "home"
    home.mkdir()
    return NodeClients(home, service.url, name, admin["id"], admin["secret"])


def test_a_program_with_the_sdk(clients):
    """Model, series, aggregates, files in parts, events, tenant: each call answers as the SDK expects."""
    seen = clients.program("tenant_walk.js")

    tenant = clients.told[3]
    refusals = {name: seen.pop(name) for name in ("aspectTypeAgain", "stale", "unknownVariable", "gone")}
    assert [re.search(r"occured ([A-Za-z ]+) {", text)[1] for text in refusals.values()] == [
        "Precondition Failed", "Precondition Failed", "Bad Request", "Not Found",
    ]  # fmt: skip
    assert "humidity" in refusals["unknownVariable"]
    assert (
        seen
        == {
            "billboard": True,
            "aspectType": f"{tenant}.Environment",
            "assetType": f"{tenant}.Pump",
            "patched": "patched",
            "place": "Austria",
            "placeAfter": None,
            "listed": ["Pump 1"],
            "beyond": [1, 0],
            "aspects": ["Environment", "connectivityStatus"],
            "lock": False,
            "modelFile": "a picture",
            "records": [
                {"_time": time, "temperature": 20.5 + second, "temperature_qc": "0", "rpm": 100 * second}
                for second, time in enumerate(ENVIRONMENT_SECONDS)
            ],
            "firstPage": 2,
            "nextPage": ENVIRONMENT_SECONDS[2:],
            "hour": [2, 22.5, 300],  # (from, to]: the record at the hour itself belongs to the one before
            "left": ENVIRONMENT_SECONDS[2:],
            "fileText": "small",
            "fileRange": "sm",
            "files": [["a b.txt", 5, 0], ["large.bin", 17 * 1024 * 1024, 0]],
            "largeEqual": True,
            "filesLeft": ["large.bin"],
            "acknowledged": True,
            "events": ["hot"],
            "standardType": "GLOBAL",
            "tenant": tenant,
            "regions": [],
            "subtenant": "north",
            "subtenants": [1, True],
        }
    )


def test_the_command(clients):
    """Types and assets from the command's own templates, files, events, series: as its manual walks them."""
    tenant, home = clients.told[3], clients.home
    clients.log_in()
    assert clients.command("service-token").count(".") == 2

    clients.command("aspects", "--mode", "template", "--aspect", "Env")
    clients.command("aspects", "--mode", "create", "--file", "Env.aspect.mdsp.json")
    clients.command("asset-types", "--mode", "template", "--assettype", "Machine")
    template = home / "Machine.assettype.mdsp.json"
    edited = json.loads(template.read_text()) | {
        "aspects": [{"name": "Env", "aspectTypeId": f"{tenant}.Env"}], "fileAssignments": [],
    }  # fmt: skip
    template.write_text(json.dumps(edited))
    clients.command("asset-types", "--mode", "create", "--file", template.name)
    clients.command("assets", "--mode", "template", "--typeid", f"{tenant}.Machine")
    clients.command("assets", "--mode", "create", "--file", "unnamed.asset.mdsp.json")

    listed = clients.command("assets", "--mode", "list")
    asset = re.search(rf"^([0-9a-f]{{32}}).*\[{tenant}\.Machine\]", listed, re.MULTILINE)[1]
    assert "2 assets listed." in listed
    assert asset in clients.command("assets", "--mode", "tree")
    assert "0 aggregates listed." in clients.command("aggregates", "--assetid", asset, "--aspectname", "Env")
    assert "There were 0" in clients.command("timeseries", "--assetid", asset, "--aspectname", "Env")

    (home / "note.txt").write_text("hello\n")
    clients.command("upload-file", "--file", "note.txt", "--assetid", asset)
    assert "note.txt" in clients.command("list-files", "--assetid", asset)
    clients.command("delete-file", "--assetid", asset, "--file", "note.txt")
    assert "note.txt" not in clients.command("list-files", "--assetid", asset)

    clients.command("create-event", "--assetid", asset, "--desc", "much too hot")
    assert "much too hot" in clients.command("events", "--mode", "list")
    assert tenant in clients.command("tenant")
