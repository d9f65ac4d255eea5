"""The set-up page and the radio, with a network module that does as it is told (TB-44 to TB-48, TB-63)."""

import sys

from agent.lights import JOINED, LOST, OPEN
from agent.setup_page import answered, is_whole
from checks import run

BOARDING = (
    b"%7B%22content%22%3A%7B%22baseUrl%22%3A%22http%3A%2F%2Fdoor%22%2C%22iat%22%3A%22i%22%2C"
    b"%22clientId%22%3A%22c%22%2C%22tenant%22%3A%22acme%22%7D%7D"
)


class Pretended:
    """What stands for a module that only a board has."""


class Wlan:
    """A radio that joins when it is told that the network is there."""

    is_there = False
    made = []

    def __init__(self, kind):
        self.kind, self.told = kind, []
        Wlan.made.append(self)

    def active(self, is_on):
        self.told.append(("active", is_on))

    def connect(self, *given):
        self.told.append(given)

    def config(self, **given):
        self.told.append(sorted(given.items()))

    def isconnected(self):
        return Wlan.is_there

    def status(self, name):
        return -61 if name == "rssi" else []


class Clock:
    now = 0

    def up_ms(self):
        return self.now

    def now_ms(self):
        return 1_798_761_600_000


class Memory(dict):
    def load(self, name):
        return self.get(name)

    def save(self, name, value):
        self[name] = value


def radio(store):
    """Give the radio of a board that is not there."""
    module = Pretended()
    module.WLAN, module.STA_IF, module.AP_IF = Wlan, 0, 1
    sys.modules["network"], sys.modules["machine"] = module, Pretended()
    from agent import wifi

    Wlan.is_there, Wlan.made = False, []
    clock, restarts = Clock(), []
    return clock, wifi.Wifi(store, clock, bytes, None, "board-1", lambda: restarts.append(1)), restarts


def check_a_form_is_read():
    """Name, password and boarding configuration come as a form; the page says that the board restarts."""
    body = b"ssid=my+net%21&password=caf%C3%A9s-1234&boarding=" + BOARDING
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    assert is_whole(request) and not is_whole(request[:-1]) and not is_whole(request[:20])
    answer, filled_in = answered(request)
    assert answer.startswith(b"HTTP/1.0 200") and b"restarts" in answer
    content = {"baseUrl": "http://door", "iat": "i", "clientId": "c", "tenant": "acme"}
    assert filled_in == ("my net!", "cafés-1234", content), filled_in


def check_a_form_that_cannot_be_right_is_told():
    """A password too short, half a configuration, no name: the page says what is wrong, nothing is kept."""
    for body in (
        b"ssid=a&password=short",
        b"password=longenough",
        b"ssid=a&boarding=%7B",
        b"ssid=a&boarding=%7B%7D",
        b"ssid=a&boarding=5",
        b"ssid=a&boarding=%7B%22content%22%3A5%7D",
        b"ssid=a&boarding=%7B%22content%22%3A%22x%22%7D",
    ):
        answer, filled_in = answered(b"POST / HTTP/1.1\r\n\r\n" + body)
        assert answer.startswith(b"HTTP/1.0 400") and filled_in is None, body
    answer, filled_in = answered(b"GET / HTTP/1.1\r\n\r\n")
    assert b"<form" in answer and filled_in is None


def check_the_radio_joins_and_joins_again():
    """The network is looked for every second; lost and found again are states, not errors."""
    clock, wifi, _ = radio(Memory(wifi={"ssid": "net", "password": "secret-1"}))
    assert ("net", "secret-1") in Wlan.made[0].told
    states = []
    for second, is_there in enumerate((False, True, True, False, True)):
        Wlan.is_there, clock.now = is_there, second * 1_000
        wifi.tend()
        states.append(wifi.state())
    assert states == [LOST, JOINED, JOINED, LOST, JOINED] and wifi.rssi() == -61


def check_a_board_that_finds_nothing_opens_a_network_of_its_own():
    """After a minute the access point opens, with WPA2; after three without guests it looks again."""
    clock, wifi, _ = radio(Memory(wifi={"ssid": "net", "own": "own-secret"}))
    wifi_module = sys.modules["agent.wifi"]
    wifi_module.socket = Sockets()
    clock.now = 60_000
    wifi.tend()
    assert wifi.state() == OPEN
    assert [("key", "own-secret"), ("security", 3), ("ssid", "board-1")] in Wlan.made[1].told
    clock.now = 240_000
    wifi.tend()
    assert wifi.state() == LOST and Wlan.made[1].told[-1] == ("active", False)


def check_a_board_without_a_password_of_its_own_opens_nothing():
    """It looks on for the network, however long that is away, and asks nothing of a radio that is off."""
    clock, wifi, _ = radio(Memory(wifi={"ssid": "net", "own": "short"}))
    for minute in range(10):
        clock.now = minute * 60_000
        wifi.tend()
        assert wifi.state() == LOST
    Wlan.is_there, clock.now = True, 600_000
    wifi.tend()
    assert wifi.state() == JOINED and Wlan.made[1].told == []


def check_a_bare_board_waits_for_its_guest():
    """A board that knows no network opens its own at once, and keeps it open until it is told one."""
    clock, wifi, _ = radio(Memory(wifi={"own": "own-secret"}))
    sys.modules["agent.wifi"].socket = Sockets()
    for minute in range(10):
        clock.now = minute * 60_000
        wifi.tend()
        assert wifi.state() == OPEN


def check_a_guest_who_dawdles_is_sent_away():
    """A form that comes a byte at a time does not keep the board from its samples and its watchdog."""
    clock, wifi, restarts = radio(Memory(wifi={"ssid": "net", "own": "own-secret"}))
    sockets = sys.modules["agent.wifi"].socket = Sockets()
    clock.now = 60_000
    wifi.tend()
    guest = Guest(*[b"P"] * 1_000)
    sockets.guests.append(guest)
    receive = guest.recv

    def slowly(size):
        clock.now += 1_900
        return receive(size)

    guest.recv = slowly
    wifi.tend()
    assert clock.now < 60_000 + 10_000 and guest.sent == b"" and restarts == [], clock.now


def check_a_guest_fills_in_the_page():
    """What a guest fills in is kept, and the board restarts."""
    store = Memory(wifi={"ssid": "net", "own": "own-secret"})
    clock, wifi, restarts = radio(store)
    sockets = sys.modules["agent.wifi"].socket = Sockets()
    clock.now = 60_000
    wifi.tend()
    sockets.guests.append(
        Guest(b"POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\n", b"ssid=new&password=long-enou")
    )
    wifi.tend()
    assert store["wifi"] == {"ssid": "new", "password": "long-enou", "own": "own-secret"} and restarts == [1]


class Guest:
    def __init__(self, *pieces):
        self.pieces, self.sent = list(pieces), b""

    def settimeout(self, seconds):
        assert seconds == 2

    def recv(self, size):
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, octets):
        self.sent += octets

    def close(self):
        pass


class Sockets:
    """The socket module of one listener."""

    SOL_SOCKET = SO_REUSEADDR = 1

    def __init__(self):
        self.guests = []

    def socket(self):
        return self

    def getaddrinfo(self, *given):
        return [(0, 0, 0, "", given)]

    def accept(self):
        if not self.guests:
            raise OSError("nobody")
        return self.guests.pop(0), None

    def bind(self, _):
        pass

    listen = setblocking = bind

    def setsockopt(self, *_):
        pass

    def close(self):
        pass


run(globals())
