"""The dialect's own clients, unmodified: its SDK and command for Node, as `tests/e2e/node` pins them.

They are fetched once into the user's cache, by their hashes; nothing of them is changed or committed.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

NODE = Path(__file__).parent / "node"
CALL_S = 120.0
PASSKEY = "of-the-test"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}
"""The SDK would send requests to this machine through them (wire 12.1)."""


def missing() -> str | None:
    """Name what lacks to run them."""
    lacking = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"install {' and '.join(lacking)}" if lacking else None


def fetch() -> Path:
    """Give the folder that holds the clients, fetched if it is not there."""
    digest = hashlib.sha256((NODE / "package-lock.json").read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aspectstore"
    folder = cache / f"node-clients-{digest}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "node-clients.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE / name, folder)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
            (folder / "complete").touch()
    return folder


class NodeClients:
    """Runs a program against the SDK, or the command, as one user with a home of his own."""

    def __init__(self, home: Path, url: str, tenant: str, client: str, secret: str) -> None:
        """Name the service and the credentials; the home is empty."""
        self.folder = fetch()
        self.home = home
        self.told = (url, client, secret, tenant)
        kept = {name: value for name, value in os.environ.items() if name not in _PROXIES}
        self._environ: Mapping[str, str] = kept | {
            "HOME": str(home), "MDSP_PASSKEY": PASSKEY, "NODE_CLIENTS": str(self.folder),
        }  # fmt: skip

    def program(self, name: str, *arguments: str) -> dict[str, object]:
        """Run a program of `tests/e2e/node` and give what it printed as JSON."""
        said: dict[str, object] = json.loads(self._run("node", str(NODE / name), *self.told, *arguments))
        return said

    def log_in(self) -> None:
        """Give the command its credentials, as its manual says."""
        url, client, secret, tenant = self.told
        self.command(
            "service-credentials", "--mode", "add", "--type", "SERVICE", "--user", client,
            "--password", secret, "--gateway", url, "--tenant", tenant, "--passkey", PASSKEY,
        )  # fmt: skip

    def command(self, *words: str) -> str:
        """Run the command in the home and give what it said, without colours; it fails loudly."""
        said = self._run(str(self.folder / "node_modules" / ".bin" / "mc"), *words)
        assert "error occured" not in said, said
        return said

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            env=self._environ,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return _COLOURS.sub("", done.stdout)
