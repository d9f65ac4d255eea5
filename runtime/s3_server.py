"""A real server that speaks S3 on this machine without a container: S3Proxy over a folder, for tests.

The server is the `s3proxy` artifact and what it needs (deploy/s3proxy/pom.xml), fetched as Cassandra's jars
are (`runtime.jars`). Java 17 and, for the first start only, Maven must be there; `missing()` says what lacks.
"""

import http.client
from collections.abc import Sequence
from pathlib import Path

from runtime.jars import JAVA_PACKAGE, Jars, java_command, java_version
from runtime.server_process import ServerFailed, ServerProcess, deploy_path

JARS = Jars("s3proxy", "S3Proxy")
JAVA_MIN = 17
START_SECONDS = 60.0  # about 2 s are usual
ANSWER_TIMEOUT_SECONDS = 2.0
KEY_ID, SECRET = "aspectstore", "s3-tests-only"


def missing() -> str | None:
    """Name what lacks to start the server, with the package to install; None when all is there."""
    java = java_version()
    if java is None or java < JAVA_MIN:
        return f"no Java of {JAVA_MIN} or later found: install {JAVA_PACKAGE}"
    return JARS.missing()


class S3Server(ServerProcess):
    """One S3Proxy on 127.0.0.1; buckets are folders below `objects` in the data directory."""

    def __init__(self, data_dir: Path) -> None:
        """Take the data directory; the port is found at the first start and stays."""
        super().__init__("s3proxy", data_dir, start_seconds=START_SECONDS)

    @property
    def port(self) -> int:
        """The port, known after the first start."""
        return self.ports["port"]

    @property
    def url(self) -> str:
        """The endpoint for a client."""
        return f"http://{self.host}:{self.port}"

    def make_bucket(self, name: str) -> None:
        """Make an empty bucket; one that exists stays as it is."""
        (self.data_dir / "objects" / name).mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        """Write the settings into the data directory; return the call of Java."""
        if reason := missing():
            raise ServerFailed(reason)
        jars = JARS.ensure()
        self.ports.settle("port")
        objects = self.data_dir / "objects"
        objects.mkdir(exist_ok=True)
        settings = self.data_dir / "s3proxy.conf"
        settings.write_text(
            f"s3proxy.endpoint={self.url}\n"
            "s3proxy.authorization=aws-v4\n"
            f"s3proxy.identity={KEY_ID}\n"
            f"s3proxy.credential={SECRET}\n"
            "jclouds.provider=filesystem\n"
            f"jclouds.filesystem.basedir={objects}\n",
            encoding="utf-8",
        )
        main = ["-cp", f"{jars}/*", "org.gaul.s3proxy.Main", "--properties", str(settings)]
        quiet = f"-Dlogback.configurationFile={deploy_path('s3proxy/logback.xml')}"
        return [str(java_command()), "-Xmx256m", quiet, *main]

    def answers(self) -> bool:
        """Ask for the list of buckets without a key: a server that serves refuses it."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
