"""Registration, rotation and tokens of agents, and who tries to get in otherwise (wire 5.3, TB-13, S4)."""

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jwt

from runtime.ports import DoorPolicy
from schemas.limits import AGENT_CLOCK_SKEW_S_MAX, ASSERTIONS_KEPT_MAX
from tests.api.agents import (
    BASE,
    Device,
    configure,
    device_key,
    keys_of,
    new_agent,
    new_device,
    onboarded,
)
from tests.api.doors import POLICY, bearer
from tests.api.masts import running_site

PROFILES = ("SHARED_SECRET", "RSA_3072")
WEEK_S = 7 * 86_400


@pytest.fixture
async def site():
    """A door with three tenants, one of them with the profile `strict`."""
    async with running_site() as site:
        yield site


def refused(answer, status=401, error="token_validation_failed"):
    """Check that an answer is a refusal in the form of agents' identity; gives its words."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert sorted(body) == ["error", "error_description", "id"]
    assert body["error"] == error
    assert body["error_description"].startswith(f"[{body['id']}] ")
    return body["error_description"]


# -- in, on, and out -------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("limits", ["open", "strict"])
async def test_an_agent_gets_in_and_may_act(site, profile, limits):
    """Configuration, registration, assertion, access token: and the token lets it in (wire 5.3)."""
    caller = site.of(limits)
    device = await onboarded(caller, profile=profile)

    answer = await device.send("GET", f"{BASE}/agents/{device.id}")

    assert answer.status_code == 200
    assert answer.json()["securityProfile"] == profile
    method = "client_secret_jwt" if profile == "SHARED_SECRET" else "private_key_jwt"
    assert device.answer["token_endpoint_auth_method"] == method
    assert ("client_secret" in device.answer) == (profile == "SHARED_SECRET")
    assert device.answer["client_secret_expires_at"] == site.clock.now_ms() // 1_000 + WEEK_S


async def test_an_agents_token_says_what_clients_read(site):
    """Claims and header are those that existing agents see (wire 5.3)."""
    device = await onboarded(site.open)
    token = await device.token()
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])

    assert (head["alg"], head["typ"], "kid" in head) == ("RS256", "JWT", True)
    assert claims.pop("jti")
    assert claims.pop("sid")
    now_s = site.clock.now_ms() // 1_000
    assert claims == {
        "scope": ["mdsp:core:DefaultAgent"], "iss": "aspectstore/api/agentmanagement/", "sub": device.id,
        "zid": "agentiam", "aud": ["southgate"], "iat": now_s, "exp": now_s + 3_600, "ten": "acme",
        "schemas": ["urn:siemens:mindsphere:iam:v1"], "ten_ctx": "main-tenant", "cat": "agent-token:v1",
        "grant_type": "client_credentials", "client_id": device.id,
    }  # fmt: skip


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_a_key_signs_with_each_algorithm_that_clients_use(site, algorithm):
    """The Node SDK signs by RS384, the C library by RS256 (wire 5.3)."""
    device = await onboarded(site.open, profile="RSA_3072")

    assert (await device.ask(device.assertion(algorithm=algorithm))).status_code == 200


@pytest.mark.parametrize("leading_zero", [True, False])
async def test_a_modulus_may_have_a_zero_byte_before_it(site, leading_zero):
    """385 bytes for 3,072 bits are what Node sends; both forms are one key (wire 5.3)."""
    device = await new_device(site.open, profile="RSA_3072")

    assert (await device.register(body=keys_of(device.key, leading_zero=leading_zero))).status_code == 201
    assert (await device.ask()).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{}, {}]}},
        {"jwks": {"keys": [{"kty": "RSA"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}},
        {"jwks": {"keys": [{"kty": "oct", "k": "AQAB"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "A" * 600, "e": "AQAB"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "_" * 512, "e": "AQ"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "_" * 100_0, "e": "AQAB"}]}},
    ],
)
async def test_an_agent_with_a_key_sends_one_that_fits(site, body):
    """None, two, none of RSA, a short one, one without an odd exponent: 400, and the token stays good."""
    device = await new_device(site.open, profile="RSA_3072")

    assert "public RSA key" in refused(await device.register(body=body), 400, "invalid_request")
    assert (await device.register()).status_code == 201


async def test_a_short_key_and_a_private_key_are_refused(site):
    """2,048 bits are not what the profile promises, and a private key should not have left its device."""
    device = await new_device(site.open, profile="RSA_3072")
    private = {"jwks": {"keys": [device.key.as_dict(private=True)]}}

    refused(await device.register(body=keys_of(device_key(2_048))), 400, "invalid_request")
    refused(await device.register(body=private), 400, "invalid_request")


async def test_off_boarding_ends_every_token(site):
    """What the agent holds is refused at once, and a new configuration lets it in again (wire 5.1)."""
    device = await onboarded(site.open)
    token = await device.token()
    path = f"{BASE}/agents/{device.id}"
    assert (await site.http.get(path, headers=bearer(token))).status_code == 200

    answer = await site.open.send("POST", f"{path}/boarding/offboard")

    assert (answer.status_code, answer.json()) == (200, {"status": "NOT_ONBOARDED"})
    assert (await site.http.get(path, headers=bearer(token))).status_code == 401
    refused(await device.ask())
    refused(await device.renew())
    await configure(site.open, device)
    assert (await device.register()).status_code == 201
    assert (await device.send("GET", path)).status_code == 200
    assert (await site.http.get(path, headers=bearer(token))).status_code == 401


async def test_a_suspended_tenants_agents_are_out(site):
    """They neither get in nor go on; once the tenant is resumed they do."""
    device, waiting = await onboarded(site.other), await new_device(site.other, "waiting")
    token = await device.token()
    document = await site.catalog.get("core", "tenant", "other")
    body = json.loads(document.body)
    suspended = json.dumps({**body, "suspended": True}).encode()
    await site.catalog.replace("core", "tenant", "other", suspended, document.version)
    await site.door.services.refresh()

    assert (await site.http.get(f"{BASE}/agents/{device.id}", headers=bearer(token))).status_code == 401
    refused(await device.ask())
    refused(await waiting.register())
    document = await site.catalog.get("core", "tenant", "other")
    await site.catalog.replace("core", "tenant", "other", json.dumps(body).encode(), document.version)
    await site.door.services.refresh()
    assert (await device.ask()).status_code == 200
    assert (await waiting.register()).status_code == 201


async def test_secrets_are_encrypted_where_they_lie_and_in_no_log(site):
    """The catalogue has the secret sealed and the renewing token hashed; the audit log has neither (S16)."""
    device = await onboarded(site.open)
    await device.renew()
    await device.token()
    caller = site.open

    stored = (await site.catalog.get("acme", "registration", device.id)).body.decode()
    lines = (await caller.send("GET", "/api/aspectstore/v1/audit")).text
    for secret in ("client_secret", "registration_access_token"):
        assert device.answer[secret] not in stored
        assert device.answer[secret] not in lines
    assert {action for action in ("agent.register", "agent.renew") if action in lines} == {
        "agent.register",
        "agent.renew",
    }


async def test_without_a_key_for_secrets_agents_have_keys_of_their_own():
    """An installation that seals no secrets refuses the profile when the agent is made, with the remedy."""
    policy = DoorPolicy(**{**{name: getattr(POLICY, name) for name in POLICY.__slots__}, "secrets_key": b""})
    async with running_site(policy) as site:
        body = {"name": "a", "securityProfile": "SHARED_SECRET", "entityId": "0" * 32}
        agent_id = await new_agent(site.open, profile="RSA_3072")
        body["entityId"] = agent_id
        path = f"{BASE}/agents/{agent_id}"
        answer = await site.open.send("PUT", path, body, if_match="0")

        assert answer.status_code == 409
        assert "ASPECTSTORE_SECRETS_KEY" in answer.json()["message"]


# -- rotation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
async def test_rotation_in_the_middle_loses_nothing(site, profile):
    """Access tokens go on, the old credentials are good until the new ones are used, then no more."""
    device = await onboarded(site.open, profile=profile)
    token, before = await device.token(), device.answer
    path = f"{BASE}/agents/{device.id}"

    assert (await device.renew()).status_code == 200
    after = device.answer
    assert (await site.http.get(path, headers=bearer(token))).status_code == 200
    device.answer = before
    assert (await device.ask()).status_code == 200
    device.answer = after
    assert (await device.ask()).status_code == 200

    device.answer = before
    assert (await device.ask()).status_code == (401 if profile == "SHARED_SECRET" else 200)
    refused(await device.renew())
    device.answer = after
    assert (await site.http.get(path, headers=bearer(token))).status_code == 200
    assert (await device.renew()).status_code == 200


async def test_a_rotation_whose_answer_is_lost_is_repeated(site):
    """With the token that it still has the agent asks again, as often as the answer is lost (wire 5.3)."""
    device = await onboarded(site.open)

    for _ in range(3):
        assert (await device.renew(is_lost=True)).status_code == 200
        assert (await device.ask()).status_code == 200
    assert (await device.renew()).status_code == 200
    assert (await device.ask()).status_code == 200


async def test_a_token_two_generations_old_renews_nothing(site):
    """Whoever stole it long ago gets nothing, and the agent goes on (wire 5.3)."""
    device = await onboarded(site.open)
    stolen = device.answer["registration_access_token"]
    await device.renew()
    await device.renew()

    refused(await Device(site.http, site.clock, device.id).renew(stolen))
    assert (await device.ask()).status_code == 200


async def test_the_previous_token_ends_when_the_new_credentials_are_used(site):
    """As long as nobody has used what the rotation gave, the token before renews it once more."""
    device = await onboarded(site.open)
    stolen = device.answer["registration_access_token"]
    await device.renew()
    await device.token()

    refused(await Device(site.http, site.clock, device.id).renew(stolen))


async def test_two_rotations_at_once_give_one(site):
    """Whoever was slower is told to repeat it: 429, as a registration that is running (wire 5.3)."""
    device = await onboarded(site.open)
    store = site.catalog.replace

    async def too_late(*_):
        return None

    site.catalog.replace = too_late
    answer = await device.renew()
    site.catalog.replace = store

    refused(answer, 429, "too_many_requests")
    assert (await device.renew()).status_code == 200


async def test_what_was_not_renewed_ends_and_can_still_be_renewed(site):
    """A secret proves nothing after its week; the token beside it renews it then, too: boards sleep."""
    device = await onboarded(site.open)
    site.clock.advance(WEEK_S * 1_000)

    refused(await device.ask())
    assert (await device.renew()).status_code == 200
    assert (await device.ask()).status_code == 200


async def test_registration_tokens_outlive_the_key_that_signed_them(site):
    """A rotation of the installation's keys ends neither a configuration nor what renews (TB-10)."""
    device, waiting = await onboarded(site.open), await new_device(site.open, "waiting")
    keys = site.door.services.identity.keys
    await keys.rotate(site.clock.now_ms(), 2_048)
    await keys.remove(1, site.clock.now_ms())

    assert (await device.renew()).status_code == 200
    assert (await waiting.register()).status_code == 201


