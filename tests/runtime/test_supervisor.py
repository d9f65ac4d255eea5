"""`serve` as a process tree, over stand-in parts: ready, restart, order of ending, death, port and folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime import lifeline, supervisor
from runtime.places import CannotServe, find_port, listen, lock_folder

SCRIPT = Path(__file__).parent / "supervised.py"
ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0


class Tree:
    """One supervisor with its stand-in parts."""

    def __init__(self, folder: Path, listen: str = "127.0.0.1:0", behaviour: str = "good") -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), listen, behaviour],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )

    def said(self) -> str:
        """Give the next line for people."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.startswith("{"):
                return line.strip()
        return ""

    def events(self) -> list[str]:
        """Give what the parts noted."""
        path = self.folder / "events"
        return path.read_text().splitlines() if path.exists() else []

    def pids(self, name: str) -> list[int]:
        """Give the process ids of a part, oldest start first."""
        return [int(event.split()[2]) for event in self.events() if event.startswith(f"start {name} ")]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the supervisor and wait for it."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def tree(tmp_path):
    """Give a function that starts a tree; what is left of it is killed at the end."""
    trees: list[Tree] = []

    def start(*arguments: str, folder: Path = tmp_path) -> Tree:
        trees.append(Tree(folder, *arguments))
        return trees[-1]

    yield start
    for one in trees:
        one.process.kill()
        one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()


def until(condition) -> None:
    """Wait until something holds; fail after half a minute."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_parts_end_in_the_order_of_the_data(tree, number):
    """One ready line; SIGTERM and Ctrl-C end doors, then writers, then jobs, with exit code 0."""
    one = tree()
    assert one.said().startswith("ready http://127.0.0.1:")
    until(lambda: one.pids("jobs-0"))

    assert one.end(number) == 0
    ends = [event for event in one.events() if not event.startswith("start")]
    assert ends == ["end door-0", "end writer-0", "end jobs-0"]


def test_interrupt_of_the_terminal_reaches_the_supervisor_only(tree):
    """Ctrl-C goes to the whole foreground group; the parts are not in it and end in order."""
    one = tree()
    one.said()
    until(lambda: one.pids("jobs-0"))

    os.killpg(one.process.pid, signal.SIGINT)

    assert one.process.wait(DEADLINE_S) == 0
    assert not [event for event in one.events() if event.startswith("interrupted")]


def test_part_that_dies_is_started_again(tree):
    """A killed door, writer or job worker comes back; the others stay."""
    one = tree()
    one.said()
    until(lambda: one.pids("jobs-0"))

    for name in ("door-0", "writer-0", "jobs-0"):
        os.kill(one.pids(name)[-1], signal.SIGKILL)
        until(lambda name=name: len(one.pids(name)) == 2)

    assert all(alive(one.pids(name)[-1]) for name in ("door-0", "writer-0", "jobs-0"))
    assert one.end() == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_killed_supervisor_takes_its_parts_along(tree, tmp_path):
    """After kill -9 of the supervisor no part is left, and the folder can be served again."""
    one = tree()
    one.said()
    until(lambda: one.pids("jobs-0"))
    pids = [one.pids(name)[-1] for name in ("door-0", "writer-0", "jobs-0")]

    one.process.kill()
    one.process.wait()

    until(lambda: not any(map(alive, pids)))
    (tmp_path / "events").unlink()
    assert tree().said().startswith("ready ")


@pytest.mark.parametrize("pause", [False, True])
def test_part_that_does_not_end_is_killed(tree, pause):
    """A part that ignores SIGTERM, or is paused, does not hold up the end for longer than it may."""
    one = tree("127.0.0.1:0", "good" if pause else "stubborn")
    one.said()
    until(lambda: one.pids("writer-0"))
    writer = one.pids("writer-0")[-1]
    if pause:
        os.kill(writer, signal.SIGSTOP)

    assert one.end() == 0
    assert not alive(writer)
    assert ("end writer-0" in one.events()) is pause


def test_part_with_impossible_settings_ends_the_service(tree):
    """Exit code 2 of a part before ready is not tried again: one line, exit code 2."""
    one = tree("127.0.0.1:0", "bad")

    assert one.said() == "cannot serve: writer-0 cannot start; its reason stands above"
    assert one.process.wait(DEADLINE_S) == 2


def test_folder_belongs_to_one_service(tree, tmp_path):
    """A second service on the same data is refused with the process that holds it."""
    one = tree()
    one.said()
    second = tree()

    said = second.said()

    assert said == (
        f"cannot serve: the data folder {tmp_path} is in use by process {one.process.pid};"
        " stop it or give another --data"
    )
    assert second.process.wait(DEADLINE_S) == 2


def test_busy_port_gives_way_to_the_next(tree, tmp_path):
    """A busy port is said, and the next free one taken: also where the other is such a service."""
    first = tree("127.0.0.1:0")
    port = int(first.said().rpartition(":")[2])
    second = tree(f"127.0.0.1:{port}", folder=tmp_path / "other")

    assert second.said().startswith(f"port {port} is busy; using {port + 1}")
    assert second.said() == f"ready http://127.0.0.1:{port + 1}"


def test_port_of_another_service_is_passed_over():
    """A port that a service shares among its doors is taken for everyone else."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        assert find_port("127.0.0.1", port) > port


def test_sighup_replaces_the_doors_while_they_listen(tree):
    """The old door ends after its successor accepts, and the others stay as they are (R18)."""
    one = tree()
    one.said()
    until(lambda: one.pids("jobs-0"))

    one.process.send_signal(signal.SIGHUP)

    until(lambda: "end door-0" in one.events())
    events = [event.rsplit(" ", 1)[0] if event.startswith("start door") else event for event in one.events()]
    assert [event for event in events if "door" in event] == ["start door-0", "start door-0", "end door-0"]
    assert len(one.pids("writer-0")) == 1
    assert one.end() == 0


def test_parts_that_die_while_a_new_door_comes_up_are_started_again(tree, tmp_path):
    """Nobody is left alone while the supervisor waits: writers and the old door come back (R1, R18)."""
    one = tree("127.0.0.1:0", "slow")
    one.said()
    until(lambda: one.pids("jobs-0"))
    one.process.send_signal(signal.SIGHUP)
    until(lambda: len(one.pids("door-0")) == 2)
    old, new = one.pids("door-0")

    for name, starts in (("writer-0", 2), ("jobs-0", 2), ("door-0", 3)):
        os.kill(one.pids(name)[0], signal.SIGKILL)
        until(lambda name=name, starts=starts: len(one.pids(name)) == starts)
    (tmp_path / "go").touch()

    until(lambda: "end door-0" in one.events())
    *_, again = one.pids("door-0")
    until(lambda: not alive(again))
    assert [False, True] == [alive(pid) for pid in (old, new)]
    assert one.end() == 0
    assert not alive(new)


def test_parts_that_die_while_an_old_door_ends_are_started_again(tree, tmp_path):
    """Requests under way take their time; the new door and the writers are tended meanwhile (R1, R18)."""
    one = tree("127.0.0.1:0", "busy")
    one.said()
    until(lambda: one.pids("jobs-0"))
    one.process.send_signal(signal.SIGHUP)
    until(lambda: "told door-0" in one.events())
    old, new = one.pids("door-0")

    for name, pid, starts in (("writer-0", one.pids("writer-0")[0], 2), ("door-0", new, 3)):
        os.kill(pid, signal.SIGKILL)
        until(lambda name=name, starts=starts: len(one.pids(name)) == starts)

    assert alive(old)
    (tmp_path / "go").touch()
    until(lambda: not alive(old))
    assert alive(one.pids("door-0")[2])
    assert one.end() == 0


@pytest.mark.parametrize(("behaviour", "event"), [("slow", "start door-0"), ("busy", "told door-0")])
def test_service_that_ends_while_doors_are_renewed_leaves_nothing(tree, tmp_path, behaviour, event):
    """Neither the old door nor the new one outlives a supervisor that is told to end (R18)."""
    one = tree("127.0.0.1:0", behaviour)
    one.said()
    until(lambda: one.pids("jobs-0"))
    one.process.send_signal(signal.SIGHUP)
    until(lambda: len(one.pids("door-0")) == 2 and any(line.startswith(event) for line in one.events()))

    one.process.send_signal(signal.SIGTERM)
    (tmp_path / "go").touch()

    assert one.process.wait(DEADLINE_S) == 0
    assert not any(map(alive, one.pids("door-0")))


def test_door_stays_when_its_successor_does_not_come_up(tree):
    """A new door that ends before it accepts replaces nobody, and no other is tried."""
    one = tree("127.0.0.1:0", "mute")
    port = int(one.said().rpartition(":")[2])
    until(lambda: one.pids("jobs-0"))

    one.process.send_signal(signal.SIGHUP)

    until(lambda: len(one.pids("door-0")) == 2)
    until(lambda: not alive(one.pids("door-0")[1]))
    assert alive(one.pids("door-0")[0])
    assert supervisor.answers("127.0.0.1", port)
    one.process.send_signal(signal.SIGHUP)
    until(lambda: len(one.pids("door-0")) == 3)
    assert len(one.pids("door-1")) == 1
    assert one.end() == 0


def test_who_connects_while_a_door_is_started_again_waits(tree):
    """The socket outlives the door: nobody is refused."""
    one = tree()
    port = int(one.said().rpartition(":")[2])
    until(lambda: one.pids("jobs-0"))

    os.kill(one.pids("door-0")[0], signal.SIGKILL)
    until(lambda: not alive(one.pids("door-0")[0]))

    assert supervisor.answers("127.0.0.1", port)
    assert len(one.pids("door-0")) == 2


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid"])
def test_address_that_is_not_ours_is_refused(host):
    """A host that this machine does not have is one line, not a search through every port."""
    with pytest.raises(CannotServe, match=f"cannot listen on {host}:8080"):
        find_port(host, 8080)


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    """A path through a file is one line with the remedy."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotServe, match="give --data"):
        lock_folder(tmp_path / "file" / "data")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the parent-death signal is Linux's")
def test_grandchild_ends_with_its_parent(tmp_path):
    """A process that ties itself is gone when the one that forked it is killed."""
    script = (
        "import os,sys,time\n"
        "from runtime import lifeline\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    lifeline.tie()\n"
        "    print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environ, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.kill()
    parent.wait()
    parent.stdout.close()

    until(lambda: not alive(child))
    assert lifeline.death_signal() is not None
