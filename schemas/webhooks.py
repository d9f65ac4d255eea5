"""Where a webhook may lead, and how its requests are signed (S9, MS-84).

A request of ours must not reach what only we can reach: the machine itself, its network, a cloud's metadata.
So every address that a name stands for is judged, by the tables of IANA and not by the library's words,
which differ between versions of Python; addresses of IPv6 that carry one of IPv4 are judged by that one too.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from schemas.limits import WEBHOOK_URL_CHARACTERS_MAX

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Networks(tuple[Network, ...]):
    """Some networks; a type of its own, as the framework reads no union of two foreign ones."""

    __slots__ = ()


_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/128", "::1/128", "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16",
        "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
"""This machine, private and shared networks, links, documentation, tunnels, groups, what is reserved."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_PRINTED: Final = re.compile(r"[!-~]+")
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]{1,253}|[0-9A-Fa-f:.]{2,45}")

SIGNATURE_HEADER: Final = "Aspectstore-Signature"
TIMESTAMP_HEADER: Final = "Aspectstore-Timestamp"
DELIVERY_HEADER: Final = "Aspectstore-Delivery"


class Target(NamedTuple):
    """A webhook's address, taken apart."""

    secure: bool
    host: str
    """Name or address, without brackets."""
    port: int
    authority: str
    """What the `Host` header says."""
    path: str
    """And query."""


def parse_url(url: str) -> Target:
    """Take the URL of a webhook apart; a ValueError says what is wrong with it."""
    if len(url) > WEBHOOK_URL_CHARACTERS_MAX or _PRINTED.fullmatch(url) is None or "\\" in url:
        raise ValueError(f"A URL has at most {WEBHOOK_URL_CHARACTERS_MAX} printable ASCII characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("This is no URL.") from None
    if parts.scheme not in {"http", "https"} or _HOST.fullmatch(host) is None:
        raise ValueError("A webhook is https://HOST[:PORT]/PATH.")
    if "@" in parts.netloc or parts.fragment or port == 0:
        raise ValueError("A webhook's URL has no user, no fragment and no port 0.")
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, host, port or (443 if secure else 80), parts.netloc.lower(), path)


def parse_networks(text: str) -> Networks:
    """Read networks divided by commas; a ValueError says which is none."""
    return Networks(ip_network(each.strip()) for each in text.split(",") if each.strip())


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the internet and to nobody in particular."""
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    return not any(_is_in(address, network) for network in _REFUSED)


def may_reach(text: str, allowed: Sequence[Network], *, secure: bool) -> bool:
    """Tell whether a request may go to this address: in clear only where a setting names the network."""
    address = ip_address(text.partition("%")[0])
    for known in (address, _carried(address)):
        if known is not None and any(_is_in(known, network) for network in allowed):
            return True
    return secure and is_public(address)


def is_literal(host: str) -> bool:
    """Tell whether a host is an address already."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _carried(address: Address) -> IPv4Address | None:
    """Give the address of IPv4 that one of IPv6 stands for."""
    if isinstance(address, IPv4Address):
        return None
    return address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None)


def signature(secret: str, timestamp_s: int, body: bytes) -> str:
    """Sign a request: HMAC-SHA256 over `<timestamp>.<body>`, as the header has it."""
    signed = hmac.new(secret.encode(), b"%d.%b" % (timestamp_s, body), hashlib.sha256)
    return f"v1={signed.hexdigest()}"
