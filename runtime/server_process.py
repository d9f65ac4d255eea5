"""One server of somebody else's as our child: start, wait until it answers, stop, kill, start again.

What a Cassandra and a Valkey have in common lives here; what each is started with lives in its own module.
Nothing is global: an object is one server on one data directory, and a lock that the child inherits keeps a
second server away from that directory for as long as the first one lives, whoever started it.
"""

import ctypes
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.02
PORTS = range(20_000, 32_000)  # below the range from which Linux takes ports for outgoing connections
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK = 1, 29
LOCK_WAIT_SECONDS = 10.0  # an orphan of a killed supervisor is on its way out


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


class ServerProcess:
    """One child process and the data directory that belongs to it alone while it runs.

    A subclass says how to start it (`command`) and how to ask whether it serves (`answers`).
    `pid` stays known after a kill, so that a test can name the process that died.
    """

    timer_slack_ns = 0
    """By how much the system may put off the server's short waits; 0: its own 50 µs. Linux only."""

    def __init__(self, name: str, data_dir: Path, *, start_seconds: float) -> None:
        self.name = name
        self.data_dir = data_dir.resolve()
        self.start_seconds = start_seconds
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
        Raises ServerFailed with the last line that the server printed.
        """
        if self.running():
            return
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.env.update(env or {})
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
                    pass_fds=(lock,),
                    start_new_session=True,  # Ctrl-C is for our process, which then stops the child in order
                    preexec_fn=_settings(self.timer_slack_ns),  # noqa: PLW1509  # system calls only
                )
        finally:
            os.close(lock)  # the child's copy keeps it
        self._await_answer()

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
