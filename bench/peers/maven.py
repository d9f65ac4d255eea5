"""Peers that Maven has: their jars, copied into one folder by the ordinary client."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.peers.places import FETCH, folder
from runtime.cassandra_server import java_command, java_version

JAVA_MIN = 17
"""QuestDB 9 asks for it; KairosDB runs on it too."""


def lacking(name: str) -> str | None:
    """Say what is not there; None when Java and the jars are."""
    java = java_version()
    if java is None or java < JAVA_MIN:
        return f"Java {java or 'not'} found, {JAVA_MIN} needed: install openjdk-17-jre-headless"
    return None if any(folder(name).glob("*.jar")) else f"no {name} found: {FETCH}"


def java() -> str:
    """Give the call of Java."""
    return java_command() or "java"


def fetch(name: str) -> None:
    """Copy the jars of `<name>.xml`, beside this file, into the peer's folder."""
    part = folder(name).with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    pom = Path(__file__).with_name(f"{name}.xml")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={part}", "-DincludeScope=runtime"]
    subprocess.run(["mvn", "--quiet", "--batch-mode", "--file", str(pom), *goal], check=True)
    shutil.rmtree(folder(name), ignore_errors=True)
    part.rename(folder(name))
