"""How both clients use httpx: address, time limits, proxies, and its errors as ours."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import httpx

from client.calls import Request, Response
from client.errors import CannotConnect

USER_AGENT = "aspectstore-client"
CONNECT_S = 5.0
ANSWER_S = 60.0
"""Longer than any deadline of the service."""
CONNECTIONS_MAX = 32


def is_loopback(url: str) -> bool:
    """Tell whether the host of an address is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def options(url: str) -> dict[str, object]:
    """Give the keywords of an httpx client; proxy variables are not for loopback addresses."""
    return {
        "base_url": url.rstrip("/"),
        "timeout": httpx.Timeout(ANSWER_S, connect=CONNECT_S),
        "limits": httpx.Limits(max_connections=CONNECTIONS_MAX),
        "verify": url.startswith("https"),  # certificates take a tenth of a second to load
        "trust_env": not is_loopback(url),
        "headers": {"User-Agent": USER_AGENT, "Accept": "*/*"},
        "follow_redirects": False,
    }


def to_response(response: httpx.Response) -> Response:
    """Take over what the calls look at."""
    return Response(response.status_code, dict(response.headers), response.content)


def cannot_connect(url: str, request: Request, error: Exception) -> CannotConnect:
    """Say which server did not answer what."""
    path = request.path.partition("?")[0]
    reason = str(error) or type(error).__name__
    return CannotConnect(f"no answer from {url} to {request.method} {path}: {reason}")
