"""The watched folder: whole files only, each once, bad ones passed over (SM-03); time is given."""

import json
import os
from pathlib import Path

import pytest

from cli import import_command, watching
from cli.complaints import Complaint
from cli.watching import MEMORY, Stamp, Watched, digest_of, is_temporary, is_written, watch
from client import ApiError, CannotConnect, Problem
from tests.cli.test_imports import FakeImports

SETTLE_S = 10.0


class Folder:
    """A watched folder, a clock, and what was imported out of it."""

    def __init__(self, path):
        """Begin with nothing."""
        self.path, self.now_s = path, 1_000.0
        self.writing, self.imported, self.ends = set(), [], {}
        self.restart()

    def restart(self):
        """Watch anew, with what was written down."""
        self.watched = Watched(self.path, SETTLE_S, lambda stamp: stamp.inode in self.writing)
        self.watched.remember()

    def put(self, name, text):
        """Write a file; gives it."""
        path = self.path / name
        path.write_text(text)
        return path

    def take(self, path):
        """Import a file, or fail as a test says."""
        end = self.ends.pop(path.name, "done")
        if isinstance(end, Exception):
            raise end
        self.imported.append((path.name, path.read_text()))
        return end

    def look(self, after_s=0.0):
        """Let time go by and look once; gives what was imported."""
        self.now_s += after_s
        self.imported = []
        for path in self.watched.ready(self.now_s):
            watching._take(self.watched, path, self.take)
        return self.imported


@pytest.fixture
def folder(tmp_path):
    """An empty folder."""
    return Folder(tmp_path)


def test_a_file_is_taken_once_it_has_not_changed_for_a_while(folder):
    """Not at first sight, not while it grows, then once."""
    folder.put("a.csv", "t\n1\n")
    assert [] == folder.look() == folder.look(9.9)
    folder.put("a.csv", "t\n1\n2\n")
    assert [] == folder.look(0.2) == folder.look(9.9)
    assert [("a.csv", "t\n1\n2\n")] == folder.look(0.2)
    assert [] == folder.look(100) == folder.look(100)


def test_a_change_of_time_alone_lets_it_settle_and_repeats_nothing(folder):
    """Size and content as before: looked at again, known by its content."""
    path = folder.put("a.csv", "x")
    folder.look()
    assert 1 == len(folder.look(10))
    os.utime(path, ns=(1, 1))
    assert [] == folder.look() == folder.look(10) == folder.look(10)


def test_a_file_that_somebody_has_open_waits(folder):
    """However long nothing is written into it."""
    inode = folder.put("a.csv", "half").stat().st_ino
    folder.writing = {inode}
    assert [] == folder.look() == folder.look(100) == folder.look(100)
    folder.writing = set()
    assert [] == folder.look(9)
    assert [("a.csv", "half")] == folder.look(1)


def test_the_system_tells_who_writes(tmp_path):
    """A file that this process has open for writing is seen, one that it only reads is not."""
    path = tmp_path / "a"
    path.write_text("x")
    told = path.stat()
    stamp = Stamp(told.st_size, told.st_mtime_ns, told.st_ino, told.st_dev)
    with path.open("ab"):
        assert is_written(stamp) == Path("/proc/self/fd").is_dir()
    with path.open("rb"):
        assert not is_written(stamp)
    assert not is_written(stamp, tmp_path / "no-proc")


def test_unfinished_names_are_left_alone_until_they_are_renamed(folder):
    """As programs do that write beside and rename; folders and links are no files."""
    for name in (".a.csv", "a.csv.part", "a.csv.TMP", "a.csv~", "~$a.csv", "a.filepart"):
        assert is_temporary(name)
        folder.put(name, name)
    (folder.path / "inside").mkdir()
    (folder.path / "link.csv").symlink_to(folder.path / "a.csv.part")
    assert [] == folder.look() == folder.look(100)
    (folder.path / "a.csv.part").rename(folder.path / "a.csv")
    assert [] == folder.look()
    assert [("a.csv", "a.csv.part")] == folder.look(10)


