"""The radio of an ESP32: joins a network, or opens one of its own where none is found (TB-44 to TB-47).

One of the two files that know the hardware. Nothing here waits: `tend` looks, and does what is due. While the
own access point is open samples go on into the journal; after a while in which nobody came it is closed, and
the network is looked for again.
"""

import socket

import machine
import network

from agent.clock import time_text
from agent.lights import JOINED, LOST, OPEN
from agent.setup_page import REQUEST_BYTES_MAX, answered, is_whole
from agent.sockets import Stream, ask_ntp

NAME = "wifi"
"""In the store: ssid, password; `own` the password of the access point, which is given with the board."""

OPEN_AFTER_MS = 60_000
OPEN_FOR_MS = 180_000
LOOK_MS = 1_000
OWN_CHARACTERS_MIN = 8
"""What WPA2 asks of a password; a board without one opens nothing, and looks on for its network."""

GUEST_MS_MAX = 4_000
"""How long one guest may take to send the form: samples and watchdog wait for it."""

_WPA2 = 3


class Wifi:
    """The radio of one start of the board."""

    def __init__(self, store, clock, random, ca, own_name, restart):
        """Take what it needs; `ca` is the pinned CA or None, `own_name` that of the access point."""
        self._store, self._clock, self._random, self._ca = store, clock, random, ca
        self._own_name, self._restart = own_name, restart
        self._known = store.load(NAME) or {}
        self._station = network.WLAN(network.STA_IF)
        self._point = network.WLAN(network.AP_IF)
        self._listener = None
        self._looked_ms = -LOOK_MS
        self._since_ms = clock.up_ms()
        self._state = LOST
        self._join()

    def state(self):
        """Give LOST, JOINED or OPEN."""
        return self._state

    def rssi(self):
        """Give the strength of the signal in dBm; None while there is no network."""
        return self._station.status("rssi") if self._state == JOINED else None

    def dial(self, base, tend):
        """Reach the server."""
        _set_chip_clock(self._clock.now_ms())
        return Stream(base, self._ca, tend)

    def ntp_ms(self):
        """Ask what time it is."""
        return ask_ntp(self._random)

    def tend(self):
        """Look once a second whether the network is there, and serve the page while the own one is open."""
        now_ms = self._clock.up_ms()
        if self._state == OPEN:
            self._serve()
        if now_ms - self._looked_ms < LOOK_MS:
            return
        self._looked_ms = now_ms
        if self._state != OPEN and self._station.isconnected():
            self._state, self._since_ms = JOINED, now_ms
        elif self._state == JOINED:
            self._state, self._since_ms = LOST, now_ms
        elif self._state == LOST and self._may_open(now_ms - self._since_ms):
            self._open()
        elif self._state == OPEN and now_ms - self._since_ms >= OPEN_FOR_MS and not self._is_needed():
            self._shut()

    def _may_open(self, lost_ms):
        """Tell whether to open the own network: after a while, or at once where no other is known."""
        is_time = lost_ms >= OPEN_AFTER_MS or not self._known.get("ssid")
        return is_time and len(self._known.get("own", "")) >= OWN_CHARACTERS_MIN

    def _is_needed(self):
        """Tell whether the own network stays open: somebody is there, or there is no other to look for."""
        if not self._known.get("ssid"):
            return True
        return bool(self._point.status("stations"))

    def _join(self):
        self._state, self._since_ms = LOST, self._clock.up_ms()
        self._station.active(True)
        if self._known.get("ssid"):
            self._station.connect(self._known["ssid"], self._known.get("password", ""))

    def _open(self):
        self._state, self._since_ms = OPEN, self._clock.up_ms()
        self._station.active(False)
        self._point.active(True)
        self._point.config(ssid=self._own_name, key=self._known["own"], security=_WPA2)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Only guests of its own network are there.
        self._listener.bind(socket.getaddrinfo("0.0.0.0", 80)[0][-1])  # noqa: S104
        self._listener.listen(1)
        self._listener.setblocking(False)

    def _shut(self):
        self._listener.close()
        self._listener = None
        self._point.active(False)
        self._join()

    def _serve(self):
        try:
            guest = self._listener.accept()[0]
        except OSError:
            return  # nobody there
        try:
            guest.settimeout(2)
            request, begun_ms = b"", self._clock.up_ms()
            while not is_whole(request) and len(request) < REQUEST_BYTES_MAX:
                if self._clock.up_ms() - begun_ms > GUEST_MS_MAX:
                    return
                octets = guest.recv(512)
                if not octets:
                    break
                request += octets
            answer, filled_in = answered(request)
            guest.send(answer)
        except (OSError, ValueError):
            return  # a guest who went away, or who speaks something else
        finally:
            guest.close()
        if filled_in is not None:
            self._save(*filled_in)

    def _save(self, ssid, password, boarding):
        if boarding is not None:
            self._store.save("boarding", boarding)
        known = dict(self._known)
        known.update({"ssid": ssid, "password": password})
        self._store.save(NAME, known)
        self._restart()


def _set_chip_clock(time_ms):
    """Set the clock by which TLS judges whether a certificate is of today; the agent's own is another."""
    text = time_text(time_ms)
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    machine.RTC().datetime((year, month, day, 0, int(text[11:13]), int(text[14:16]), int(text[17:19]), 0))
