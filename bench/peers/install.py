"""Fetches the peers into the user's cache (`make bench-peers`); what cannot be had is said.

Debian's packages are only unpacked, Maven and pip copy into folders of their own: nothing on this machine
is installed, started or changed, and neither lock of the project names a peer.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable

from bench.peers import debian, found, maven, tinyflux
from bench.peers.places import folder

TINYFLUX = "tinyflux==1.2.0"


def fetch_tinyflux() -> None:
    """Let pip put the library into a folder of its own."""
    target = folder(tinyflux.NAME)
    shutil.rmtree(target, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    subprocess.run(
        [*pip, "--no-deps", "--only-binary", ":all:", "--target", str(target), TINYFLUX], check=True
    )


FETCHERS: dict[str, tuple[Callable[[], str | None], Callable[[], None]]] = {
    "victoriametrics": (found.PEERS["victoriametrics"]().lacking, lambda: debian.fetch("victoria-metrics")),
    "influxdb": (found.PEERS["influxdb"]().lacking, lambda: debian.fetch("influxd")),
    "questdb": (found.PEERS["questdb"]().lacking, lambda: maven.fetch("questdb")),
    "kairosdb": (found.PEERS["kairosdb"]().lacking, lambda: maven.fetch("kairosdb")),
    "tinyflux": (tinyflux.lacking, fetch_tinyflux),
}
"""Peer → what it lacks, and what fetches it."""


def main() -> int:
    """Fetch what lacks; 1 when something could not be had."""
    missing = 0
    for name, (lacking, fetch) in FETCHERS.items():
        if lacking() is not None:
            try:
                fetch()
            except (OSError, subprocess.CalledProcessError) as failure:
                print(f"{name}: {failure}")
        said = lacking()
        missing += said is not None
        print(f"{name}: {said or 'there'}", flush=True)
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
