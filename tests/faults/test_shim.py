"""The preload shim: synced bytes survive a power cut, the rest is gone, whatever way it was written."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.faults.rollback import PowerCut, Undone

OPENING = """
import mmap, os, signal, threading
def end(): os.kill(os.getpid(), signal.SIGKILL)
f = os.open("f", os.O_RDWR | os.O_CREAT)
d = os.open(".", os.O_RDONLY)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the directory that the programs write to; file `f` holds ten durable bytes."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "f").write_bytes(b"0123456789")
    return folder


def run(root: Path, compiled: Path, program: str, *, python: str = sys.executable) -> Undone:
    """Run a program under the shim until it kills itself, then cut the power."""
    cut = PowerCut(root.parent / "side", [root], compiled)
    script = OPENING + textwrap.dedent(program) + "\nend()\n"
    done = subprocess.run(
        [python, "-c", script], cwd=root, env={**os.environ, **cut.environment}, check=False
    )
    assert -signal.SIGKILL == done.returncode
    return cut.roll_back()


PROGRAMS = {
    "unsynced overwrite": (
        "os.pwrite(f, b'XX', 3)",
        b"0123456789",
    ),
    "synced overwrite": (
        "os.pwrite(f, b'XX', 3); os.fsync(f)",
        b"012XX56789",
    ),
    "data sync": (
        "os.pwrite(f, b'XX', 3); os.fdatasync(f)",
        b"012XX56789",
    ),
    "only what came before the sync": (
        "os.pwrite(f, b'XX', 3); os.fsync(f); os.pwrite(f, b'YYYY', 4)",
        b"012XX56789",
    ),
    "unsynced append": (
        "os.lseek(f, 0, 2); os.write(f, b'more')",
        b"0123456789",
    ),
    "synced append": (
        "os.lseek(f, 0, 2); os.write(f, b'more'); os.fsync(f)",
        b"0123456789more",
    ),
    "append mode": (
        "a = os.open('f', os.O_WRONLY | os.O_APPEND); os.write(a, b'more')",
        b"0123456789",
    ),
    "several overlapping writes": (
        "[os.pwrite(f, bytes([65 + i]) * (20 - i), i) for i in range(10)]",
        b"0123456789",
    ),
    "gathered write": (
        "os.writev(f, [b'XX', b'YY']); os.pwritev(f, [b'ZZ'], 20)",
        b"0123456789",
    ),
    "gathered write, synced": (
        "os.writev(f, [b'XX', b'YY']); os.fsync(f)",
        b"XXYY456789",
    ),
    "truncation": (
        "os.ftruncate(f, 4)",
        b"0123456789",
    ),
    "truncation, synced": (
        "os.ftruncate(f, 4); os.fsync(f)",
        b"0123",
    ),
    "truncation and new bytes": (
        "os.ftruncate(f, 4); os.pwrite(f, b'new', 6)",
        b"0123456789",
    ),
    "growth": (
        "os.ftruncate(f, 40)",
        b"0123456789",
    ),
    "allocation": (
        "os.posix_fallocate(f, 0, 4096)",
        b"0123456789",
    ),
    "opened with O_TRUNC": (
        "os.open('f', os.O_WRONLY | os.O_TRUNC)",
        b"0123456789",
    ),
    "synchronous file": (
        "s = os.open('f', os.O_WRONLY | os.O_DSYNC); os.pwrite(s, b'XX', 3)",
        b"012XX56789",
    ),
    "sync through another descriptor": (
        "os.pwrite(f, b'XX', 3); os.fsync(os.open('f', os.O_RDONLY))",
        b"012XX56789",
    ),
    "descriptor reused": (
        """
        os.close(f)
        g = os.open('/dev/null', os.O_WRONLY)
        os.write(g, b'x')
        os.close(g)
        f = os.open('f', os.O_RDWR)
        os.pwrite(f, b'XX', 3)
        """,
        b"0123456789",
    ),
    "range sync promises nothing": (
        """
        import ctypes
        os.pwrite(f, b'XX', 3)
        ctypes.CDLL(None).sync_file_range(f, 0, 0, 7)
        """,
        b"0123456789",
    ),
    "unlinked": (
        "os.unlink('f')",
        b"0123456789",
    ),
    "unlinked after a change": (
        "os.pwrite(f, b'XX', 3); os.unlink('f')",
        b"0123456789",
    ),
    "unlinked, directory synced": (
        "os.unlink('f'); os.fsync(d)",
        None,
    ),
    "renamed away": (
        "os.rename('f', 'g')",
        b"0123456789",
    ),
    "renamed away, directory synced": (
        "os.rename('f', 'g'); os.fsync(d)",
        None,
    ),
    "replaced by a synced file": (
        """
        g = os.open('g', os.O_WRONLY | os.O_CREAT)
        os.write(g, b'new')
        os.fsync(g)
        os.rename('g', 'f')
        """,
        b"0123456789",
    ),
    "replaced, directory synced": (
        """
        g = os.open('g', os.O_WRONLY | os.O_CREAT)
        os.write(g, b'new')
        os.fsync(g)
        os.rename('g', 'f')
        os.fsync(d)
        """,
        b"new",
    ),
    "replaced by a file that was not synced": (
        """
        g = os.open('g', os.O_WRONLY | os.O_CREAT)
        os.write(g, b'new')
        os.rename('g', 'f')
        os.fsync(d)
        """,
        b"",
    ),
    "many threads": (
        """
        def work(i):
            for _ in range(200): os.pwrite(f, bytes([65 + i]) * 50, 7 * i); i % 2 and os.fsync(f)
        t = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        [x.start() for x in t]; [x.join() for x in t]
        os.pwrite(f, b'done', 0); os.ftruncate(f, 4); os.fsync(f)
        """,
        b"done",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_not_synced_is_gone(name: str, root: Path, compiled: Path) -> None:
    """Each way to change a file, with and without the sync that makes it durable."""
    program, expected = PROGRAMS[name]

    run(root, compiled, program)

    assert expected == ((root / "f").read_bytes() if (root / "f").exists() else None)


MAPPINGS = {
    "never synced": ("m[5:7] = b'XX'", b"a" * 3 * 4096),
    "all synced": ("m[5:7] = b'XX'; m.flush()", b"aaaaaXX" + b"a" * (3 * 4096 - 7)),
    "only what came before": (
        "m[5:7] = b'XX'; m.flush(); m[5:7] = b'YY'", b"aaaaaXX" + b"a" * (3 * 4096 - 7),
    ),
    "only the pages in the range": (
        "m[0:1] = b'X'; m[4096:4097] = b'Y'; m.flush(4096, 4096)",
        b"a" * 4096 + b"Y" + b"a" * (2 * 4096 - 1),
    ),
    "synced through the file": ("m[5:7] = b'XX'; os.fsync(g)", b"aaaaaXX" + b"a" * (3 * 4096 - 7)),
    "unmapped before the cut": ("m[5:7] = b'XX'; m.close()", b"a" * 3 * 4096),
    "mapped again": (
        "m[5:7] = b'XX'; m.close(); m = mmap.mmap(g, 0); m[0:1] = b'Z'", b"a" * 3 * 4096,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MAPPINGS)
def test_mapped_pages_are_as_at_their_last_sync(name: str, root: Path, compiled: Path) -> None:
    """A mapped file has no writes to journal: its pages are compared with the last msync."""
    program, expected = MAPPINGS[name]
    (root / "g").write_bytes(b"a" * 3 * 4096)

    run(root, compiled, f"g = os.open('g', os.O_RDWR); m = mmap.mmap(g, 0)\n{program}")

    assert expected == (root / "g").read_bytes()


def test_a_file_that_was_grown_and_mapped_shrinks_again(root: Path, compiled: Path) -> None:
    """A commit log segment: created, grown, mapped; synced once, then written on."""
    undone = run(
        root,
        compiled,
        """
        g = os.open("g", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.ftruncate(g, 1 << 20)
        m = mmap.mmap(g, 0)
        m[0:5] = b"first"; m.flush(); m[5:11] = b"second"
        h = os.open("h", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        os.ftruncate(h, 1 << 20)
        """,
    )

    assert b"first" + bytes((1 << 20) - 5) == (root / "g").read_bytes()
    assert not (root / "h").exists()
    assert 1 == undone.pages


def test_two_processes_share_one_journal(root: Path, compiled: Path) -> None:
    """What one process wrote, another one may sync."""
    run(
        root,
        compiled,
        """
        if os.fork() == 0:
            os.pwrite(f, b"child", 20); os._exit(0)
        os.wait(); os.fsync(f)
        if os.fork() == 0:
            os.pwrite(f, b"later", 30); os._exit(0)
        os.wait()
        """,
    )

    assert b"0123456789" + bytes(10) + b"child" == (root / "f").read_bytes()


def test_a_process_killed_at_any_moment_leaves_a_good_journal(root: Path, compiled: Path) -> None:
    """Four processes overwrite and sync one file and are killed without warning, ten times."""
    source = OPENING + textwrap.dedent(
        """
        i = os.getpid() % 26
        while True:
            os.pwrite(f, bytes([65 + i]) * 9000, 4096 + i)
            os.ftruncate(f, 4096 + 100 * i); os.pwrite(f, b"x", 4)
        """
    )
    original = bytes(range(256)) * 16
    (root / "f").write_bytes(original)
    cut = PowerCut(root.parent / "side", [root], compiled)
    for _ in range(5):
        writers = [
            subprocess.Popen([sys.executable, "-c", source], cwd=root, env={**os.environ, **cut.environment})
            for _ in range(2)
        ]
        while (
            not any(cut.side.glob("*.undo"))
            or max(p.stat().st_size for p in cut.side.glob("*.undo")) < 100_000
        ):
            assert all(writer.poll() is None for writer in writers)
        for writer in writers:
            writer.kill()
            writer.wait()
        assert cut.roll_back().writes

        assert original == (root / "f").read_bytes()


def test_a_disk_may_lie(root: Path, compiled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For controls: syncs of named files do nothing."""
    monkeypatch.setenv("ROLLBACK_LIES", "f")
    (root / "g").write_bytes(b"0123456789")

    run(
        root,
        compiled,
        "g = os.open('g', os.O_RDWR); [(os.pwrite(n, b'XX', 3), os.fsync(n)) for n in (f, g)]",
    )

    assert [b"0123456789", b"012XX56789"] == [(root / name).read_bytes() for name in "fg"]


def test_a_cut_leaves_no_new_times(root: Path, compiled: Path) -> None:
    """A cut writes nothing: a file that loses bytes keeps its time (Cassandra compares times)."""
    cut = PowerCut(root.parent / "side", [root], compiled)
    script = OPENING + "os.pwrite(f, b'XX', 3)\nend()\n"
    environ = {**os.environ, **cut.environment}
    subprocess.run([sys.executable, "-c", script], cwd=root, env=environ, check=False)
    os.utime(root / "f", ns=(1, 1_000_000_000))

    undone = cut.roll_back()

    assert 1 == undone.writes
    assert b"0123456789" == (root / "f").read_bytes()
    assert 1_000_000_000 == (root / "f").stat().st_mtime_ns


def test_files_elsewhere_are_left_alone(root: Path, compiled: Path, tmp_path: Path) -> None:
    """Only what lies below the roots is rolled back, and shared-memory files never are."""
    run(
        root,
        compiled,
        f"""
        for name in ("{tmp_path}/other", "db-shm"):
            g = os.open(name, os.O_WRONLY | os.O_CREAT); os.write(g, b"kept")
        """,
    )

    assert b"kept" == (tmp_path / "other").read_bytes()
    assert b"kept" == (root / "db-shm").read_bytes()


def test_the_shim_does_not_change_what_a_program_sees(root: Path, compiled: Path) -> None:
    """Results and errors of the calls stay what they are without it."""
    cut = PowerCut(root.parent / "side", [root], compiled)
    script = OPENING + textwrap.dedent(
        """
        assert os.write(f, b"abc") == 3 and os.lseek(f, 0, 1) == 3
        for call in (lambda: os.open("none/x", os.O_RDWR | os.O_CREAT), lambda: os.unlink("none"),
                     lambda: os.rename("none", "f"), lambda: os.write(999, b"x"), lambda: os.fsync(998)):
            try: call()
            except OSError as error: print(error.errno, end=" ")
        print(os.path.getsize("f"), sorted(os.listdir(".")))
        import ctypes
        c = ctypes.CDLL(None, use_errno=True)
        def kept(call, *arguments):
            ctypes.set_errno(0); call(*arguments); return ctypes.get_errno()
        print(kept(c.fsync, f), kept(c.fsync, d), kept(c.ftruncate, f, 5), kept(c.write, f, b"abc", 3),
              kept(c.open, b"new", os.O_RDWR | os.O_CREAT, 0o600), kept(c.rename, b"new", b"old"),
              kept(c.unlink, b"old"), kept(c.unlink, b"old"))
        """
    )

    def output(environment: dict[str, str]) -> str:
        (root / "f").write_bytes(b"0123456789")
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    assert output(dict(os.environ)) == output({**os.environ, **cut.environment})
