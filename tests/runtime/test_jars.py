"""The jars of servers that are Java programs: fetched once, and compared with the committed hashes."""

import hashlib
from pathlib import Path

import pytest

from runtime import jars
from runtime.jars import Jars
from runtime.server_process import ServerFailed


@pytest.fixture
def one_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jars:
    """A server of one jar, listed with its hash, and the cache folder in which it lies."""
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    (deploy / "jars.sha256").write_text(f"{hashlib.sha256(b'one').hexdigest()}  one.jar\n", "utf-8")
    monkeypatch.setattr(jars, "deploy_path", lambda name: tmp_path / name.replace("server/", "deploy/"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = Jars("server", "Server")
    server.folder.mkdir(parents=True)
    (server.folder / "one.jar").write_bytes(b"one")
    return server


def test_a_changed_jar_is_refused(one_jar: Jars) -> None:
    """Maven has no lock, so every jar is compared with the committed hash before every start."""
    assert one_jar.ensure() == one_jar.folder

    (one_jar.folder / "one.jar").write_bytes(b"two")

    with pytest.raises(ServerFailed, match=r"one\.jar is not the jar of deploy/server/jars\.sha256"):
        one_jar.ensure()


def test_an_added_jar_is_refused(one_jar: Jars) -> None:
    """What nobody listed is on the class path too, so it must not be there."""
    (one_jar.folder / "evil.jar").write_bytes(b"")

    with pytest.raises(ServerFailed, match=r"differ in evil\.jar"):
        one_jar.ensure()


@pytest.mark.parametrize(
    ("maven", "reason"), [(None, "no Maven found to fetch Server: install maven"), ("mvn", None)]
)
def test_maven_is_asked_for_only_where_jars_lack(
    one_jar: Jars, maven: str | None, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the jars fetched before, nothing lacks; without them Maven does, if it is not there."""
    monkeypatch.setattr(jars.shutil, "which", lambda _: maven)
    assert one_jar.missing() is None

    (one_jar.folder / "one.jar").unlink()

    assert reason == one_jar.missing()


@pytest.mark.parametrize(("name", "artifact"), [("cassandra", "cassandra-all"), ("s3proxy", "s3proxy")])
def test_the_list_of_jars_names_the_version_of_the_pom(name: str, artifact: str) -> None:
    """A new version in pom.xml needs new hashes."""
    pom = jars.deploy_path(f"{name}/pom.xml").read_text(encoding="utf-8")
    jar = next(jar for jar in Jars(name, name).listed if jar.startswith(f"{artifact}-"))

    assert f"<version>{jar.removeprefix(f'{artifact}-').removesuffix('.jar')}</version>" in pom
