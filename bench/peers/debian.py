"""Peers that Debian packages: the package's binary is taken out of it and run by hand, nothing is installed.

So no service of this machine is started, stopped or configured, and no root is needed.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.peers.places import FETCH, folder

PACKAGES = {"victoria-metrics": "victoria-metrics", "influxd": "influxdb"}
"""Binary and the package that holds it."""


def binary(name: str) -> Path:
    """Give the fetched binary, else the one on the PATH."""
    fetched = folder("debian") / "usr" / "bin" / name
    return fetched if fetched.exists() else Path(shutil.which(name) or fetched)


def lacking(name: str) -> str | None:
    """Say what is not there; None when the binary is."""
    return None if binary(name).exists() else f"no {name} found: {FETCH}"


def fetch(name: str) -> None:
    """Download the package of a binary and unpack it beside the others."""
    target = folder("debian")
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-q", "download", PACKAGES[name]], cwd=target, check=True)
    for package in target.glob(f"{PACKAGES[name]}_*.deb"):
        subprocess.run(["dpkg", "-x", package, target], check=True)
        package.unlink()