# -- attacks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
async def test_an_assertion_is_good_for_one_use(site, profile):
    """Replayed, by whomever, it is refused; also at another door and after a rotation (S4)."""
    device = await onboarded(site.open, profile=profile)
    assertion = device.assertion()

    assert (await device.ask(assertion)).status_code == 200
    refused(await device.ask(assertion))
    await device.renew()
    refused(await device.ask(assertion))


async def test_more_assertions_than_are_remembered_make_old_ones_worthless(site):
    """What cannot be known any more is refused: no replay gets through, however many were used."""
    device = await onboarded(site.open)
    first = device.assertion()
    assert (await device.ask(first)).status_code == 200
    unused = device.assertion()
    site.clock.advance(1_000)
    for _ in range(ASSERTIONS_KEPT_MAX):
        assert (await device.ask()).status_code == 200

    refused(await device.ask(first))
    refused(await device.ask(unused))
    assert (await device.ask()).status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        {"aud": ["northgate"]},
        {"aud": None},
        {"iss": "f" * 32},
        {"iss": None},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 300},
        {"iat": None},
        {"exp": None},
        {"exp": 1_000},
        {"exp": 1e300},
        {"exp": True},
        {"exp": 2_000_000_000},
        {"iat": 2_000_000_000},
        {"nbf": 2_000_000_000},
    ],
)
async def test_an_assertion_says_what_it_must(site, other):
    """A wrong audience or issuer, no id, no end, an end too far away, a time to come: 401."""
    device = await onboarded(site.open)

    refused(await device.ask(device.assertion(**other)))


