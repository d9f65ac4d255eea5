"""One server of somebody else's as our child: start, wait until it answers, stop, kill, start again.

What a Cassandra and a Valkey have in common lives here; what each is started with lives in its own module.
Nothing is global: an object is one server on one data directory, and a lock that the child inherits keeps a
second server away from that directory for as long as the first one lives, whoever started it.
"""

import ctypes
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02
PORTS = range(20_000, 32_000)  # below the range from which Linux takes ports for outgoing connections
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
LOCK_WAIT_SECONDS = 10.0  # an orphan of a killed supervisor is on its way out
STARTS_MAX = 3  # with other ports each time, if a program that claims none was quicker to take one


class ServerFailed(RuntimeError):
    """The server is missing, did not come up, or its data directory is in use; the text is one line."""


def deploy_path(name: str) -> Path:
    """Find a file of `deploy/`: in the source tree, else where the wheel has put it."""
    source = Path(__file__).resolve().parent.parent / "deploy" / name
    return source if source.exists() else Path(sys.prefix) / "share" / "aspectstore" / name


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nobody listens now; another process may still be quicker."""
    for _ in range(1000):
        port = PORTS[secrets.randbelow(len(PORTS))]
        if not port_taken(host, port):
            return port
    raise ServerFailed(f"no free port on {host} between {PORTS.start} and {PORTS.stop}")


def port_taken(host: str, port: int) -> bool:
    """Say whether somebody listens on the port, by trying to bind it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


class Ports:
    """The ports of one server by name: kept over restarts, and its own among all servers started here.

    A port is claimed by the lock of a file in the system's folder for temporary files. We hold the lock and
    the child inherits it, so that no other start chooses the port while one of both lives: two servers that
    start at the same moment cannot clash. With `file` the ports are those of its last start.
    """

    def __init__(self, host: str, file: Path | None = None) -> None:
        self.host = host
        self._file = file
        self._ports: dict[str, int] = {}
        self._claims: dict[str, int] = {}
        self._unproven: set[str] = set()
        weakref.finalize(self, _close, self._claims)

    def __getitem__(self, name: str) -> int:
        """The port, known after the first start; before it where it was given."""
        return self._ports[name]

    @property
    def claims(self) -> Sequence[int]:
        """The locks, as file descriptors for the child."""
        return [*self._claims.values()]

    def give(self, name: str, port: int) -> None:
        """Take this port and no other; 0 leaves the choice to `settle`."""
        if port:
            self._ports[name] = port

    def settle(self, *names: str) -> dict[str, int]:
        """Return a port for each name: the given one, the one of the last start, else a free one.

        Raises ServerFailed where a port that may not be another is taken.
        """
        if self._file is not None and self._file.exists():
            self._ports = json.loads(self._file.read_text(encoding="utf-8")) | self._ports
        for name in names:
            if name not in self._ports:
                self._choose(name)
            elif port_taken(self.host, self._ports[name]):
                raise ServerFailed(f"port {self._ports[name]} on {self.host} is taken; give another")
            else:
                self._claim(name, self._ports[name])
        if self._file is not None:
            self._file.write_text(json.dumps(self._ports), encoding="utf-8")
        return {name: self._ports[name] for name in names}

    def proven(self) -> None:
        """Note that the server serves on its ports: they stay."""
        self._unproven.clear()

    def let_go(self) -> bool:
        """Forget the ports chosen now that somebody else listens on; say whether there were any."""
        lost = {name for name in self._unproven if port_taken(self.host, self._ports[name])}
        for name in lost:
            del self._ports[name]
            os.close(self._claims.pop(name))
        self._unproven -= lost
        if lost and self._file is not None:
            self._file.write_text(json.dumps(self._ports), encoding="utf-8")
        return bool(lost)

    def _choose(self, name: str) -> None:
        for _ in range(1000):
            port = free_port(self.host)
            if self._claim(name, port):
                self._ports[name] = port
                self._unproven.add(name)
                return
        raise ServerFailed(f"no unclaimed port on {self.host} between {PORTS.start} and {PORTS.stop}")

    def _claim(self, name: str, port: int) -> bool:
        """Lock the port's file until the child and we are gone; False where another holds the lock."""
        if name in self._claims:
            return True
        folder = Path(tempfile.gettempdir()) / f"aspectstore-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._claims[name] = lock
        return True


