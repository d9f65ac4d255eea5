"""A tenant's life by the command, against a whole service: made, peopled, used, suspended (TB-12, IX-21)."""

import json
import secrets

import pytest

from tests.e2e.conftest import clean_environ, run


@pytest.fixture
def as_client(service, tmp_path):
    """Give a function that runs the command as any technical user, and reads its JSON."""

    def run_as(client, secret, *words):
        variables = {"URL": service.url, "CLIENT": client, "SECRET": secret}
        environ = clean_environ() | {f"ASPECTSTORE_{name}": value for name, value in variables.items()}
        result = run((*words, "--format", "json"), environ, tmp_path)
        return result.returncode, json.loads(result.stdout) if result.returncode == 0 else result.stderr

    return run_as


def test_a_tenant_is_made_peopled_and_suspended(service, command, as_client, tmp_path):
    """The admin of a new tenant makes a user and a program; both act until they may no more."""
    name = "t" + secrets.token_hex(3)
    made = json.loads(command("tenant", "create", name, "--company", "New", "--format", "json").stdout)
    admin = (made["admin"]["id"], made["admin"]["secret"])

    code, own = as_client(*admin, "tenant", "show")
    assert (code, own["companyName"]) == (0, "New")
    code, program = as_client(*admin, "client", "create", "--role", "viewer")
    assert code == 0
    refused = as_client(program["id"], program["secret"], "user", "create", "--role", "viewer")
    assert (refused[0], "aspectstore.accounts.w" in refused[1]) == (2, True)

    (tmp_path / "password").write_text("a-long-password\n")
    code, user = as_client(
        *admin, "user", "create", f"{name}-ann", "--role", "operator", "--password-file", "password"
    )
    assert (code, user["role"]) == (0, "operator")
    assert [each["name"] for each in as_client(*admin, "user", "list")[1]] == [f"{name}-ann"]

    code, rotated = as_client(*admin, "client", "rotate", program["id"])
    assert code == 0
    assert as_client(program["id"], program["secret"], "tenant", "show")[0] == 2
    assert as_client(program["id"], rotated["secret"], "tenant", "show")[0] == 0
    assert as_client(*admin, "client", "suspend", program["id"])[1]["suspended"] is True
    assert as_client(program["id"], rotated["secret"], "tenant", "show")[0] == 2

    assert command("tenant", "suspend", name).returncode == 0
    assert as_client(*admin, "tenant", "show")[0] == 2
    assert command("tenant", "resume", name).returncode == 0
    assert as_client(*admin, "tenant", "show")[0] == 0


def test_a_token_goes_from_one_program_to_another(service, command, tmp_path):
    """`token get` prints it, and what it says is read back by `token check`."""
    token = command("token", "get", "--scope", "asm.r")
    assert token.returncode == 0, token.stderr
    path = tmp_path / "token"
    path.write_text(token.stdout)

    checked = json.loads(command("token", "check", path, "--format", "json").stdout)

    assert (checked["ten"], checked["scope"]) == ("acme", ["asm.r"])