@pytest.mark.parametrize("seconds", [-AGENT_CLOCK_SKEW_S_MAX, 0, AGENT_CLOCK_SKEW_S_MAX])
async def test_a_clock_may_be_off_by_some_minutes(site, seconds):
    """Boards guess the time; what they are told with every answer lets them mend it (wire 5.3)."""
    device = await onboarded(site.open)
    now_s = site.clock.now_ms() // 1_000 + seconds

    times = {"iat": now_s, "nbf": now_s, "exp": now_s + 60}
    assert (await device.ask(device.assertion(**times))).status_code == 200
    late = {name: value + (1 if seconds > 0 else -1) * 61 for name, value in times.items()}
    answer = await device.ask(device.assertion(**late))
    assert answer.status_code == (401 if seconds else 200)
    assert answer.headers["server-time"] == str(site.clock.now_ms())


async def test_no_algorithm_but_the_profiles_is_believed(site):
    """None, the public key as a secret, a secret's agent by a key, a key's agent by a secret (S4)."""
    shared, keyed = await onboarded(site.open), await onboarded(site.open, "keyed", "RSA_3072")
    public = keyed.key.as_pem(private=False)
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    payload = base64.urlsafe_b64encode(json.dumps(keyed.claims()).encode()).rstrip(b"=").decode()
    by_hand = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode() + "." + payload
    confused = [
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f"{by_hand}.{_hmac(public, by_hand)}",
        f"{by_hand}.{_hmac(keys_of(keyed.key)['jwks']['keys'][0]['n'].encode(), by_hand)}",
        keyed.assertion(algorithm="HS256", secret=shared.answer["client_secret"]),
        keyed.assertion(algorithm="PS256"),
    ]
    for assertion in confused:
        refused(await keyed.ask(assertion))
        site.clock.advance(60_000)  # The brake is another test's.
    shared.key = keyed.key
    refused(await shared.ask(shared.assertion(algorithm="RS256")))
    head = {"alg": "RS256", "jwk": shared.key.as_dict(private=False)}
    refused(await shared.ask(jwt.encode(head, shared.claims(), shared.key, ["RS256"])))
    shared.key = None
    assert [(await device.ask()).status_code for device in (shared, keyed)] == [200, 200]


