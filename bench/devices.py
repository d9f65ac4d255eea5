"""Agents as a measurement plays them: keys, assertions, messages as published clients write them (wire 6.3).

An agent with a secret writes as the Node agent does, one with a key as the C library does. What it measures
follows from its number and the count of the sample alone, so that a reader knows what must be stored.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import numpy as np
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from bench.generator import request_bytes
from bench.workload import START_MS, time_texts

AGENTS = "/api/agentmanagement/v3"
EXCHANGE = "/api/mindconnect/v3/exchange"
CONFIGURATION = "CF"
SECRET, KEY = "SHARED_SECRET", "RSA_3072"

POINTS = {"dp-t": "temperature", "dp-h": "humidity", "dp-p": "pressure"}
"""Data points, and the variables that they are mapped to."""

SAMPLE_MS = 2_000
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_META = "application/vnd.siemens.mindsphere.meta+json"
_NODE, _INNER = "mindspheremessage", "mindspherepart"


class Sample(NamedTuple):
    """What one agent measured at one time: a text by data point."""

    time: str
    values: dict[str, str]


def draw_keys(count: int) -> list[RSAKey]:
    """Draw a pool of keys: one takes longer than everything else that an agent does."""
    return [RSAKey.generate_key(3_072) for _ in range(count)]


@dataclass(slots=True)
class Agent:
    """One device: what it was given, and what it sends.

    A third of all has one data point only; a third of those with a key sends the last in a tuple of its own.
    """

    number: int
    tenant: str
    host: str
    key: RSAKey | None
    id: str = ""
    secret: str = ""
    token: str = ""
    spare: list[bytes] = field(default_factory=list)
    """Requests for tokens that are signed already: signing is no work for the time of a measurement."""

    @property
    def profile(self) -> str:
        """Give how it proves itself."""
        return SECRET if self.key is None else KEY

    @property
    def points(self) -> list[str]:
        """Give its data points."""
        return list(POINTS)[:1] if self.number % 3 == 0 else list(POINTS)

    # Its way in.

    def keys(self) -> dict[str, Any]:
        """Write the body of its registration."""
        if self.key is None:
            return {}
        public = self.key.as_dict(private=False)
        named = {"kty": "RSA", "kid": "mindconnect-key-1", "n": public["n"], "e": public["e"]}
        return {"jwks": {"keys": [named]}}

    def token_request(self) -> bytes:
        """Write a request for a token, with an assertion that is good for an hour, once."""
        now_s = int(time.time())
        claims = {
            "iss": self.id, "sub": self.id, "aud": ["southgate"], "iat": now_s, "nbf": now_s,
            "exp": now_s + 3_600, "jti": str(uuid.uuid4()), "schemas": ["urn:siemens:mindsphere:v1"],
            "ten": self.tenant,
        }  # fmt: skip
        algorithm = "HS256" if self.key is None else "RS256"
        key = OctKey.import_key(self.secret) if self.key is None else self.key
        assertion = jwt.encode({"alg": algorithm}, claims, key, [algorithm])
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        return self._request(
            f"{AGENTS}/oauth/token", urlencode(form).encode(), "application/x-www-form-urlencoded"
        )

    # What it sends.

    def samples(self, turn: int, count: int) -> list[Sample]:
        """Give what it measured before an upload."""
        first = turn * count
        texts = time_texts(START_MS + SAMPLE_MS * np.arange(first, first + count)).tolist()
        return [
            Sample(f"{text}Z", {name: self._value(place, row) for place, name in enumerate(self.points)})
            for row, text in enumerate(texts, first)
        ]

    def _value(self, place: int, count: int) -> str:
        tenths = (self.number * 37 + place * 1_001 + count * 7) % 10_000
        return f"{tenths // 10}.{tenths % 10}"

    def upload(self, turn: int, count: int) -> bytes:
        """Write the request that brings these samples, with the token that it has now."""
        samples = self.samples(turn, count)
        if self.key is None:
            return self._request(EXCHANGE, node_message(samples), f"multipart/mixed; boundary={_NODE}")
        outer, inner = f"{self.number:08}Aw8e6ftsZ1yM", f"{turn:08}QmQw7RcUyHs2"
        split = [self.points[:2], self.points[2:]] if self.number % 3 == 2 else [self.points]
        body = library_message([part(samples, points) for points in split], outer, inner)
        return self._request(EXCHANGE, body, f"multipart/mixed;boundary={outer}")

    def _request(self, path: str, body: bytes, media: str) -> bytes:
        bearer = f"Authorization: Bearer {self.token}\r\n" if path == EXCHANGE else ""
        head = f"Content-Type: {media}\r\n{bearer}Content-Length: {len(body)}\r\n"
        return request_bytes("POST", path, self.host, headers=head) + body


def part(samples: Sequence[Sample], points: Sequence[str]) -> list[Sample]:
    """Take the values of some data points."""
    return [Sample(each.time, {point: each.values[point] for point in points}) for each in samples]


def payload(samples: Sequence[Sample]) -> bytes:
    """Write samples as a time series of the exchange."""
    return msgspec.json.encode(
        [
            {
                "timestamp": time,
                "values": [
                    {"dataPointId": point, "qualityCode": "0", "value": value}
                    for point, value in values.items()
                ],
            }
            for time, values in samples
        ]
    )


def _meta() -> bytes:
    described = {
        "type": "standardTimeSeries",
        "version": "1.0",
        "details": {"configurationId": CONFIGURATION},
    }
    return msgspec.json.encode({"type": "item", "version": "1.0", "payload": described})


def node_message(samples: Sequence[Sample]) -> bytes:
    """Write a message as the Node agent does: bare line feeds, no blank behind colons."""
    return (
        b"--%b\nContent-Type:multipart/related;boundary=%b\n\n" % (_NODE.encode(), _INNER.encode())
        + b"--%b\nContent-Type:%b\n\n%b\n\n" % (_INNER.encode(), _META.encode(), _meta())
        + b"--%b\nContent-Type:application/json\n\n%b\n\n" % (_INNER.encode(), payload(samples))
        + b"\r\n--%b--\n--%b--\n" % (_INNER.encode(), _NODE.encode())
    )


def library_message(tuples: Sequence[Sequence[Sample]], outer: str, inner: str) -> bytes:
    """Write a message as the C library does: carriage returns, boundaries of its own, a charset."""
    return b"".join(_library_tuple(each, outer, inner) for each in tuples) + b"--%b--\r\n" % outer.encode()


def _library_tuple(samples: Sequence[Sample], outer: str, inner: str) -> bytes:
    first, second = outer.encode(), inner.encode()
    return (
        b"--%b\r\nContent-Type: multipart/related;boundary=%b\r\n\r\n" % (first, second)
        + b"--%b\r\nContent-Type: %b;charset=utf-8\r\n\r\n%b\r\n" % (second, _META.encode(), _meta())
        + b"--%b\r\nContent-Type: application/json;charset=utf-8\r\n\r\n%b\r\n" % (second, payload(samples))
        + b"--%b--\r\n" % second
    )
