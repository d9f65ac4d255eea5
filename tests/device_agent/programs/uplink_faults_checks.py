"""The uplink where something on the way, or in the configuration, is not as it should be (TB-56, TB-62)."""

from binascii import crc32

from agent.frames import SYNCED
from agent.uplink import PAUSE_MS_MAX
from checks import run
from slots import Slots
from uplink_rig import CONFIGURATION, TOKEN, Memory, Rig, T, http, known


class Wanted:
    """A firmware that is wanted, of two files; the second is not what was signed, the first time."""

    firmware = 1

    def __init__(self):
        self.slots, self.got, self.at, self.bad = Slots(Memory()), [], 0, 1

    def is_wanted(self, firmware):
        return firmware == 2 and self.at < 2

    def path(self):
        return ("one", "two")[self.at]

    def begin(self):
        self.got.append((0, 0))

    def put(self, octets):
        size, crc = self.got[-1]
        self.got[-1] = (size + len(octets), crc32(octets, crc))

    def end(self):
        self.at += 1
        if self.at == 2 and self.bad:
            self.bad = 0
            raise ValueError("wrong")
        return self.at == 2

    def forget(self):
        self.at = 0


def check_a_firmware_is_fetched_beside_the_samples():
    """Files of any length come piece by piece; what is wrong waits ten minutes, and samples do not."""
    source = {"dataPoints": [{"id": "bmp180_pressure"}], "customData": {"firmware": 2}}
    configuration = dict(CONFIGURATION, dataSources=[source])
    long = bytes(range(256)) * 36
    both = [(len(octets), crc32(octets)) for octets in (long, b"two")]
    rig = Rig(
        http(200, TOKEN), http(200, configuration), http(200, long), http(200, b"two"), http(200),
        http(404), http(200, configuration), http(200, long), http(200, b"two"), store=known(),
    )  # fmt: skip
    rig.uplink._update = Wanted()
    rig.steps(5)
    assert rig.journal.sent == 3 and rig.uplink._update.got == both and not rig.uplink.is_updated
    rig.now += 600_000
    rig.uplink._configured_ms = rig.now
    rig.steps(1)
    assert rig.heads()[-1] == "GET /api/iotfile/v3/files/c1/firmware/one"
    rig.now += 600_000
    rig.uplink._token_until_ms = rig.now + 60_000
    rig.steps(3)
    assert rig.uplink.is_updated and rig.uplink._update.got[-2:] == both


class NoRoom(Wanted):
    """A firmware for which the flash has no room: from the first file, or from its first byte."""

    def __init__(self, is_begun):
        Wanted.__init__(self)
        self.is_begun = is_begun

    def begin(self):
        if not self.is_begun:
            raise OSError(28)

    def put(self, octets):
        raise OSError(28)


def check_samples_do_not_wait_for_room():
    """A firmware that does not fit into the flash is tried every ten minutes, and samples go on."""
    source = {"dataPoints": [{"id": "bmp180_pressure"}], "customData": {"firmware": 2}}
    configuration = dict(CONFIGURATION, dataSources=[source])
    for is_begun in (False, True):
        answers = [http(200, b"one")] if is_begun else []
        rig = Rig(http(200, TOKEN), http(200, configuration), *answers, http(200), store=known())
        rig.uplink._update = NoRoom(is_begun)
        rig.steps(3)
        assert rig.journal.sent == 0
        rig.now += PAUSE_MS_MAX
        rig.uplink._configured_ms = rig.now
        rig.steps(1)
        assert rig.journal.sent == 3, is_begun


def check_a_configuration_that_cannot_be_read_changes_nothing():
    """One that is too long for a board, or no JSON, leaves the last one in force, by which samples go on."""
    odd = dict(CONFIGURATION, eTag="2", dataSources=[{"dataPoints": [{"customData": {"channel": "gap"}}]}])
    long, page = http(200, b"", Content_Length="9000"), http(200, b"<html>")
    for answer in (long, page, http(200, odd), http(500), http(404)):
        rig = Rig(http(200, TOKEN), http(200, CONFIGURATION), http(200), store=known())
        rig.steps(3)
        assert rig.journal.sent == 3
        settings = rig.uplink.settings
        rig.answers += [answer, http(200)]
        rig.journal.append(0, SYNCED, T + 100, [None, None, None, 1])
        rig.now += 300_000
        rig.steps(2)
        assert rig.journal.sent == 4 and rig.uplink.settings is settings, answer


def check_a_page_of_somebody_else_is_no_receipt():
    """200 with a page, as a network that wants a login gives it, leaves the samples where they are."""
    rig = Rig(
        http(200, TOKEN), http(200, CONFIGURATION), http(200, b"<html>log in"), http(200), store=known()
    )
    rig.steps(3)
    assert rig.journal.sent == 0 and rig.uplink.failures == 1
    rig.now += PAUSE_MS_MAX
    rig.uplink._configured_ms = rig.now
    rig.steps(1)
    assert rig.journal.sent == 3


run(globals())
