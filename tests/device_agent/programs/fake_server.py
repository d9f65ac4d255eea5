"""A server inside the process, as far as an agent sees it, with everything that goes wrong on the way.

It reads bytes and gives bytes. A message counts when all of it has come, and then once; credentials and
assertions hold as the real ones do (current and previous until the new were used, each assertion once).
"""

import hashlib
import json
from array import array
from binascii import a2b_base64

from agent.identity import hmac_sha256
from world import START_MS

CLIENT, TENANT = "6f0c5b1ad0e94b0c8f4b6d7d2c8a9e11", "acme"
CREDENTIALS_S = 27 * 3600
TOKEN_S = 3600
FIELDS, SAMPLINGS_MAX = 5, 256


class Server:
    """The server of one world."""

    def __init__(self, world):
        self.world = world
        self._made = 0
        self._boarded = 0
        self.initial = "iat-0"
        self.operator = None
        """Puts a boarding configuration on the board, where nobody heard the answer to a registration."""
        self.current = self.previous = None
        self.tokens = {}
        self._used = {}
        self.not_before_ms = 0
        self.not_before_boot = 0
        self.counts = {}
        self.samplings = array("q", [0] * FIELDS * SAMPLINGS_MAX)
        """Of each sampling that comes: time, counter (-1: health), true time (or -1), certain, lost."""
        self._gaps = {}
        self.etag = 0

    def boarding(self):
        """Give what a board is given."""
        return {
            "content": {"baseUrl": "http://door", "iat": self.initial, "clientId": CLIENT, "tenant": TENANT}
        }

    def now_s(self):
        return (START_MS + self.world.now_ms) // 1000

    def answer(self, method, path, headers, body):
        """Answer a request: status, headers, body."""
        world = self.world
        boot_same = self.not_before_boot == world.boots
        # A board that stays on waits by its own counter, which may have jumped.
        assert not boot_same or world.now_ms + 2_000 >= self.not_before_ms, "Retry-After was not obeyed"
        if world.faults and world.now_ms < world.end_ms:
            refused = self._refused()
            if refused:
                return refused
        name = path.rsplit("/", 1)[-1]
        self.counts[name] = self.counts.get(name, 0) + 1
        if path.endswith("/register") and method == "POST":
            return self._register(headers)
        if path.endswith("/oauth/token"):
            return self._token(body)
        if "/register/" in path and method == "PUT":
            return self._renew(headers)
        token = headers.get("authorization", "").replace("Bearer ", "")
        if self.tokens.get(token, 0) <= self.now_s():
            return 401, {}, b'{"id":"1","message":"no token"}'
        if path.endswith("/dataSourceConfiguration"):
            return self._configuration(method)
        assert path.endswith("/exchange"), path
        for at in range(0, body.count, FIELDS):
            self._store(*self.samplings[at : at + FIELDS])
        return 200, {}, b""

    def _refused(self):
        world = self.world
        draw = world.odds.below(40)
        if draw == 0:
            world.saw("429")
            return self._later(429, 1 + world.odds.below(40))
        if draw == 1:
            world.saw("503")
            return self._later(503, 1 + world.odds.below(20))
        if draw == 2:
            world.saw("500")
            return 500, {}, b"<html>sorry</html>"
        if draw == 3:
            world.saw("tokens ended")
            self.tokens.clear()
        if draw == 4:
            world.saw("413")
            return 413, {}, b""
        return None

    def _later(self, status, seconds):
        return status, {"Retry-After": str(seconds)}, b""

    def heard(self, seconds):
        """Expect nothing more of this board for so long."""
        if seconds:
            self.not_before_ms, self.not_before_boot = self.world.now_ms + seconds * 1000, self.world.boots

    def _credentials(self):
        self._made += 1
        given = {"secret": "secret-%d" % self._made, "access": "access-%d" % self._made}
        given["until_s"] = self.now_s() + CREDENTIALS_S
        return given

    def _given(self, status):
        self.world.saw("credentials given")
        body = {
            "client_id": CLIENT,
            "client_secret": self.current["secret"],
            "client_secret_expires_at": self.current["until_s"],
            "registration_access_token": self.current["access"],
        }
        return status, {}, json.dumps(body).encode()

    def _register(self, headers):
        if headers.get("authorization") != "Bearer " + self.initial:
            self.world.saw("boarded anew")
            self.operator(self.boarding())
            return 401, {}, b"{}"
        self._boarded += 1
        self.initial = "iat-%d" % self._boarded
        self.current = self._credentials()
        return self._given(201)

    def _renew(self, headers):
        for held in (self.current, self.previous):
            if held and headers.get("authorization") == "Bearer " + held["access"]:
                self.previous, self.current = held, self._credentials()
                return self._given(200)
        return 401, {}, b"{}"

    def _token(self, body):
        now_s = self.now_s()
        server_time = {"Server-Time": str(START_MS + self.world.now_ms)}
        text = body.split("client_assertion=")[1]
        signed, _, signature = text.rpartition(".")
        claims = json.loads(_decoded(signed.split(".")[1]))
        assert claims["sub"] == claims["iss"] == CLIENT and claims["ten"] == TENANT
        assert claims["aud"] == ["southgate"]
        assert claims["jti"] not in self._used, "an assertion was used twice"
        held = [each for each in (self.current, self.previous) if each and each["until_s"] > now_s]
        proved = [
            each
            for each in held
            if hmac_sha256(each["secret"].encode(), signed.encode()) == _decoded(signature)
        ]
        if not proved or abs(claims["iat"] - now_s) > 300 or claims["exp"] < now_s - 300:
            return 401, server_time, b"{}"
        if proved[0] is self.current:
            self.previous = None
        self._used = {claims["jti"]: True}
        token = "token-" + hashlib.sha256(text.encode()).digest()[:6].hex()
        self.tokens = {token: now_s + TOKEN_S}
        given = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_S}
        return 200, server_time, json.dumps(given).encode()

    def _configuration(self, method):
        if method == "PUT":
            self.etag += 1
        if not self.etag:
            return 200, {}, b'{"id":"x","eTag":"0","dataSources":[]}'
        points = [
            {"id": "DP-%d" % place, "customData": {"channel": name}}
            for place, name in enumerate(
                ("am2320_temp", "am2320_humidity", "bmp180_temp", "bmp180_pressure", "bmp180_altitude")
            )
        ]
        health = [{"id": "DP-backlog", "customData": {"channel": "backlog"}}, {"id": "gap"}]
        sources = [
            {"dataPoints": points, "customData": {"sampleMs": 2000, "postMs": 10_000}},
            {"dataPoints": health},
        ]
        body = {"eTag": str(self.etag), "configurationId": "CF-1", "dataSources": sources}
        return 200, {}, json.dumps(body).encode()

    def _store(self, time_ms, counter, true_ms, is_certain, lost):
        log = self.world.log
        if lost and time_ms not in self._gaps:
            self._gaps[time_ms] = True
            log.told_lost += lost
        if counter < 0:
            log.store_health(time_ms)
        else:
            log.store(counter, time_ms, true_ms, is_certain)


