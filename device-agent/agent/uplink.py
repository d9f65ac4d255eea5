"""Brings what the journal holds to the server, and never gives up: a lost link is a state.

One step is one request at most. The order of what is needed: an identity, a token, credentials that do not
end soon, the configuration, then batches. Only the answer 200 moves the journal; whatever else happens the
same samples are sent again, which the server merges. After a failure the pause doubles, with jitter, unless
the server says how long it is to be.
"""

import json

from agent import payload
from agent.clock import SANE_MS
from agent.config import NAME as SETTINGS
from agent.config import settings_from
from agent.http import BadAnswer

PAUSE_MS_MIN, PAUSE_MS_MAX = 1_000, 300_000
RETRY_AFTER_S_MAX = 3_600
"""What an answer may ask for at most: a door that errs must not silence a board for days."""

BATCH_BYTES_MAX = 64_000
"""About 200 samples: a day's backlog is some 300 requests, and one of them a minute on a bad link."""

CATCH_UP_AFTER_MS = 60_000
"""A batch that begins with what is older drains a backlog: it goes by the lane beside live data."""

CONFIGURATION_MS = 300_000

UPDATE_PAUSE_MS = 600_000
UPDATE_BACKLOG_MAX = 300
"""Samples first: a new firmware waits until what an outage left is sent."""

TOKEN_SPARE_S = 60
OFF_MS = 120_000
"""The server takes assertions of clocks that are off by five minutes."""

