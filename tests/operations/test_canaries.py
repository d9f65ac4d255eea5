"""Secrets, tokens and bodies, put through every route of a running service, turn up nowhere (S16)."""

import base64
import json
import re

import httpx
import msgspec
import pytest

from api.app import ROUTES
from api.http.asgi import BODILESS
from bench.tenant import ASPECT
from tests.operations.conftest import CREDENTIALS

BODY = "canary-body-51c0ffee"
PASSWORD = "canary-password-0dd1e5"
TOKEN = "canary.token.8badf00d"
KEY = "canary-key-c0de"
COOKIE = "canary-cookie-feed"
SECRETS = (CREDENTIALS.secret, PASSWORD, TOKEN, COOKIE)

CALLS = [
    (method, re.sub(r"\{(\w+):int\}", "1", re.sub(r"\{(\w+):str\}", "0" * 32, path)))
    for handler in ROUTES
    for path in handler.paths
    for method in sorted(handler.http_methods)
]
BODIES = [
    json.dumps([{"_time": "2026-01-01T00:00:00Z", "temperature": BODY, BODY: 1}]),
    json.dumps(
        {"name": BODY, "variables": [{"name": BODY, "dataType": BODY}], "typeId": BODY, "parentId": BODY}
    ),
    f'{{"{BODY}": ',
    "[" * 3_000 + BODY,
    json.dumps({"timeseries": [{"entityId": BODY, "propertySetName": BODY, "data": [{"_time": BODY}]}]}),
]


def basic(client, secret):
    """Give the header of a client that logs in."""
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


@pytest.fixture(scope="module")
def said(service):
    """Put canaries through every route; gives what the service logged, and every answer by its call."""
    answers = []
    # Each request on a connection of its own: a refusal may close one that the next would have used.
    alone = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=service.url, trust_env=False, timeout=30, limits=alone) as http:
        token = _login(http)
        for method, path in CALLS:
            for body in BODIES if method not in BODILESS else [None]:
                for authorization in (f"Bearer {token}", f"Bearer {TOKEN}", basic("canary-client", PASSWORD)):
                    headers = {
                        "authorization": authorization,
                        "content-type": "application/json",
                        "idempotency-key": KEY,
                        "cookie": f"session={COOKIE}",
                    }
                    answers.append(http.request(method, path, content=body, headers=headers))
        answers += _logins(http)
        answers += _writes(http, token)
        shown = [
            http.get(path, headers={"authorization": f"Bearer {token}"})
            for path in ("/metrics", "/health", "/docs/openapi.json", "/docs")
        ]
        answers += [answer for answer in shown if answer.status_code != 200]
    return (
        service.output.read_text(),
        answers,
        [answer for answer in shown if answer.status_code == 200],
        token,
    )


def _login(http):
    form = {"grant_type": "client_credentials"}
    answer = http.post(
        "/oauth/token", data=form, headers={"authorization": basic(CREDENTIALS.client, CREDENTIALS.secret)}
    )
    return answer.json()["access_token"]


def _logins(http):
    """Log in in every wrong way that has a secret in it."""
    forms = [
        {"grant_type": "password", "username": "board", "password": PASSWORD},
        {"grant_type": "client_credentials", "client_id": CREDENTIALS.client, "client_secret": PASSWORD},
        {"grant_type": "refresh_token", "refresh_token": PASSWORD},
        {"grant_type": PASSWORD, "client_secret": PASSWORD},
        {"token": TOKEN, "password": PASSWORD},
    ]
    return [
        http.post(path, data=form, headers=headers)
        for form in forms
        for path in ("/oauth/token", "/oauth/check_token")
        for headers in ({}, {"authorization": basic(CREDENTIALS.client, PASSWORD)})
    ]


