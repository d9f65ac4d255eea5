"""`tenant`, `user`, `client` and `token` against a stand-in of the service: what is sent, and what is shown.

The same commands against the real service are in tests/e2e.
"""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.client.fake_service import FakeService, answer, refusal

BASE = "/api/aspectstore/v1"
USER = {"name": "ann", "role": "viewer", "scopes": ["iot.tim.r", "asm.r"], "description": "Night",
        "suspended": False, "created": "2026-01-01T00:00:00.000Z"}  # fmt: skip
CLIENT = {"id": "acme-app", "role": None, "scopes": ["asm.r"], "description": "", "suspended": True,
          "grants": ["client_credentials"], "redirectUris": [], "public": False, "created": None}  # fmt: skip
TENANT = {"name": "acme", "companyName": "Acme", "displayName": "acme", "country": "", "timezone": "UTC",
          "profile": None, "retentionDays": 30, "suspended": False, "created": "2026-01-01T00:00:00.000Z",
          "rootAssetId": "f" * 32}  # fmt: skip


class FakeAdministration(FakeService):
    """A stand-in with two users, a technical user and a tenant, that remembers what it was sent."""

    def __init__(self):
        super().__init__()
        self.sent = []
        """Method, path and body of what was asked of accounts and tenants."""

    def handle(self, method, target, headers, body):
        """Answer what an administrator asks, or as the other stand-in does."""
        parts = urlsplit(target)
        if parts.path == "/oauth/token" and b"username" in body:
            self.sent.append(("POST", parts.path, dict(parse_qsl(body.decode()))))
            return answer(200, {"access_token": "a.b.c", "token_type": "bearer", "expires_in": 300})
        if parts.path == "/oauth/check_token":
            self.sent.append(("POST", parts.path, dict(parse_qsl(body.decode()))))
            claims = {
                "ten": "acme",
                "sub": "ann",
                "client_id": "web",
                "scope": ["asm.r"],
                "jti": "1",
                "exp": 9,
            }
            return answer(200, {"active": True, **claims}) if b"good" in body else refusal(403, "x", "No.")
        if not parts.path.startswith(BASE):
            return super().handle(method, target, headers, body)
        if self.refusals:
            return self.refusals.pop(0)
        told = json.loads(body) if body else None
        path = parts.path.removeprefix(f"{BASE}/")
        self.sent.append((method, path, told))
        return self.administer(method, path, dict(parse_qsl(parts.query)))

    def administer(self, method, path, query):
        """Answer in the service's shapes."""
        if method == "DELETE":
            return answer(204)
        if path == "users" and method == "GET":
            users = [USER, {**USER, "name": "ben", "suspended": True}]
            page = (
                {"users": users[1:]} if query.get("after") == "ann" else {"users": users[:1], "next": "ann"}
            )
            return answer(200, page)
        if path == "clients" and method == "GET":
            return answer(200, {"clients": [CLIENT]})
        if path == "tenants":
            made = {"tenant": {**TENANT, "name": "fresh"}, "admin": {**CLIENT, "secret": "adm1n-s3cret"}}
            return answer(200, {"tenants": [TENANT]}) if method == "GET" else answer(201, made)
        if path.startswith("tenant") and not path.endswith("/admins"):
            return answer(200, TENANT)
        if path.startswith("users"):
            shown = {"password": "m4de-up"} if path.endswith(("users", "rotate")) else {}
            return answer(200, {**USER, **shown})
        shown = {} if method in {"GET", "PATCH"} else {"secret": "m4de-up"}
        return answer(200, {**CLIENT, **shown})


@pytest.fixture
def fake():
    """Give a stand-in."""
    return FakeAdministration()


