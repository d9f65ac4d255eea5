"""`serve`: everything that the settings need as one foreground process tree.

Start: the data folder's lock, the private stream server if it is embedded, then doors, writers and job
workers beside one another; one `ready` line when the door answers and every shard takes records.
The listening sockets are ours, one for each door, and outlive it: whoever connects while a door is started
again waits instead of being turned away. A part that ends is started again, later each time it ends soon.
SIGHUP replaces the doors one by one, each when its successor accepts requests (R18). SIGTERM and Ctrl-C
end the parts in the order doors, writers, jobs, stream server, so that what was acknowledged is also
stored; a second one kills. A killed supervisor takes its parts along (`lifeline`), and the lock, which
every part inherits, is free only when the last one is gone.
"""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime import lifeline
from runtime.places import POLL_S, CannotServe, find_port, listen, lock_folder, note_stream
from runtime.renewal import Part, Renewal
from runtime.server_process import ServerFailed
from runtime.settings import PREFIX, Settings
from runtime.valkey_server import ValkeyServer, missing

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

IDLE_S = 1.0
"""While nothing is awaited: a signal or the end of a child wakes at once."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 3.0
"""A part that was killed is back within 4 s (R1), however often it was killed before."""
STEADY_S = 30.0
"""A part that ran this long starts again at once when it ends."""
READY_S = 120.0
"""A log of gigabytes is read before the stream server answers."""
HEALTH_TIMEOUT_S = 2.0
DOOR, WRITER, JOBS = "door", "writer", "jobs"
"""What the names of parts begin with."""
BAD_SETTINGS = 2
"""Exit code of a part that cannot start with these settings, however often it tries."""


@dataclass(slots=True)
class Signals:
    """What was asked of us, and a way to wait for it."""

    asked: int = 0
    """How often an end was asked for."""
    renew: bool = False
    """Whether new doors were asked for."""
    pipe: tuple[int, int] = field(default_factory=os.pipe)

    def wait(self, seconds: float, pipe: int | None = None) -> None:
        """Sleep until a signal comes, a child's end included, the pipe is readable, or the time is over."""
        awaited = [self.pipe[0]] if pipe is None else [self.pipe[0], pipe]
        if self.pipe[0] in select.select(awaited, [], [], seconds)[0]:
            os.read(self.pipe[0], 4096)

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch SIGTERM, SIGINT, SIGHUP and SIGCHLD for the time of the block."""
        os.set_blocking(self.pipe[1], False)
        before = {number: signal.getsignal(number) for number in (*_ENDS, signal.SIGHUP, signal.SIGCHLD)}
        woken = signal.set_wakeup_fd(self.pipe[1], warn_on_full_buffer=False)
        for number in _ENDS:
            signal.signal(number, lambda *_: self._count())
        signal.signal(signal.SIGHUP, lambda *_: self._ask_renewal())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield self
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            for end in self.pipe:
                os.close(end)

    def _count(self) -> None:
        self.asked += 1

    def _ask_renewal(self) -> None:
        self.renew = True


_ENDS = (signal.SIGTERM, signal.SIGINT)


def module(name: str, *arguments: str) -> list[str]:
    """Give the command that runs one of our modules, whatever lies in the present folder."""
    return [sys.executable, "-P", "-m", name, *arguments]


def commands(settings: Settings) -> dict[str, list[str]]:
    """Give the commands of every part, in the order in which they end."""
    doors = {f"{DOOR}-{number}": module("cli.door") for number in range(settings.doors)}
    writers = {f"{WRITER}-{number}": module("workers.main", "writer") for number in range(settings.writers)}
    jobs = {f"{JOBS}-{number}": module("workers.main", "jobs") for number in range(settings.job_workers)}
    return doors | writers | jobs


class Supervisor:
    """One running service."""

    def __init__(
        self, settings: Settings, say: Callable[[str], None], writers_ready: Callable[[Settings], bool]
    ) -> None:
        """Take the settings, where to say what a person should know, and how to ask the shards."""
        self._settings = settings
        self._say = say
        self._writers_ready = writers_ready
        self._signals = Signals()
        self._stream: ValkeyServer | None = None
        self._parts: list[Part] = []
        self._renewal: Renewal | None = None
        self._environ: Mapping[str, str] = {}
        self._lock = -1
        self._ready = False

    def run(self) -> None:
        """Serve until told to end; CannotServe says why it could not."""
        with ExitStack() as stack:
            self._lock = lock_folder(self._settings.folder)
            stack.callback(os.close, self._lock)
            stack.enter_context(self._signals.caught())
            host, wanted = self._settings.address
            port = find_port(host, wanted)
            if wanted not in {0, port}:
                self._say(f"port {wanted} is busy; using {port}")
            stack.callback(self._end)
            self._begin(host, port)
            if self._await_ready(host, port):
                shown = f"[{host}]" if ":" in host else host
                scheme = "https" if self._settings.tls_certificate else "http"
                self._say(f"ready {scheme}://{shown}:{port}")
                self._ready = True
                self._release_jobs()
                while not self._signals.asked:
                    self._tend()
                    self._renew_doors()
                    self._signals.wait(self._next_look(), self._renewal.pipe if self._renewal else None)

    def _begin(self, host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        settings = self._settings.changed(listen=f"{shown}:{port}", data=str(self._settings.folder))
        if settings.stream == "embedded":
            settings = settings.changed(stream=self._start_stream())
        others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environ = others | settings.to_environ()
        self._settings = settings
        self._parts = [Part(name, command) for name, command in commands(settings).items()]
        for part in self._parts:
            if part.name.startswith(DOOR):
                part.listener = listen(host, port)
            if part.name.startswith(JOBS):
                part.due_s = math.inf  # nobody waits for a job yet, and somebody waits for the door
            else:
                self._start(part)

    def _start_stream(self) -> str:
        lacking = missing()
        if lacking:
            raise CannotServe(lacking)
        folder = self._settings.folder / "stream"
        self._stream = ValkeyServer(folder, appendfsync=self._settings.durability)
        try:
            self._stream.start()
        except ServerFailed as error:
            raise CannotServe(str(error)) from None
        note_stream(self._settings.folder, self._stream.url)
        return self._stream.url

    def _start(self, part: Part, ready: int | None = None) -> None:
        part.started_s = time.monotonic()
        command, passed = [*part.command], [self._lock]
        if part.listener is not None:
            command += ["--socket", str(part.listener.fileno())]
            passed.append(part.listener.fileno())
        if ready is not None:
            command += ["--ready", str(ready)]
            passed.append(ready)
        part.process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
            command,
            stdin=subprocess.DEVNULL,
            env=self._environ,
            pass_fds=passed,
            process_group=0,  # Ctrl-C is for us, who end the parts in order
            preexec_fn=lifeline.death_signal(),  # noqa: PLW1509  # one system call, libc loaded before
        )

    def _renew_doors(self) -> None:
        """Begin a round of new doors if one was asked for, or go on with the one that is under way."""
        if self._renewal is None and self._signals.renew:
            self._signals.renew = False
            doors = [part for part in self._parts if part.name.startswith(DOOR)]
            self._renewal = Renewal(doors, self._start, ready_s=READY_S, drain_s=self._settings.drain_s)
        if self._renewal is not None and not self._renewal.step():
            if self._renewal.failed:
                self._log.error("door_not_renewed", part=self._renewal.failed)
            self._renewal = None

    def _await_ready(self, host: str, port: int) -> bool:
        """Wait until door and shards work; False if an end was asked for meanwhile."""
        deadline, tls = time.monotonic() + READY_S, bool(self._settings.tls_certificate)
        while not self._signals.asked:
            if answers(host, port, tls=tls) and self._writers_ready(self._settings):
                return True
            if time.monotonic() > deadline:
                raise CannotServe(f"not ready within {READY_S:.0f} s; the log above says why")
            self._tend()
            self._signals.wait(POLL_S)
        return False

    def _release_jobs(self) -> None:
        for part in self._parts:
            if part.due_s == math.inf:
                part.due_s = 0.0

    def _next_look(self) -> float:
        dues = [part.due_s for part in self._parts if part.process is None]
        return min(max(0.0, min(dues) - time.monotonic()), IDLE_S) if dues else IDLE_S

    def _tend(self) -> None:
        """Start again what has ended."""
        if self._stream is not None and not self._stream.running():
            self._log.error("part_ended", part="stream server")
            try:
                self._stream.start()
            except ServerFailed as error:
                self._log.error("part_not_started", part="stream server", reason=str(error))
                self._signals.wait(BACKOFF_FIRST_S)
        now = time.monotonic()
        for part in self._parts:
            if part.process is not None and not part.running():
                soon = now - part.started_s < STEADY_S
                part.pause_s = min(max(2 * part.pause_s, BACKOFF_FIRST_S), BACKOFF_MAX_S) if soon else 0.0
                part.due_s = now + part.pause_s
                code = part.process.returncode
                part.process = None
                if code == BAD_SETTINGS and not self._ready:
                    raise CannotServe(f"{part.name} cannot start; its reason stands above")
                self._log.error("part_ended", part=part.name, exit_code=code, again_in_s=part.pause_s)
            if part.process is None and now >= part.due_s:
                self._start(part)

    def _end(self) -> None:
        """End every part in order: what was acknowledged is stored before the stream server goes."""
        for part in self._parts:
            if part.listener is not None:
                part.listener.close()
        parts = [*self._parts, *(self._renewal.give_up() if self._renewal is not None else ())]
        for group in (DOOR, WRITER, JOBS):
            self._end_group([part for part in parts if part.name.startswith(group)])
        if self._stream is not None:
            self._stream.stop()

    def _end_group(self, parts: Sequence[Part]) -> None:
        for part in parts:
            part.tell_to_end()
        deadline = time.monotonic() + self._settings.drain_s
        asked = self._signals.asked
        while any(part.running() for part in parts):
            if time.monotonic() > deadline or self._signals.asked > max(asked, 1):
                for part in parts:
                    part.kill()
                return
            self._signals.wait(POLL_S)

    @property
    def _log(self) -> FilteringBoundLogger:
        """Give the log; loaded when there is something to say, so that starting is not held up."""
        from runtime import logs  # noqa: PLC0415

        logs.configure(self._settings.log_level, hidden=self._settings.secrets)
        import structlog  # noqa: PLC0415

        log: FilteringBoundLogger = structlog.get_logger("supervisor")
        return log


def answers(host: str, port: int, *, tls: bool = False) -> bool:
    """Tell whether the door says that it is well (`/health` is 200)."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # asked, not listened on
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((target, port), HEALTH_TIMEOUT_S))
            if tls:
                connection = stack.enter_context(_encrypted(connection))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _encrypted(connection: socket.socket) -> socket.socket:
    """Speak TLS to our own door, whatever name its certificate is for."""
    import ssl  # noqa: PLC0415  # takes a while to load, and few need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)