def _writes(http, token):
    """Store canaries as values, and send some that are refused."""
    headers = {"authorization": f"Bearer {token}"}
    base = "/api/assetmanagement/v3"
    variables = [{"name": "label", "dataType": "STRING", "length": 50, "unit": ""}]
    aspect = {"name": "c", "category": "dynamic", "scope": "private", "variables": variables}
    aspect_type, asset_type = f"{base}/aspecttypes/canary.c", f"{base}/assettypes/canary.t"
    made = {
        "name": "t", "parentTypeId": "core.basicasset", "instantiable": True, "scope": "private",
        "aspects": [{"name": ASPECT, "aspectTypeId": "canary.c"}], "variables": [],
    }  # fmt: skip
    once = {**headers, "if-none-match": "*"}
    http.put(aspect_type, json=aspect, headers=once).raise_for_status()
    http.put(asset_type, json=made, headers=once).raise_for_status()
    root = http.get(f"{base}/assets/root", headers=headers).json()["assetId"]
    asset = http.post(
        f"{base}/assets", json={"name": "a", "typeId": "canary.t", "parentId": root}, headers=headers
    ).json()["assetId"]
    path = f"/api/iottimeseries/v3/timeseries/{asset}/{ASPECT}"
    stored = [{"_time": "2026-01-01T00:00:00Z", "label": BODY}]
    http.put(
        f"{path}?wait=applied", json=stored, headers=headers | {"idempotency-key": KEY}
    ).raise_for_status()
    assert BODY == http.get(path, headers=headers).json()[0]["label"]
    refused = [
        [{"_time": BODY, "label": "x"}],
        [{"_time": "2026-01-01T00:00:00Z", "label": BODY * 5}],
        [{"_time": "2026-01-01T00:00:00Z", "label": {BODY: BODY}}],
        [{"_time": "2026-01-01T00:00:00Z", BODY: 1}],
        [{"_time": "2026-01-01T00:00:00Z", "label": BODY + "\0"}],
    ]
    answers = [http.put(path, json=body, headers=headers) for body in refused]
    other = [{"_time": "2026-01-01T00:00:00Z", "label": BODY + "2"}]
    answers.append(http.put(path, json=other, headers=headers | {"idempotency-key": KEY}))
    assert all(400 <= answer.status_code < 500 for answer in answers)
    return answers


def test_no_log_line_holds_a_canary(said):
    """Logs at their most talkative: no secret, no token, no key, no body."""
    log, answers, _, token = said

    assert len(answers) > 200
    assert '"level":"debug"' in log.replace(" ", "")
    for canary in (*SECRETS, BODY, KEY, token, token.split(".")[1]):
        assert canary not in log, _lines(log, canary)


def test_every_line_is_json(said):
    """One object a line, whatever was sent."""
    log, *_ = said
    lines = [line for line in log.splitlines() if line.startswith("{")]

    assert lines
    assert all(isinstance(msgspec.json.decode(line), dict) for line in lines)
    others = [line for line in log.splitlines() if not line.startswith("{")]
    assert [line.split(" ")[0] for line in others] == ["ready"], others


def test_no_refusal_holds_a_secret_or_a_body(said):
    """No secret comes back; who is not let in hears nothing of his body, who is, his own words at most."""
    _, answers, _, token = said
    refused = [answer for answer in answers if answer.status_code >= 400]

    assert len(refused) > 200
    assert not [answer.request.url for answer in refused if answer.status_code >= 500]
    for answer in refused:
        unknown = (BODY,) if answer.status_code in {401, 403} else ()
        for canary in (*SECRETS, token, KEY, *unknown):
            assert canary not in answer.text, (answer.request.method, answer.request.url, answer.text)


def test_metrics_and_description_hold_no_canary(said):
    """What operators and everybody may read is made of our own words."""
    _, _, shown, token = said

    assert 4 == len(shown)
    for answer in shown:
        for canary in (*SECRETS, BODY, KEY, token, "canary"):
            assert canary not in answer.text, answer.request.url


def _lines(log, canary):
    return [line[:500] for line in log.splitlines() if canary in line][:3]