class Body:
    """The body of a request as it comes: a message is taken apart on the way, for the heap is small."""

    def __init__(self, is_message, samplings):
        self._is_message = is_message
        self._text = bytearray()
        self._samplings, self.count = samplings, 0

    def feed(self, octets):
        self._text += octets
        while self._is_message:
            begin, end = self._text.find(b'{"timestamp"'), self._text.find(b"}]}")
            if begin < 0 or end < begin:
                if begin < 0 and len(self._text) > 1000:
                    self._text = self._text[-20:]
                return
            each = json.loads(bytes(self._text[begin : end + 3]))
            self._text = self._text[end + 3 :]
            for number in _numbers(each):
                self._samplings[self.count] = int(number)
                self.count += 1

    def split(self, mark):
        return bytes(self._text).decode().split(mark)


class Stream:
    """A connection to the server, over a radio that fails."""

    host = "door"

    def __init__(self, world, server, tend):
        if world.is_silent():
            raise OSError("no way")
        self._world, self._server, self._tend = world, server, tend
        self._in, self._out = bytearray(), bytearray()
        self._body = self._head = None
        self._left = 0
        world.wait(300)
        tend()

    def send(self, octets):
        world = self._world
        world.wait(1 + len(octets) // 40)
        self._tend()
        world.perhaps_cut(3_000)
        if world.is_silent() or (world.faults and world.odds.one_in(800)):
            world.saw("link lost")
            raise OSError("reset")
        if self._body is None:
            self._in += octets
            end = self._in.find(b"\r\n\r\n")
            if end < 0:
                return
            self._begin(bytes(self._in[:end]).decode().split("\r\n"))
            octets = bytes(self._in[end + 4 :])
            self._in = bytearray()
        self._left -= len(octets)
        assert self._left >= 0, "longer than was said"
        self._body.feed(octets)
        if self._left == 0:
            self._answer()

    def _begin(self, lines):
        method, path, _ = lines[0].split(" ")
        headers = {line.split(": ")[0].lower(): line.split(": ", 1)[1] for line in lines[1:]}
        self._head = method, path, headers
        self._left = int(headers["content-length"])
        self._body = Body(path.endswith("/exchange"), self._server.samplings)

    def _answer(self):
        world = self._world
        status, headers, body = self._server.answer(*self._head, self._body)
        self._body = None
        self._pause_s = int(headers.get("Retry-After", 0))
        lines = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(body)]
        lines.append("X-Request-Id: %d" % world.odds.below(1 << 30))
        lines += ["%s: %s" % each for each in headers.items()]
        text = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
        self._out += text
        if world.faults and world.odds.one_in(60):
            world.saw("answer twice")
            self._late = text
        if world.faults and world.odds.one_in(60):
            world.saw("answer lost")
            self._out = bytearray()

    _late = b""
    _pause_s = 0

    def receive(self, buffer):
        world = self._world
        world.wait(30 + world.odds.below(50))
        self._tend()
        world.perhaps_cut(800)
        if world.is_silent() or not self._out:
            for _ in range(10):
                world.wait(1_000)
                self._tend()
            raise OSError("timeout")
        self._server.heard(self._pause_s)
        self._pause_s = 0
        count = min(len(buffer), len(self._out))
        buffer[:count] = self._out[:count]
        self._out = self._out[count:]
        if not self._out and self._late:
            self._out, self._late = bytearray(self._late), b""
        return count

    def close(self):
        """Nothing is kept of it."""


def _numbers(sampling):
    values = {value["dataPointId"]: value["value"] for value in sampling["values"]}
    true_ms = round(float(values["DP-4"]) * 10) if "DP-4" in values else -1
    if "DP-backlog" in values:
        counter = -1
    elif "DP-3" in values:
        counter = int(values["DP-3"])
    else:
        counter = round(float(values["DP-0"]) * 10) + round(float(values["DP-1"]) * 10) * 10_000
    is_certain = sampling["values"][0]["qualityCode"] == "0"
    return _ms(sampling["timestamp"]), counter, true_ms, is_certain, int(values.get("gap", 0))


def _decoded(text):
    return a2b_base64((text + "=" * (-len(text) % 4)).replace("-", "+").replace("_", "/"))


def _ms(text):
    """Read a time; by another way than it was written."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    days = (year - 1970) * 365 + (year - 1969) // 4 + day - 1
    lengths = (31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    days += sum(lengths[: month - 1])
    clock = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    return (days * 86_400 + clock) * 1000 + int(text[20:23])