def _hmac(secret, text):
    signed = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


async def test_nobody_speaks_for_another_agent(site):
    """With its own secret, another's name, another tenant's name: 401 in the same words (MS-31)."""
    mine, next_door = await onboarded(site.open), await onboarded(site.open, "next")
    theirs = await onboarded(site.other)
    tries = [
        mine.assertion(sub=next_door.id, iss=next_door.id),
        mine.assertion(sub=next_door.id),
        mine.assertion(ten="other"),
        mine.assertion(ten="other", sub=theirs.id, iss=theirs.id),
        mine.assertion(ten="nobody"),
        mine.assertion(ten=None),
        mine.assertion(sub="0" * 32, iss="0" * 32),
        mine.assertion(sub="../x", iss="../x"),
        "a.b.c",
        "a",
        "é.é.é",
        "." * 3_000,
    ]
    words = set()
    for assertion in tries:
        words.add(refused(await mine.ask(assertion)).partition("] ")[2])
        site.clock.advance(120_000)  # The brake is another test's.

    assert len(words) == 1
    renewing = mine.answer["registration_access_token"]
    refused(await Device(site.http, site.clock, next_door.id).renew(renewing))


async def test_the_token_of_a_configuration_is_good_once_and_for_a_week(site):
    """Used, expired, of an off-boarded agent, changed by one letter, or something else: 401 (wire 5.2)."""
    device, late = await new_device(site.open), await new_device(site.open, "late")
    token = device.content["iat"]
    changed = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    refused(await device.register(changed))
    assert (await device.register(token)).status_code == 201
    refused(await device.register(token))
    refused(await device.register(await device.token()))
    refused(await device.register(device.answer["registration_access_token"]))
    refused(await late.register(token))

    site.clock.advance(WEEK_S * 1_000)
    await site.renew()
    old = late.content["iat"]
    refused(await late.register(old))
    await configure(site.open, late)
    assert late.content["iat"] != old
    refused(await late.register(old))
    assert (await late.register()).status_code == 201


