"""`aspectstore demo`: a running service with a weather mast in it, made anew, in one command.

It starts `serve` as a child on `.demo/`, uses nothing but the public interface, and leaves address and
credentials in `.demo/` for `load` and `read`. Ctrl-C ends it; `DEMO_ONCE=1` ends it after the show.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cli.complaints import Complaint
from cli.target import DEMO_FOLDER, Target, write_target
from runtime import lifeline
from runtime.clock import SystemClock
from runtime.places import CannotServe, lock_folder
from runtime.settings import PREFIX
from runtime.supervisor import module

TENANT = "demo"
LISTEN = "127.0.0.1:8080"
STOP_S = 60.0


def run(folder: Path, *, once: bool, listen: str = LISTEN) -> None:
    """Show everything once; then serve until Ctrl-C, unless `once`."""
    started = time.monotonic()
    demo = _fresh_folder(folder / DEMO_FOLDER)
    client, secret = "demo", secrets.token_urlsafe(18)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ |= {f"{PREFIX}BOOTSTRAP": f"{TENANT}:{client}:{secret}", f"{PREFIX}CONFIG": ""}
    with _ended_by_term(), _serving(demo, environ, listen) as service:
        url = service.await_ready()
        print(f"ready {url} ({time.monotonic() - started:.1f} s)", flush=True)
        from cli import demo_show  # noqa: PLC0415  # numpy and httpx would have slowed the start

        target = Target(url, client, secret, TENANT)
        write_target(target, demo)
        demo_show.show(target, datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC))
        if not once:
            print("\nserving until Ctrl-C", flush=True)
            service.process.wait()
            raise Complaint(f"the service ended by itself; its log is {service.log}")


def _fresh_folder(demo: Path) -> Path:
    data = demo / "data"
    if demo.exists():
        try:
            os.close(lock_folder(data))
        except CannotServe:
            raise Complaint(f"a demo is running in {demo} already; end it with Ctrl-C first") from None
        shutil.rmtree(demo)
    data.mkdir(mode=0o700, parents=True)
    return demo


class _Service:
    """The child that serves, and its log."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self._url = ""
        self._known = threading.Event()
        threading.Thread(target=self._follow, name="serve-output", daemon=True).start()

    def await_ready(self) -> str:
        """Give the address once everything is up; a Complaint with the last words if it ends before."""
        self._known.wait()
        if not self._url:
            code = self.process.wait()
            raise Complaint(f"the service did not start (exit code {code}): {self._last_words()}")
        return self._url

    def _follow(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("w", encoding="utf-8") as log, self.process.stdout as lines:
            for line in lines:
                log.write(line)
                log.flush()
                if line.startswith("ready "):
                    self._url = line.split()[1]
                    self._known.set()
                elif line.startswith("port "):
                    print(line, end="", flush=True)
        self._known.set()

    def _last_words(self) -> str:
        lines = self.log.read_text("utf-8").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def _serving(demo: Path, environ: dict[str, str], listen: str) -> Iterator[_Service]:
    command = module("cli.main", "serve", "--data", str(demo / "data"), "--listen", listen)
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,  # Ctrl-C is for us; the service is then ended in order
        preexec_fn=lifeline.death_signal(),  # noqa: PLW1509  # one system call, libc loaded before
    )
    service = _Service(process, demo / "serve.log")
    try:
        yield service
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        process.kill()
        process.wait()


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, and Ctrl-C as the ordinary way to end."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("\nended", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)
