"""The import contracts of pyproject.toml, run by pytest so that one command is the whole gate."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "streams", "storage", "runtime", "api", "workers", "cli", "client")
PLANTED = [
    ("streams/port.py", "import storage.port", "one way"),
    ("schemas/ids.py", "import time", "schemas is pure"),
    ("api/__init__.py", "import storage.sqlite", "only the wiring names an adapter"),
    ("workers/__init__.py", "import runtime.wiring", "only entry points import the wiring"),
    ("workers/__init__.py", "import cassandra", "the Cassandra driver stays in its adapter"),
    ("runtime/__init__.py", "import apsw", "the SQLite drivers stay in their adapter"),
    ("api/__init__.py", "import redis", "the Valkey and Redis drivers stay in their adapters"),
    ("api/__init__.py", "import joserfc", "token and password libraries stay in api.identity"),
    ("storage/sqlite/__init__.py", "import storage.cassandra", "adapters are strangers"),
    ("storage/reader.py", "import storage.sqlite", "reader and sealing know the port and pure files only"),
    ("storage/deltas.py", "import storage.reader", "the storage codecs are pure"),
    ("api/__init__.py", "import obstore", "the S3 library stays in its adapter"),
    ("api/__init__.py", "import pyarrow", "the Arrow library stays in its format"),
    ("workers/__init__.py", "import litestar", "HTTP stays in api"),
    ("client/__init__.py", "import schemas", "the client knows the wire only"),
    ("storage/port.py", "import storage.sqlite", "no cycles"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check every contract in a folder that holds a tree like ours."""
    command = [
        sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache",
        "--config", str(ROOT / "pyproject.toml"),
    ]  # fmt: skip
    env = {"PYTHONPATH": str(folder), "PATH": "", "NO_COLOR": "1", "PYTHONUTF8": "1"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_every_import_contract_holds() -> None:
    """The import graph has one direction, and each driver stays where it belongs."""
    answer = lint(ROOT)

    assert answer.returncode == 0, answer.stdout[answer.stdout.find("Contracts") :] + answer.stderr


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED, ids=[case[2] for case in PLANTED])
def test_each_contract_catches_a_planted_violation(
    file: str, line: str, contract: str, tmp_path: Path
) -> None:
    """A contract that no violation breaks would protect nobody."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / file
    target.write_text(target.read_text(encoding="utf-8") + f"\n\n{line}\n", encoding="utf-8")

    answer = lint(tmp_path)

    assert answer.returncode != 0
    assert f"{contract} BROKEN" in answer.stdout