def test_a_restart_repeats_nothing_and_goes_on(folder):
    """Remembered by name and content; a line that a crash has cut is no line."""
    folder.put("a.csv", "one")
    folder.look()
    folder.look(10)
    with (folder.path / MEMORY).open("ab") as memory:
        memory.write(b'{"name":"b.csv","sha')
    folder.put("b.csv", "two")
    folder.restart()
    assert [] == folder.look()
    assert [("b.csv", "two")] == folder.look(10)
    folder.put("a.csv", "changed")
    folder.look()
    assert [("a.csv", "changed")] == folder.look(10)


def test_a_bad_file_is_told_and_passed_over(folder, capsys):
    """A refusal and a failed job are the file's own fault; the others are imported, it is not tried again."""
    for name in ("a.csv", "b.csv", "c.csv"):
        folder.put(name, name)
    folder.ends = {"a.csv": ApiError(400, [Problem("code", "no such column")]), "b.csv": "failed"}
    folder.look()
    assert ["b.csv", "c.csv"] == [name for name, _ in folder.look(10)]
    assert "a.csv: refused: no such column" in capsys.readouterr().err
    assert [] == folder.look(100)
    lines = [json.loads(line) for line in (folder.path / MEMORY).read_bytes().splitlines()]
    assert ["refused", "failed", "done"] == [line["outcome"] for line in lines]
    assert digest_of(folder.path / "a.csv") == lines[0]["sha256"]


def test_what_may_pass_is_tried_again(folder, capsys):
    """A service that is away, a file that changes while it is sent."""
    folder.put("a.csv", "x")
    folder.look()
    folder.ends = {"a.csv": CannotConnect("no answer")}
    assert [] == folder.look(10)
    folder.ends = {"a.csv": Complaint("a.csv was changed while it was being sent")}
    assert [] == folder.look(1)
    assert [] == folder.look(1) == folder.look(9)
    assert [("a.csv", "x")] == folder.look(1)
    said = capsys.readouterr().err
    assert "no answer; it is tried again" in said
    assert "changed while it was being sent; it is looked at again" in said


def test_a_file_that_is_replaced_while_it_is_imported_is_another_version(folder):
    """What it has become is imported, too."""
    path = folder.put("a.csv", "one")
    taken = folder.take

    def take(path):
        taken(path)
        path.write_text("two")
        folder.take = taken
        return "done"

    folder.look()
    folder.take = take
    assert [("a.csv", "one")] == folder.look(10)
    assert [] == folder.look()
    assert [("a.csv", "two")] == folder.look(10)
    assert "two" == path.read_text()


def test_once_ends_when_nothing_is_left(folder):
    """A look, a pause, until everything is done with."""
    folder.put("a.csv", "x")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        folder.now_s += seconds

    watch(folder.watched, folder.take, now=lambda: folder.now_s, pause=pause, once=True)
    assert [("a.csv", "x")] == folder.imported
    assert {SETTLE_S / 4} == set(pauses)


@pytest.fixture
def fake(monkeypatch):
    """Make a stand-in; nobody waits."""
    monkeypatch.setattr(import_command, "LOOK_S", 0.0)
    return FakeImports()


def test_the_command_watches_a_folder(run, fake, tmp_path):
    """Files of a folder go the way of named ones; a folder or files, not both."""
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.csv").write_text("t,a\n1,2\n")
    words = ("import", "--watch", inside, "--type", "tower", "--asset", "mast")
    done = run(*words, "--once", "--settle", "0.1")

    assert done.exit_code == 0, done.output
    assert "1 stored" in done.stdout
    asked = [json.loads(body) for method, path, _, body in fake.sent if path.endswith("/imports")]
    assert ["tower"] == [each["type"] for each in asked]
    assert 2 == run(*words, inside / "a.csv").exit_code
    assert 2 == run("import", "--type", "tower", "--asset", "mast").exit_code
