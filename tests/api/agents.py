"""Agents as clients play them: made by an account, then on their own with what they are given."""

from __future__ import annotations

import base64
import functools
import json
import uuid

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.api.doors import bearer

BASE = "/api/agentmanagement/v3"
ASSETS = "/api/assetmanagement/v3"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@functools.cache
def device_key(bits=3_072):
    """Give the private key of a device: drawing one takes longer than most tests, so they share one."""
    return RSAKey.generate_key(bits)


def keys_of(key, *, leading_zero=True):
    """Write a public key as the Node SDK does: one name for all, and a zero byte before the modulus."""
    public = key.as_dict(private=False)
    modulus = base64.urlsafe_b64decode(public["n"] + "=" * (-len(public["n"]) % 4))
    if leading_zero:
        modulus = b"\0" + modulus
    text = base64.urlsafe_b64encode(modulus).rstrip(b"=").decode()
    return {"jwks": {"keys": [{"kty": "RSA", "kid": "mindconnect-key-1", "n": text, "e": public["e"]}]}}


class Device:
    """An agent on its device: what it was given, and what it sends."""

    def __init__(self, http, clock, agent_id, *, key=None, tenant="acme"):
        self.http, self.clock, self.id, self.tenant = http, clock, agent_id, tenant
        self.key = key
        self.content = {}
        self.answer = {}

    async def register(self, token=None, body=None):
        """Register with the token of the configuration; gives the answer."""
        token = self.content.get("iat") if token is None else token
        if body is None:
            body = {} if self.key is None else keys_of(self.key)
        answer = await self.http.post(f"{BASE}/register", content=json.dumps(body), headers=bearer(token))
        if answer.status_code == 201:
            self.answer = answer.json()
        return answer

    async def renew(self, token=None, *, is_lost=False, body=None):
        """Renew what it has; gives the answer, which it may never see."""
        token = self.answer["registration_access_token"] if token is None else token
        if body is None:
            body = {"client_id": self.id} | ({} if self.key is None else keys_of(self.key))
        path = f"{BASE}/register/{self.id}"
        answer = await self.http.put(path, content=json.dumps(body), headers=bearer(token))
        if answer.status_code == 200 and not is_lost:
            self.answer = answer.json()
        return answer

    def claims(self, **other):
        """Give the claims of an assertion as the Node SDK writes them; None leaves one out."""
        now_s = self.clock.now_ms() // 1_000
        claims = {
            "iss": self.id, "sub": self.id, "aud": ["southgate"], "iat": now_s, "nbf": now_s,
            "exp": now_s + 3_600, "jti": str(uuid.uuid4()), "schemas": ["urn:siemens:mindsphere:v1"],
            "ten": self.tenant,
        } | other  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(self, *, algorithm=None, secret=None, **other):
        """Sign an assertion with what it has."""
        algorithm = algorithm or ("HS256" if self.key is None else "RS384")
        key = self.key
        if algorithm.startswith("HS"):
            key = OctKey.import_key(self.answer["client_secret"] if secret is None else secret)
        return jwt.encode({"alg": algorithm}, self.claims(**other), key, [algorithm])

    async def ask(self, assertion=None, **form):
        """Ask for an access token; gives the answer."""
        asked = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
            **form,
        }
        return await self.http.post(f"{BASE}/oauth/token", data=asked)

    async def token(self):
        """Get an access token."""
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    async def send(self, method, path, body=None, **headers):
        """Send a request with a new token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        return await self.http.request(
            method, path, content=content, headers={**bearer(await self.token()), **named}
        )


async def new_asset(caller, name="device", **more):
    """Make an asset that may have an agent; gives its id. `caller` is a mast of `tests.api.masts`."""
    root = (await caller.send("GET", f"{ASSETS}/assets/root")).json()["assetId"]
    body = {"name": name, "typeId": "core.mclib", "parentId": root, **more}
    answer = await caller.send("POST", f"{ASSETS}/assets", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["assetId"]


async def new_agent(caller, name="device", profile="SHARED_SECRET"):
    """Make an asset with an agent; gives the agent's id."""
    body = {"name": name, "securityProfile": profile, "entityId": await new_asset(caller, name)}
    answer = await caller.send("POST", f"{BASE}/agents", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def new_device(caller, name="device", profile="SHARED_SECRET"):
    """Make an agent whose device has its configuration and has not registered."""
    agent_id = await new_agent(caller, name, profile)
    key = device_key() if profile == "RSA_3072" else None
    device = Device(caller.site.http, caller.site.clock, agent_id, key=key, tenant=caller.tenant)
    await configure(caller, device)
    return device


async def configure(caller, device):
    """Fetch a device's configuration for it."""
    answer = await caller.send("GET", f"{BASE}/agents/{device.id}/boarding/configuration")
    assert answer.status_code == 200, answer.text
    device.content = answer.json()["content"]


async def onboarded(caller, name="device", profile="SHARED_SECRET"):
    """Make an agent whose device has registered."""
    device = await new_device(caller, name, profile)
    assert (await device.register()).status_code == 201
    return device