def _close(claims: Mapping[str, int]) -> None:
    for lock in claims.values():
        os.close(lock)


class ServerProcess:
    """One child process and the data directory that belongs to it alone while it runs.

    A subclass says how to start it (`command`) and how to ask whether it serves (`answers`).
    `pid` stays known after a kill, so that a test can name the process that died.
    """

    timer_slack_ns = 0
    """By how much the system may put off the server's short waits; 0: its own 50 µs. Linux only."""

    def __init__(
        self,
        name: str,
        data_dir: Path,
        *,
        start_seconds: float,
        host: str = "127.0.0.1",
        ports_file: str | None = None,
    ) -> None:
        """Take the data directory; `ports_file` in it keeps the ports for the next process."""
        self.name = name
        self.data_dir = data_dir.resolve()
        self.start_seconds = start_seconds
        self.host = host
        self.ports = Ports(host, self.data_dir / ports_file if ports_file else None)
        self.process: subprocess.Popen[bytes] | None = None
        self.env: dict[str, str] = {}

    def command(self) -> Sequence[str]:
        """Write what the server reads at start and return its command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Ask the server whether it serves, in its own protocol; False while it starts."""
        raise NotImplementedError

    @property
    def output(self) -> Path:
        """The file that takes what the server prints."""
        return self.data_dir / f"{self.name}.out"

    @property
    def pid(self) -> int:
        """The process id of the last start; an error before the first one."""
        if self.process is None:
            raise ServerFailed(f"{self.name} was never started")
        return self.process.pid

    def running(self) -> bool:
        """Say whether the child lives."""
        return self.process is not None and self.process.poll() is None

    def start(self, *, env: Mapping[str, str] | None = None) -> None:
        """Start the server on its data directory and return when it answers.

        `env` is added to the environment, for this start and later ones (a preload shim, say).
        A start that lost its port to another program is tried again with other ports.
        Raises ServerFailed with what the server said last.
        """
        if self.running():
            return
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.env.update(env or {})
        for left in reversed(range(STARTS_MAX)):
            self._launch()
            try:
                self._await_answer()
            except ServerFailed:
                if not left or not self.ports.let_go():
                    raise
            else:
                self.ports.proven()
                return

    def stop(self, *, seconds: float = 30.0) -> None:
        """Ask the server to end and wait for it; kill it after `seconds`. A server that is down stays so."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)  # a paused process does not see SIGTERM
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL and wait until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def pause(self) -> None:
        """Stop the server's clock, as it were: SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server run on."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self) -> None:
        """Start the child, with the locks of its data directory and of its ports."""
        lock = self._lock()
        try:
            command = self.command()
            with self.output.open("ab") as output:
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.env},
                    pass_fds=(lock, *self.ports.claims),
                    start_new_session=True,  # Ctrl-C is for our process, which then stops the child in order
                    preexec_fn=_settings(self.timer_slack_ns),  # noqa: PLW1509  # system calls only
                )
        finally:
            os.close(lock)  # the child's copy keeps it

    def _lock(self) -> int:
        """Take the data directory's lock, waiting a little for an owner that is ending."""
        lock = os.open(self.data_dir / f"{self.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise ServerFailed(
                        f"another {self.name} is running on {self.data_dir}; stop it first"
                    ) from None
                time.sleep(POLL_SECONDS)
            else:
                return lock

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not self.answers():
            if not self.running():
                raise ServerFailed(f"{self.name} did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(
                    f"{self.name} did not answer within {self.start_seconds:.0f} s: {self._last_words()}"
                )
            time.sleep(POLL_SECONDS)

    def _last_words(self) -> str:
        """Say why it did not start, as far as the server said."""
        lines = self.output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it printed nothing'} (all of it in {self.output})"


def _settings(timer_slack_ns: int) -> Callable[[], None] | None:
    """Return what sets up the child; None where the system has no such calls.

    It ends (SIGTERM) when we are killed. Linux ties that to the thread that forks, so only the main
    thread, which lives as long as we do, may ask for it.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    wanted: list[tuple[int, int]] = []
    if threading.current_thread() is threading.main_thread():
        wanted.append((PR_SET_PDEATHSIG, signal.SIGTERM))
    if timer_slack_ns:
        wanted.append((PR_SET_TIMERSLACK, timer_slack_ns))

    def set_up() -> None:
        for option, value in wanted:
            libc.prctl(option, value, 0, 0, 0)

    return set_up
