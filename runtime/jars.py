"""Servers that are Java programs: where Java is, and their jars, fetched once by Maven and checked by hash.

Maven has no lock, so `deploy/<name>/jars.sha256` beside the `pom.xml` names every jar and its hash; all are
compared before every start.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from runtime.server_process import ServerFailed, deploy_path

JAVA_PACKAGE = "openjdk-17-jre-headless"


def java_command() -> str | None:
    """Find the Java of JAVA_HOME, else of the PATH."""
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").exists():
        return str(Path(home) / "bin" / "java")
    return shutil.which("java")


def java_version() -> int | None:
    """Ask Java for its major version; None where there is no Java."""
    java = java_command()
    if java is None:
        return None
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    return int(found.group(1)) if found else None


class Jars:
    """The jars of one server: what `deploy/<name>` lists, in a folder of the user's cache directory."""

    def __init__(self, name: str, title: str) -> None:
        """Take the name of the folder in `deploy/`, and the server's for people."""
        self.name = name
        self.title = title

    @property
    def folder(self) -> Path:
        """The cache folder; another list of hashes is another folder."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        listed = hashlib.sha256(self._file("jars.sha256").read_bytes()).hexdigest()
        return cache / "aspectstore" / f"{self.name}-{listed[:12]}"

    @property
    def listed(self) -> dict[str, str]:
        """Every jar and its hash, as committed."""
        lines = self._file("jars.sha256").read_text(encoding="utf-8").splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def missing(self) -> str | None:
        """Name what lacks to get the jars; None when they are there or can be fetched."""
        if not self._complete() and shutil.which("mvn") is None:
            return f"no Maven found to fetch {self.title}: install maven"
        return None

    def ensure(self) -> Path:
        """Fetch the jars unless they are there, check every hash, and return their folder.

        Several processes may ask at once: one fetches, the others wait for it.
        """
        folder = self.folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self._complete():
                self._fetch(folder)
        self._check(folder)
        return folder

    def _file(self, name: str) -> Path:
        return deploy_path(f"{self.name}/{name}")

    def _complete(self) -> bool:
        folder = self.folder
        return folder.is_dir() and self.listed.keys() <= {jar.name for jar in folder.iterdir()}

    def _fetch(self, folder: Path) -> None:
        """Let Maven copy the jars into a folder beside, then rename it: no half-fetched folder is used."""
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part}", "-DincludeScope=runtime"]
        maven = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", "--file", str(self._file("pom.xml")), *goal],
            capture_output=True,
            text=True,
            check=False,
        )
        if maven.returncode:
            lines = (maven.stdout + maven.stderr).strip().splitlines()
            raise ServerFailed(f"Maven could not fetch {self.title}: {lines[0] if lines else 'no output'}")
        part.rename(folder)

    def _check(self, folder: Path) -> None:
        """Compare every jar with the committed list; refuse one that differs, lacks or was added."""
        listed = self.listed
        present = {jar.name for jar in folder.iterdir()}
        place = f"deploy/{self.name}/jars.sha256"
        if listed.keys() != present:
            names = ", ".join(sorted(listed.keys() ^ present))
            raise ServerFailed(f"{folder} and {place} differ in {names}; remove the folder")
        for name, digest in listed.items():
            with (folder / name).open("rb") as jar:
                if hashlib.file_digest(jar, "sha256").hexdigest() != digest:
                    raise ServerFailed(f"{folder / name} is not the jar of {place}; remove the folder")
