"""Streams over real sockets, which keep the board's samples going while they wait; and the question to NTP.

Only a connection's beginning waits without tending (the resolver, TCP and the TLS handshake), for ten seconds
at most, a third of the watchdog's patience. With TLS the server is proven by the pinned CA and by its name.
"""

import select
import socket
import ssl
import time
from binascii import a2b_base64

from agent.clock import ntp_ms, ntp_request

DIAL_S_MAX = 10
WAIT_MS_MAX = 20_000
"""Of silence in the middle of a request."""

NTP_HOST = "pool.ntp.org"
_NTP_S_MAX = 1
_TEND_MS = 50


def address_of(base):
    """Take `http://host:port` or `https://host` apart: whether it is TLS, the host, the port."""
    scheme, _, rest = base.partition("://")
    host, _, port = rest.split("/", 1)[0].partition(":")
    if scheme not in ("http", "https") or not host:
        raise ValueError("no address: " + base)
    return scheme == "https", host, int(port or (443 if scheme == "https" else 80))


class Stream:
    """One connection."""

    def __init__(self, base, ca, tend):
        """Connect; `ca` is the certificate that the server's must come from, as PEM or DER."""
        is_tls, host, port = address_of(base)
        self.host = host if port in (80, 443) else "%s:%d" % (host, port)
        self._tend = tend
        self._poll = select.poll()
        plain = socket.socket()
        try:
            plain.settimeout(DIAL_S_MAX)
            plain.connect(socket.getaddrinfo(host, port)[0][-1])
            self._socket = _proven(plain, host, ca) if is_tls else plain
            self._socket.setblocking(False)
        except BaseException:
            plain.close()
            raise
        tend()

    def send(self, octets):
        """Send all of it."""
        view, at = memoryview(octets), 0
        while at < len(octets):
            count = self._socket.write(view[at:])
            if count:
                at += count
            else:
                self._wait(select.POLLOUT)

    def receive(self, buffer):
        """Wait for what comes next; give how many bytes of the buffer it filled, 0 at the end."""
        while True:
            count = self._socket.readinto(buffer)
            if count is not None:
                return count
            self._wait(select.POLLIN)

    def close(self):
        """Hang up."""
        self._socket.close()

    def _wait(self, event):
        begun = time.ticks_ms()
        self._poll.register(self._socket, event)
        while True:
            self._tend()
            if self._poll.poll(_TEND_MS):
                return
            if time.ticks_diff(time.ticks_ms(), begun) > WAIT_MS_MAX:
                raise OSError("silence")


def der_of(certificate):
    """Give a certificate as DER; boards are built without a reader of PEM."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    if begin not in certificate:
        return certificate
    return a2b_base64(certificate.split(begin)[1].split(end)[0])


def _proven(plain, host, ca):
    if ca is None:
        raise ValueError("no CA is pinned")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=der_of(ca))
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except ValueError as error:
        raise OSError("not the server: %s" % error)  # noqa: B904 - a board shows one traceback


def ask_ntp(random, host=NTP_HOST, port=123):
    """Ask what time it is; None where nobody says so within a second."""
    cookie, answer = random(8), bytearray(48)
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asking.settimeout(_NTP_S_MAX)
        asking.connect(socket.getaddrinfo(host, port)[0][-1])
        begun = time.ticks_ms()
        asking.send(ntp_request(cookie))
        size = asking.readinto(answer)
        return ntp_ms(answer[:size], cookie, time.ticks_diff(time.ticks_ms(), begun))
    except OSError:
        return None
    finally:
        asking.close()
