"""Which server the client commands talk to, and as whom: `ASPECTSTORE_…` variables, else `.demo/`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cli.complaints import Complaint
from runtime.settings import PREFIX

if TYPE_CHECKING:
    from client import Client

DEMO_FOLDER = ".demo"
CREDENTIALS = "credentials.json"


class Target(msgspec.Struct, frozen=True):
    """A server and the credentials of a technical user on it."""

    url: str
    client: str
    secret: str
    tenant: str = ""


def find_target(environ: Mapping[str, str], folder: Path) -> Target:
    """Take the variables where they are set, else what the demo in this folder wrote."""
    url = environ.get(PREFIX + "URL", "")
    if url:
        client, secret = environ.get(PREFIX + "CLIENT", ""), _secret(environ)
        if not (client and secret):
            raise Complaint(f"set {PREFIX}CLIENT and {PREFIX}SECRET (or _SECRET_FILE) for {url}")
        if not url.startswith(("http://", "https://")):
            raise Complaint(f"{PREFIX}URL is http://HOST:PORT or https://HOST:PORT; it reads {url!r}")
        return Target(url, client, secret)
    path = folder / DEMO_FOLDER / CREDENTIALS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Target)
    except FileNotFoundError:
        raise Complaint(
            f"no server: set {PREFIX}URL, {PREFIX}CLIENT and {PREFIX}SECRET,"
            " or start `make demo` in this folder"
        ) from None
    except (OSError, msgspec.DecodeError) as error:
        raise Complaint(f"{path} cannot be read: {error}; start `make demo` again") from None


def connect() -> Client:
    """Give a client of the server that is meant; one that is not there is a complaint at once."""
    from client import Client  # noqa: PLC0415  # loads httpx

    target = find_target(os.environ, Path.cwd())
    with Client(target.url, patience_s=0) as probe:
        probe.health()  # not after all the repeats of a long load
    return Client(target.url, target.client, target.secret)


def write_target(target: Target, folder: Path) -> None:
    """Leave server and credentials in the demo's folder, readable by the owner only."""
    path = folder / CREDENTIALS
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(target))


def _secret(environ: Mapping[str, str]) -> str:
    path = environ.get(PREFIX + "SECRET_FILE")
    if path is None:
        return environ.get(PREFIX + "SECRET", "")
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise Complaint(f"{PREFIX}SECRET_FILE cannot be read: {error}") from None
