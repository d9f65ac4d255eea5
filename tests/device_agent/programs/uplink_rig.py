"""An uplink whose server says what a script says, for checks of it."""

import json

from agent.clock import Clock
from agent.config import Settings
from agent.frames import SYNCED
from agent.http import Link
from agent.identity import Identity
from agent.journal import Journal
from agent.update import Update
from agent.uplink import Uplink
from nor_flash import Flash
from slots import Slots

T = 1_798_761_600_000
CONTENT = {"baseUrl": "http://door", "iat": "first", "clientId": "c1", "tenant": "acme"}
GIVEN = {
    "client_id": "c1",
    "client_secret": "s1",
    "registration_access_token": "r1",
    "client_secret_expires_at": T // 1000 + 7 * 86_400,
}
TOKEN = {"access_token": "t1", "expires_in": 3600}
CONFIGURATION = {
    "eTag": "1",
    "configurationId": "CF",
    "dataSources": [{"dataPoints": [{"id": "bmp180_pressure"}], "customData": {}}],
}


def http(status, body=b"", **headers):
    """Write an answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(body)]
    lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Memory:
    """A store that can be cut before it writes."""

    def __init__(self, **kept):
        self.kept = kept
        self.is_cut = False

    def load(self, name):
        return self.kept.get(name)

    def save(self, name, value):
        if self.is_cut:
            raise KeyboardInterrupt  # nothing in the agent catches it, as nothing catches a power loss
        self.kept[name] = value


class Rig:
    """An uplink whose server says what a script says."""

    host = "door"

    def __init__(self, *answers, store=None, samples=3):
        self.answers, self.sent, self.now = list(answers), [], 0
        self.store = store or Memory(boarding={"content": CONTENT})
        self.journal = Journal(Flash(4, 1024), 1)
        for place in range(samples):
            self.journal.append(0, SYNCED, T + place * 2, [None, None, None, 101_325 + place])
        self.clock = Clock(lambda: self.now, lambda later, earlier: later - earlier, 0)
        self.clock.offer(T, True)
        self.started()

    def started(self):
        self.uplink = Uplink(
            Link(self.dial),
            Identity(self.store),
            self.clock,
            self.journal,
            self.store,
            Settings(),
            bytes,
            Update("/", Slots(self.store), None, 1),
        )

    def dial(self):
        return self

    def send(self, octets):
        self.sent.append(bytes(octets))

    def receive(self, buffer):
        if not isinstance(self.answers[0], bytes):
            raise self.answers.pop(0)
        octets = self.answers.pop(0)
        buffer[: len(octets[: len(buffer)])] = octets[: len(buffer)]
        if len(octets) > len(buffer):
            self.answers.insert(0, octets[len(buffer) :])
        return min(len(octets), len(buffer))

    def close(self):
        self.closed = True

    def steps(self, count):
        """Take steps, each when the last one says; give the pauses."""
        pauses = []
        for _ in range(count):
            pauses.append(self.uplink.step())
            self.now += pauses[-1]
        return pauses

    def heads(self):
        """Give the request lines that were sent."""
        return [each.split(b" HTTP", 1)[0].decode() for each in self.sent if b" HTTP/1.1\r\n" in each]


def known(**more):
    kept = {
        "base": "http://door", "tenant": "acme", "old": None, "client_id": "c1", "secret": "s1",
        "access": "r1", "expires_s": GIVEN["client_secret_expires_at"],
    }  # fmt: skip
    kept.update(more)
    return Memory(identity=kept)
