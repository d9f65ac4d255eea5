"""A supervisor over stand-in parts, for tests: `supervised.py FOLDER LISTEN [BEHAVIOUR]`.

Each part notes its starts and ends in FOLDER/events; the door answers `/health`. BEHAVIOUR of the writer:
`stubborn` ignores SIGTERM, `bad` exits with 2 at once; a `mute` door that is to take over ends itself, a
`slow` one takes over when there is a file FOLDER/go, and a `busy` door that is told to end waits for it.
"""

import os
import signal
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer

from runtime import supervisor
from runtime.places import CannotServe
from runtime.settings import Settings


def note(folder: Path, text: str) -> None:
    """Append one event; short appends are atomic."""
    with (folder / "events").open("a") as events:
        events.write(f"{text}\n")


def option(name: str) -> int | None:
    """Read a file descriptor that a door is given."""
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else None


def until_told(folder: Path) -> None:
    """Wait for the file by which a test says that it goes on."""
    while not (folder / "go").exists():
        time.sleep(0.01)


def part(folder: Path, name: str, behaviour: str) -> None:
    """Be one part until told to end."""
    if behaviour == "bad" and name.startswith("writer"):
        sys.exit(2)

    def end(*_: object) -> None:
        if behaviour == "stubborn" and name.startswith("writer"):
            return
        if behaviour == "busy" and name.startswith("door"):
            note(folder, f"told {name}")
            until_told(folder)
        note(folder, f"end {name}")
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, lambda *_: note(folder, f"interrupted {name}"))
    note(folder, f"start {name} {os.getpid()}")
    if name.startswith("door"):
        listening = option("--socket")
        assert listening is not None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        server = TCPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        server.socket = socket.socket(fileno=listening)
        ready = option("--ready")
        if ready is not None and behaviour == "slow":
            until_told(folder)
        if ready is not None and behaviour != "mute":
            os.write(ready, b".")
        if ready is not None:
            os.close(ready)
        if ready is not None and behaviour == "mute":
            sys.exit(1)
        server.serve_forever()
    while True:
        time.sleep(60)


def _writes(folder: Path) -> bool:
    return "start writer-0" in (folder / "events").read_text()


def main() -> None:
    """Run the supervisor, or with `part` one of its parts."""
    if sys.argv[1] == "part":
        part(Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a text file
    folder, listen, behaviour = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    supervisor.READY_S = 20.0
    real = supervisor.commands
    supervisor.commands = lambda settings: {
        name: [sys.executable, __file__, "part", str(folder), name, behaviour] for name in real(settings)
    }
    drain_s = 30.0 if behaviour == "busy" else 1.0
    doors = 2 if behaviour == "mute" else 1
    settings = Settings(
        data=str(folder), listen=listen, stream="unix:///nowhere", drain_s=drain_s, doors=doors
    )
    try:
        supervisor.Supervisor(
            settings, lambda line: sys.stdout.write(f"{line}\n"), lambda _: _writes(folder)
        ).run()
    except CannotServe as error:
        sys.stdout.write(f"cannot serve: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