CALLS = [
    (("user", "show", "ann"), ("GET", "users/ann", None)),
    (("user", "create", "ann", "--role", "tenant-admin"),
     ("POST", "users", {"role": "tenant admin", "name": "ann"})),
    (("user", "create", "--scope", "asm.r", "--scope", "asm.w", "--description", "d"),
     ("POST", "users", {"scopes": ["asm.r", "asm.w"], "description": "d"})),
    (("user", "set", "ann", "--role", "upload-only"), ("PATCH", "users/ann", {"role": "upload-only"})),
    (("user", "suspend", "ann"), ("POST", "users/ann/suspend", None)),
    (("user", "resume", "ann"), ("POST", "users/ann/resume", None)),
    (("user", "rotate", "ann"), ("POST", "users/ann/rotate", {})),
    (("user", "delete", "ann", "--yes"), ("DELETE", "users/ann", None)),
    (("client", "show", "a/b"), ("GET", "clients/a%2Fb", None)),
    (("client", "create", "--role", "viewer"),
     ("POST", "clients", {"role": "viewer", "redirectUris": [], "public": False})),
    (("client", "create", "app", "--role", "viewer", "--public", "--redirect-uri", "https://a.example/"),
     ("POST", "clients",
      {"role": "viewer", "id": "app", "redirectUris": ["https://a.example/"], "public": True})),
    (("client", "rotate", "app", "--grace", "60"), ("POST", "clients/app/rotate", {"graceSeconds": 60})),
    (("client", "suspend", "app"), ("POST", "clients/app/suspend", None)),
    (("client", "resume", "app"), ("POST", "clients/app/resume", None)),
    (("client", "set", "app", "--description", ""), ("PATCH", "clients/app", {"description": ""})),
    (("client", "delete", "app", "--yes"), ("DELETE", "clients/app", None)),
    (("tenant", "show"), ("GET", "tenant", None)),
    (("tenant", "show", "acme"), ("GET", "tenants/acme", None)),
    (("tenant", "create", "fresh", "--company", "F", "--profile", "strict", "--retention-days", "30"),
     ("POST", "tenants", {"name": "fresh", "companyName": "F", "profile": "strict", "retentionDays": 30})),
    (("tenant", "set", "--company", "C", "--timezone", "UTC"),
     ("PATCH", "tenant", {"companyName": "C", "timezone": "UTC"})),
    (("tenant", "set", "acme", "--profile", "-", "--retention-days", "-"),
     ("PATCH", "tenants/acme", {"profile": None, "retentionDays": None})),
    (("tenant", "suspend", "acme"), ("POST", "tenants/acme/suspend", None)),
    (("tenant", "resume", "acme"), ("POST", "tenants/acme/resume", None)),
    (("tenant", "admin", "acme"), ("POST", "tenants/acme/admins", None)),
]  # fmt: skip


@pytest.mark.parametrize(("words", "sent"), CALLS, ids=[" ".join(words) for words, _ in CALLS])
def test_a_command_sends_one_request(fake, run, words, sent):
    """Each command is one call of the API, with what was given and nothing else."""
    result = run(*words)

    assert (result.exit_code, result.stderr) == (0, "")
    assert [sent] == fake.sent


def test_lists_are_tables_of_all_pages(fake, run):
    """A page after the other, in columns; a suspended account is marked."""
    result = run("user", "list")

    assert result.stdout.splitlines() == [
        "name  role    suspended  created                   description",
        "ann   viewer             2026-01-01T00:00:00.000Z  Night",
        "ben   viewer  yes        2026-01-01T00:00:00.000Z  Night",
    ]
    assert [path for _, path, _ in fake.sent] == ["users", "users"]
    assert run("tenant", "list").stdout.splitlines()[1].split() == [
        "acme", "Acme", "30", "2026-01-01T00:00:00.000Z",
    ]  # fmt: skip


def test_lists_are_json_where_it_is_asked_for(run):
    """JSON has every member, for programs."""
    [client] = json.loads(run("client", "list", "--format", "json").stdout)

    assert (client["id"], client["suspended"], client["scopes"]) == ("acme-app", True, ["asm.r"])


def test_a_secret_is_shown_with_the_word_to_keep_it(run):
    """What made it prints it, once; what shows the account again does not."""
    assert (
        "password: m4de-up (shown once; keep it)" in run("user", "create", "ann", "--role", "viewer").stdout
    )
    assert "secret: m4de-up (shown once; keep it)" in run("client", "rotate", "acme-app").stdout
    assert "secret: adm1n-s3cret (shown once; keep it)" in run("tenant", "create", "fresh").stdout
    assert "m4de-up" not in run("user", "show", "ann").stdout