IAM = "/api/agentmanagement/v3"
EXCHANGE = "/api/mindconnect/v3/exchange"
FILES = "/api/iotfile/v3/files/"
_JSON = "application/json"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Uplink:
    """The way to the server; one for each start of the board."""

    def __init__(self, link, identity, clock, journal, store, settings, random, update):
        """Take the connection, who the agent is, clock, journal, and `random(n)`, which gives n bytes."""
        self._link, self._identity, self._clock, self._journal = link, identity, clock, journal
        self._store, self._random, self._update = store, random, update
        self.settings = settings
        self.failures = 0
        """Requests in a row that came to nothing."""
        self.failures_ever = 0
        self.is_sending = False
        self.urgent = False
        self.is_updated = False
        """A new firmware is there, and the board is to start with it."""
        self._token = None
        self._token_until_ms = 0
        self._is_renewed = False
        self._has_more = False
        self._bytes_max = BATCH_BYTES_MAX
        self._due_ms = 0
        self._posted_ms = self._configured_ms = None
        self._update_due_ms = 0

    def step(self):
        """Do what is due, one request at most; give the milliseconds after which to call again."""
        now_ms = self._clock.up_ms()
        if now_ms < self._due_ms:
            return self._due_ms - now_ms
        act = self._needed(now_ms)
        if act is None:
            return max(50, self._posted_ms + self.settings.post_ms - now_ms) if self._posted_ms else 1_000
        self.is_sending = True
        try:
            pause_ms = act()
        except payload.Moved:
            pause_ms = 0
        except (OSError, ValueError, KeyError):
            # The link is down, or what came back was cut or is not ours: both pass by trying again.
            self._link.close()
            pause_ms = self._pause_ms(None)
        finally:
            self.is_sending = False
        self._due_ms = self._clock.up_ms() + pause_ms
        return pause_ms

    def _needed(self, now_ms):
        if self._identity.kept is None:
            return self._register if self._identity.boarding() else None
        if self._token is None or now_ms >= self._token_until_ms:
            return self._get_token
        if not self._clock.is_set():
            return None  # guessed times are mended before they are sent
        if self._identity.is_due(self._clock.now_ms() // 1000):
            return self._renew
        if self._configured_ms is None or now_ms - self._configured_ms >= CONFIGURATION_MS:
            return self._configure
        if self._is_update_due(now_ms):
            return self._get_update
        if self._posted_ms is None or self.urgent or self._is_behind(now_ms):
            return self._post if self._journal.backlog else None
        return None

    def _is_update_due(self, now_ms):
        if now_ms < self._update_due_ms or self._journal.backlog >= UPDATE_BACKLOG_MAX:
            return False
        return self._update.is_wanted(self.settings.firmware)

    def _is_behind(self, now_ms):
        return self._has_more or now_ms - self._posted_ms >= self.settings.post_ms

    # Requests.

    def _register(self):
        content = self._identity.boarding()
        answer = self._ask("POST", IAM + "/register", _JSON, b"{}", content["iat"])
        if answer.status == 201:
            self._identity.registered(content, _object(answer))
            return self._went_well()
        return self._failed(answer)

    def _get_token(self):
        proof = self._identity.proof(self._clock.now_ms() // 1000, self._random(16))
        form = "grant_type=client_credentials&client_assertion_type=%s&client_assertion=%s" % (
            _ASSERTION.replace(":", "%3A"),
            proof,
        )
        answer = self._ask("POST", IAM + "/oauth/token", "application/x-www-form-urlencoded", form.encode())
        server_ms = answer.server_ms()
        was_off = server_ms is not None and self._hear(server_ms)
        if answer.status == 200:
            given = _object(answer)
            spare_s = min(TOKEN_SPARE_S, given["expires_in"] // 2)
            self._token = given["access_token"]
            self._token_until_ms = self._clock.up_ms() + (given["expires_in"] - spare_s) * 1000
            self._identity.worked()
            return 0
        if answer.status in (400, 401) and was_off:
            return 0  # it was the clock, which is right now
        if answer.status in (400, 401):
            self._identity.failed()
        return self._failed(answer)

    def _renew(self):
        kept = self._identity.kept
        body = json.dumps({"client_id": kept["client_id"]}).encode()
        path = IAM + "/register/" + kept["client_id"]
        answer = self._ask("PUT", path, _JSON, body, self._identity.access())
        if answer.status == 200:
            self._identity.renewed(_object(answer))
            self._token = None
            return self._went_well()
        if answer.status == 401:
            self._identity.failed()
        return self._failed(answer)

    def _configure(self):
        path = IAM + "/agents/" + self._identity.kept["client_id"] + "/dataSourceConfiguration"
        is_known = self.settings.etag is not None
        try:
            answer = self._ask("GET", path, _JSON, b"", self._token)
            if answer.status == 200:
                return self._adopt(path, _object(answer))
        except (BadAnswer, ValueError, KeyError, TypeError):
            if not is_known:
                raise
            # Too long, or nothing that this firmware reads: samples go on as the last one said.
            self._configured_ms = self._clock.up_ms()
            return self._pause_ms(None)
        if is_known and answer.status != 401:
            self._configured_ms = self._clock.up_ms()
        return self._failed(answer)

    def _adopt(self, path, given):
        self._configured_ms = self._clock.up_ms()
        if "configurationId" not in given:
            return self._declare(path)
        if given.get("eTag") != self.settings.etag:
            self.settings = settings_from(given)
            self._store.save(SETTINGS, given)
        return self._went_well()

    def _declare(self, path):
        body = json.dumps(payload.default_configuration("firmware")).encode()
        answer = self._ask("PUT", path, _JSON, body, self._token, {"If-Match": "0"})
        self._configured_ms = None  # read what came of it
        return self._went_well() if answer.status in (200, 412) else self._failed(answer)

    def _post(self):
        points = self.settings.points
        batch = payload.measure(self._journal, points, self._bytes_max)
        if batch is None:
            return 0
        if batch.count == 0:
            self._journal.acknowledge(
                batch.next, self._journal.lost + batch.lost
            )  # nothing of it is to be sent
            return 0
        headers = {"Correlation-ID": batch.name(self._journal.id)}
        if self._clock.now_ms() - batch.oldest_ms > CATCH_UP_AFTER_MS:
            headers["Catch-Up"] = "true"
        answer = self._send(
            "POST", EXCHANGE, payload.CONTENT_TYPE, batch.length,
            lambda put: payload.write(batch, self._journal, points, put), self._token, headers,
        )  # fmt: skip
        # What takes batches says nothing beside that: a page is that of a network which wants a login.
        if answer.status == 200 and not answer.body:
            self._journal.acknowledge(batch.next, self._journal.lost + batch.lost)
            self._bytes_max = BATCH_BYTES_MAX
            self._posted_ms, self.urgent = self._clock.up_ms(), False
            self._update.slots.confirm()  # what runs can measure, keep and send
            self._has_more = batch.is_full
            return self._went_well()
        if answer.status in (400, 413) and batch.count > 1:
            # Too long for something on the way, or one sample spoils it: in halves, which end at one sample.
            self._bytes_max = batch.length // 2
            return 0
        return self._failed(answer)

    def _get_update(self):
        update = self._update
        path = FILES + self._identity.kept["client_id"] + "/firmware/" + update.path()
        try:
            update.begin()
            answer = self._send("GET", path, _JSON, 0, None, self._token, sink=update.put)
            if answer.status == 200:
                self.is_updated = update.end()
                return self._went_well()
        except (ValueError, KeyError):
            answer = None  # it is not what was signed
        except OSError:
            update.forget()
            self._update_due_ms = self._clock.up_ms() + UPDATE_PAUSE_MS
            raise
        # Samples do not wait for a firmware that is not there, or not right, or has no room in the flash.
        update.forget()
        self._update_due_ms = self._clock.up_ms() + UPDATE_PAUSE_MS
        return self._failed(answer) if answer is not None and answer.status == 401 else 0

    # Inside.

    def _ask(self, method, path, media, body, token=None, headers=None):
        return self._send(method, path, media, len(body), lambda put: put(body), token, headers)

    def _send(self, method, path, media, length, write, token=None, headers=None, sink=None):
        named = {"Accept": _JSON, "Content-Type": media}
        if token is not None:
            named["Authorization"] = "Bearer " + token
        named.update(headers or {})
        return self._link.request(method, path, named, length, write, sink)

    def _hear(self, server_ms):
        """Set the clock by the server's, where it is not set or far off; True if it was."""
        if server_ms < SANE_MS or (self._clock.is_set() and abs(server_ms - self._clock.now_ms()) < OFF_MS):
            return False
        delta_ms = self._clock.offer(server_ms, True)
        if delta_ms is not None:
            self._journal.mend(delta_ms)
        return True

    def _went_well(self):
        self.failures = 0
        self._is_renewed = False
        return 0

    def _failed(self, answer):
        if answer.status == 401 and self._token is not None:
            # It ended, or was ended: a new one, once; if that does not hold either it is a failure.
            self._token = None
            if not self._is_renewed:
                self._is_renewed = True
                return 0
        return self._pause_ms(answer.retry_after_s())

    def _pause_ms(self, asked_s):
        self.failures += 1
        self.failures_ever += 1
        jitter = int.from_bytes(self._random(2), "little")
        if asked_s is not None:
            # Not before, and not all boards at once.
            return min(asked_s, RETRY_AFTER_S_MAX) * 1000 + jitter % 1000
        pause_ms = min(PAUSE_MS_MIN << min(self.failures - 1, 9), PAUSE_MS_MAX)
        return pause_ms // 2 + pause_ms * jitter // 0x20000


def _object(answer):
    given = json.loads(answer.body)
    if not isinstance(given, dict):
        raise BadAnswer("no object")
    return given
