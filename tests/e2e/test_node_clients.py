"""Existing clients work unmodified: the dialect's SDK and command for Node against a running service.

Every request is the client's own; `tests/e2e/node` holds the programs that use the SDK.
"""

import json
import re
import secrets
from datetime import UTC, datetime, timedelta

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

    asset = make_machine(clients)
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


def test_the_command_boards_an_agent(clients):
    """An agent made, boarded, mapped, fed from a table, watched and offboarded by the command."""
    clients.log_in()
    asset = make_machine(clients)
    clients.command("create-agent", "--config", "agent.json", "--agentname", "Box")
    assert "succesfully onboarded" in clients.command("onboard", "--config", "agent.json")
    clients.command("configure-agent", "--config", "agent.json", "--assetid", asset)
    assert "is ONBOARDED" in clients.command("agent-status", "--config", "agent.json")
    clients.command("register-diagnostic", "--config", "agent.json")

    now = datetime.now(UTC).replace(microsecond=0)
    earlier, later = (
        (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z") for minutes in (20, 10)
    )
    rows = (
        f"{earlier},DP-var2,0,5",
        f"{earlier},DP-var3,0,1.25",
        f"{later},DP-var2,0,6",
        f"{later},DP-x,0,1",
    )
    (clients.home / "data.csv").write_text("\n".join(("timestamp,dataPointId,qualityCode,value", *rows, "")))
    clients.command("upload-timeseries", "--config", "agent.json", "--file", "data.csv", "--no-validation")

    read = clients.command("timeseries", "--assetid", asset, "--aspectname", "Env")
    assert "There were 2" in read
    assert re.search(rf"{earlier}.*var2: 5.*var3: 1.25", read)
    said = clients.command("get-diagnostic", "--config", "agent.json")
    assert "<1> values are dropped" in said
    clients.command("unregister-diagnostic", "--config", "agent.json")
    clients.command("offboard-agent", "--config", "agent.json")
    assert "is NOT_ONBOARDED" in clients.command("agent-status", "--config", "agent.json")


def make_machine(clients):
    """Make an aspect type, an asset type and an asset from the command's templates; gives the asset's id."""
    tenant, home = clients.told[3], clients.home
    clients.command("aspects", "--mode", "template", "--aspect", "Env")
    clients.command("aspects", "--mode", "create", "--file", "Env.aspect.mdsp.json")
    clients.command("asset-types", "--mode", "template", "--assettype", "Machine")
    template = home / "Machine.assettype.mdsp.json"
    edited = json.loads(template.read_text()) | {
        "aspects": [{"name": "Env", "aspectTypeId": f"{tenant}.Env"}],
        "fileAssignments": [],
    }
    template.write_text(json.dumps(edited))
    clients.command("asset-types", "--mode", "create", "--file", template.name)
    clients.command("assets", "--mode", "template", "--typeid", f"{tenant}.Machine")
    clients.command("assets", "--mode", "create", "--file", "unnamed.asset.mdsp.json")
    listed = clients.command("assets", "--mode", "list")
    return re.search(rf"^([0-9a-f]{{32}}).*\[{tenant}\.Machine\]", listed, re.MULTILINE)[1]


@pytest.mark.parametrize("profile", ["SHARED_SECRET", "RSA_3072"])
def test_an_agent_with_the_sdk(clients, profile):
    """Boarded, configured, mapped, uploading, rotated, offboarded (wire 13: 1, 2, 3, 5, 6, 12, 13, 16)."""
    seen = clients.program("agent_walk.js", profile)

    assert "Unauthorized" in seen.pop("sameInvitationTwice")
    assert "Unauthorized" in seen.pop("afterOffboarding")
    record = {
        "running": True, "running_qc": "0", "rpm": 7, "rpm_qc": "0", "power": 1.5, "power_qc": "0",
    }  # fmt: skip
    assert seen == {
        "idIsAsset": True,
        "statusBefore": "NOT_ONBOARDED",
        "profiles": [profile],
        "onboarded": True,
        "statusAfter": "ONBOARDED",
        "noConfiguration": 0,
        "points": [["running", "BOOLEAN"], ["rpm", "INT"], ["power", "DOUBLE"]],
        "mappings": ["power", "rpm", "running"],
        "times": [0, 1000, 2000],
        "records": [record] * 3,  # the second came in two posts, whose cells are one record
        "events": ["too hot"],
        "file": "from the agent",
        "diagnosed": True,
        "online": "ONLINE",
        "offboarded": "NOT_ONBOARDED",
    }