@pytest.mark.parametrize("words", [("user", "create", "ann", "--role", "viewer"), ("user", "rotate", "ann")])
def test_a_password_comes_from_a_file_and_never_as_an_argument(fake, run, tmp_path, words):
    """Without the line's end; `-` is the standard input; other users of the machine see arguments."""
    (tmp_path / "p").write_text("p4ssword \n")

    assert run(*words, "--password-file", "p").exit_code == 0
    assert run(*words, "--password-file", "-", input="typed-one\n").exit_code == 0

    assert [told["password"] for _, _, told in fake.sent] == ["p4ssword ", "typed-one"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("user", "set", "ann"), "--role"),
        (("tenant", "set",), "--company"),
        (("tenant", "set", "--profile", "strict"), "NAME"),
        (("tenant", "set", "--retention-days", "many"), "--retention-days"),
        (("user", "create", "ann", "--role", "king"), "--role"),
        (("user", "create", "ann", "--role", "viewer", "--password-file", "none"), "none cannot be read"),
        (("client", "rotate", "app", "--grace", "-1"), "--grace"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_and_not_sent(fake, run, words, told):
    """Exit code 2 and what to give, before anything goes out."""
    result = run(*words)

    assert (result.exit_code, fake.sent) == (2, [])
    assert told in result.stderr


def test_a_refusal_is_one_line(fake, run):
    """The service's words, exit code 2, no traceback."""
    fake.refusals.append(refusal(403, "mdsp.core.generic.forbidden", "The account has what the token lacks."))

    result = run("user", "create", "ann", "--role", "viewer")

    assert result.exit_code == 2
    assert result.stderr.startswith("aspectstore: The account has what the token lacks. (HTTP 403")
    assert len(result.stderr.splitlines()) == 1


def test_deleting_asks_first(fake, run):
    """Without --yes and without an answer nothing is deleted."""
    assert run("user", "delete", "ann", input="n\n").exit_code == 1
    assert run("user", "delete", "ann").exit_code == 1
    assert fake.sent == []
    assert run("user", "delete", "ann", input="y\n").exit_code == 0


def test_a_token_is_printed_alone_or_for_the_shell(fake, run):
    """Standard output has nothing else, so that another program takes it; its end is told beside."""
    plain = run("token", "get")
    exported = run("token", "get", "--export")

    assert plain.stdout == f"{plain.stdout.strip()}\n"
    assert len(plain.stdout.split(".")) == 3
    assert "1799 seconds" in plain.stderr
    assert exported.stdout.startswith("export TOKEN=")


def test_a_user_logs_in_with_a_password_that_is_not_shown(fake, run, tmp_path):
    """From a file or typed unseen; scopes narrow the token."""
    (tmp_path / "p").write_text("p4ss\n")
    first = run(
        "token", "get", "--user", "ann", "--password-file", "p", "--scope", "asm.r", "--scope", "em.r"
    )
    typed = run("token", "get", "--user", "ann", input="typed-one\n")

    form = {"grant_type": "password", "username": "ann"}
    assert [told for *_, told in fake.sent] == [
        {**form, "scope": "asm.r em.r", "password": "p4ss"},
        {**form, "password": "typed-one"},
    ]
    assert first.stdout == typed.stdout == "a.b.c\n"
    assert "typed-one" not in typed.stdout + typed.stderr


def test_a_token_is_checked_without_standing_in_the_list_of_processes(fake, run, tmp_path):
    """It comes from a file or the standard input; one that does not hold is exit code 2."""
    (tmp_path / "t").write_text("good.token\n")

    shown = run("token", "check", "t")
    refused = run("token", "check", input="bad.token\n")

    assert (shown.exit_code, "sub: ann" in shown.stdout, "scope: asm.r" in shown.stdout) == (0, True, True)
    assert [told["token"] for *_, told in fake.sent] == ["good.token", "bad.token"]
    assert refused.exit_code == 2
    assert "does not hold" in refused.stderr