async def test_registration_tokens_open_nothing_else(site):
    """Neither the one that registers nor the one that renews is an access token."""
    device = await new_device(site.open)
    initial = device.content["iat"]
    await device.register()
    for token in (initial, device.answer["registration_access_token"]):
        answer = await site.http.get(f"{BASE}/agents/{device.id}", headers=bearer(token))
        assert answer.status_code == 401
    refused(await device.renew(await device.token()))
    refused(await device.renew(initial))


async def test_a_header_that_is_none_is_told_apart(site):
    """400 with a word of its own, as agents expect it (wire 5.3)."""
    for headers in ({}, {"authorization": "Basic x"}, {"authorization": "Bearer"}):
        answer = await site.http.post(f"{BASE}/register", content="{}", headers=headers)
        refused(answer, 400, "invalid_authorization_header")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
    ],
)
async def test_a_form_that_is_none_is_told_so_with_the_time(site, form, error):
    """400 in the form of agents' identity, with the server's time as on every answer (wire 5.3)."""
    device = await onboarded(site.open)

    answer = await device.ask(**form)

    refused(answer, 400, error)
    assert answer.headers["server-time"] == str(site.clock.now_ms())


async def test_bodies_that_are_none_are_refused_in_the_same_form(site):
    """Not JSON, no object, a wrong member, another media type: 400 and 415."""
    device = await new_device(site.open)
    headers = bearer(device.content["iat"])
    for content in ("", "{", "[]", '{"jwks":1}', '{"jwks":{"keys":1}}'):
        refused(
            await site.http.post(f"{BASE}/register", content=content, headers=headers), 400, "invalid_request"
        )
    answer = await site.http.post(f"{BASE}/oauth/token", content="{}")
    refused(answer, 400, "invalid_request")
    answer = await site.http.post(f"{BASE}/oauth/token", content="x", headers={"content-type": "text/plain"})
    refused(answer, 415, "invalid_request")
    assert answer.headers["server-time"] == str(site.clock.now_ms())
    other = json.dumps({"client_id": "f" * 32})
    path = f"{BASE}/register/{device.id}"
    refused(await site.http.put(path, content=other, headers=headers), 400, "invalid_request")


@pytest.mark.parametrize("way", ["register", "renew", "ask"])
async def test_who_guesses_is_braked(site, way):
    """Six wrong tries for one agent from one address, and patience is asked for, right or wrong (S15)."""
    device = await new_device(site.open) if way == "register" else await onboarded(site.open)

    async def wrong():
        if way == "ask":
            return await device.ask(device.assertion(secret="x" * 64))
        held = device.content["iat"] if way == "register" else device.answer["registration_access_token"]
        return await getattr(device, way)(held[:-4] + "abcd")

    answers = [await wrong() for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    refused(answers[-1], 429, "too_many_requests")
    right = await getattr(device, way)()
    refused(right, 429, "too_many_requests")
    site.clock.advance(10_000)
    assert (await getattr(device, way)()).status_code in {200, 201}


async def test_a_forged_issuer_or_category_is_no_token(site):
    """Signed with the installation's own key, a token whose issuer and category differ is refused."""
    device = await onboarded(site.open)
    head, payload, _ = (await device.token()).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    key = site.door.services.identity.keys.signing(site.clock.now_ms())
    path = f"{BASE}/agents/{device.id}"
    for other in ({"cat": "client-token:v1"}, {"iss": "aspectstore/oauth/token"}, {"cat": None}):
        forged = {name: value for name, value in {**claims, **other}.items() if value is not None}
        token = jwt.encode(json.loads(base64.urlsafe_b64decode(head + "==")), forged, key, ["RS256"])
        assert (await site.http.get(path, headers=bearer(token))).status_code == 401
