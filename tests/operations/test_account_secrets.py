"""Secrets of accounts, made, used, renewed and refused at a running service, turn up nowhere (S16)."""

import base64

import httpx
import pytest

from bench.tenant import Tenant
from tests.operations.conftest import CREDENTIALS

BASE = "/api/aspectstore/v1"
CHOSEN, NEXT = "canary-chosen-3b9d1f", "canary-next-77e0aa"
REFUSED = "canary-refused-91\tcc"


def basic(client, secret):
    """Give the header of a client that logs in."""
    return {"authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


@pytest.fixture(scope="module")
def said(service):
    """Live an account's life; gives the log, the answers that may not have a secret, and every secret."""
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30) as http:
        form = {"grant_type": "client_credentials"}
        login = http.post("/oauth/token", data=form, headers=basic(CREDENTIALS.client, CREDENTIALS.secret))
        http.headers["authorization"] = f"Bearer {login.json()['access_token']}"
        secrets, answers = [CHOSEN, NEXT, REFUSED, REFUSED.partition("\t")[0]], []

        def post(path, body=None, *, shows="", headers=None):
            answer = http.post(path, json=body, headers=headers)
            if shows:
                secrets.append(answer.json()[shows])
            else:
                answers.append(answer)
            return answer

        post(f"{BASE}/users", {"name": "ann", "role": "viewer", "password": CHOSEN})
        post(f"{BASE}/users", {"name": "ann", "role": "viewer", "password": NEXT})  # taken
        post(f"{BASE}/users", {"role": "viewer", "password": REFUSED})
        post(f"{BASE}/users", {"role": "king", "password": NEXT, "secret": NEXT})
        post(f"{BASE}/users", {"name": "ben", "role": "viewer"}, shows="password")
        post(f"{BASE}/users/ann/rotate", {"password": NEXT})
        post(f"{BASE}/users/ben/rotate", {}, shows="password")
        client = post(f"{BASE}/clients", {"role": "viewer"}, shows="secret").json()
        post(f"{BASE}/clients/{client['id']}/rotate", {"graceSeconds": 60}, shows="secret")
        made = http.post(f"{BASE}/tenants", json={"name": "fresh"}).json()["admin"]
        secrets.append(made["secret"])
        post(f"{BASE}/tenants/fresh/admins", shows="secret")
        for secret in (*secrets, client["secret"]):
            log_in = {"grant_type": "password", "username": "ann", "password": secret}
            answers.append(http.post("/oauth/token", data=log_in, headers=basic("web", "secret")))
            answers.append(http.post("/oauth/token", data=form, headers=basic(client["id"], secret)))
        for kind, name in (("users", "ann"), ("users", "ben"), ("clients", client["id"])):
            post(f"{BASE}/{kind}/{name}/suspend")
            post(f"{BASE}/{kind}/{name}/resume")
            answers.append(http.patch(f"{BASE}/{kind}/{name}", json={"description": "d"}))
            answers.append(http.get(f"{BASE}/{kind}/{name}"))
            answers.append(http.delete(f"{BASE}/{kind}/{name}"))
        answers += [
            http.get(path)
            for path in (
                f"{BASE}/users",
                f"{BASE}/clients",
                f"{BASE}/tenants",
                "/metrics",
                "/docs/openapi.json",
            )
        ]
    with Tenant(service.url, CREDENTIALS) as tenant:  # A write, of which the log says most.
        [asset] = tenant.create_assets(1)
        record = [{"_time": "2026-01-01T00:00:00Z", "temperature": 1.5}]
        tenant.ask("PUT", f"{tenant.series_path(asset)}?wait=applied", record)
    return service.output.read_text(), answers, secrets


def test_no_log_line_holds_a_secret_or_its_hash(said):
    """Logs at their most talkative say who did what, and nothing that logs in."""
    log, _, secrets = said

    assert len(secrets) >= 9
    assert '"level":"debug"' in log.replace(" ", "")
    assert not [secret for secret in (*secrets, "$argon2id$") if secret in log]


def test_no_answer_repeats_a_secret(said):
    """Neither refusals nor lists nor tokens nor what shows the account again."""
    _, answers, secrets = said

    assert len(answers) > 30
    assert not [answer.request.url for answer in answers if answer.status_code >= 500]
    for answer in answers:
        for secret in (*secrets, "$argon2id$"):
            assert secret not in answer.text, (answer.request.method, answer.request.url)
