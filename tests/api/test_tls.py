"""TLS in the door: what it speaks, and certificates that change while it runs (design 7)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.http.tls import Certificate
from api.server import Server
from runtime import supervisor
from runtime.places import listen
from runtime.settings import Settings, SettingsError
from tests.api.doors import NOW_MS, fresh_catalog, running_door
from tests.api.served import until

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
LATER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def issue(folder, name, password=b""):
    """Make a key and a certificate for `localhost` that says its name, and write both; gives the files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(LONG_AGO)
        .not_valid_after(LATER)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    replaced(folder / "chain.pem", certificate.public_bytes(serialization.Encoding.PEM))
    replaced(folder / "key.pem", key.private_bytes(serialization.Encoding.PEM, form, hidden))
    return folder / "chain.pem", folder / "key.pem"


def replaced(path, content):
    """Put a file in the place of another, as tools that renew certificates do."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)


class Served:
    """A door that speaks TLS, and ways to look at what it shows."""

    def __init__(self, server, port, certificate):
        self.server, self.port, self.certificate = server, port, certificate

    async def connect(self, **limits):
        """Shake hands; gives reader, writer and the name in the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for name, value in limits.items():
            setattr(context, name, value)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))
        return reader, writer, shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value

    async def shown(self):
        """Give the name in the certificate of a new connection."""
        _, writer, name = await self.connect()
        writer.close()
        return name


async def health(reader, writer):
    """Ask on an open connection; gives the status line."""
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return head.partition(b"\r\n")[0]


@contextlib.asynccontextmanager
async def served(chain, key, password=""):
    """Serve a door with a certificate over a socket."""
    from runtime.clock import ManualClock

    certificate = Certificate(chain, key, password)
    async with running_door(await fresh_catalog(), ManualClock(NOW_MS)) as running:
        listener, begun = listen("127.0.0.1", 0), asyncio.Event()
        port = listener.getsockname()[1]
        server = Server(running.door, 5.0, begun.set, certificate)
        task = asyncio.create_task(server.serve([listener]))
        await begun.wait()
        try:
            yield Served(server, port, certificate)
        finally:
            server.should_exit = True
            await task


async def test_the_door_speaks_https(tmp_path):
    """A client that trusts the certificate is served over HTTP/1.1, and its scheme is https."""
    chain, key = issue(tmp_path, "first")
    async with served(chain, key) as door:
        trust = ssl.create_default_context(cafile=str(chain))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            answer = await client.get(f"https://localhost:{door.port}/health")
            strange = await client.get(f"https://localhost:{door.port}/oauth/token")

    assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
    assert strange.status_code == 405


@pytest.mark.parametrize(
    ("limits", "spoken"),
    [
        ({}, "TLSv1.3"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "TLSv1.2"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_1, "minimum_version": ssl.TLSVersion.TLSv1}, None),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_versions(tmp_path, limits, spoken):
    """TLS 1.2 and 1.3 are spoken, nothing older."""
    async with served(*issue(tmp_path, "first")) as door:
        if spoken is None:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await door.connect(**limits)
            return
        _, writer, _ = await door.connect(**limits)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()

    assert version == spoken


async def test_a_new_certificate_without_a_restart(tmp_path):
    """New connections see the new certificate within a second; those that are open go on (design 7)."""
    async with served(*issue(tmp_path, "first")) as door:
        reader, writer, before = await door.connect()
        await health(reader, writer)
        issue(tmp_path, "second")
        door.certificate.refresh()

        after = await door.shown()
        still = await health(reader, writer)
        writer.close()

    assert (before, after) == ("first", "second")
    assert still == b"HTTP/1.1 200 OK"


async def test_the_server_looks_by_itself_and_at_sighup(tmp_path, monkeypatch):
    """It looks about once a second, and at once when it is told to; SIGHUP ends nothing."""
    monkeypatch.setattr("api.server.LOOK_TICKS", 1 << 30)
    async with served(*issue(tmp_path, "first")) as door:
        issue(tmp_path, "second")
        await door.server.on_tick(0)
        by_itself = await door.shown()
        issue(tmp_path, "third")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: door.certificate._marks == door.certificate._look())
        told = await door.shown()

    assert (by_itself, told) == ("second", "third")


async def test_half_a_renewal_changes_nothing(tmp_path):
    """While chain and key do not fit each other the old certificate serves; then the new one does."""
    other = tmp_path / "other"
    other.mkdir()
    chain, key = issue(tmp_path, "first")
    new_chain, new_key = issue(other, "second")
    async with served(chain, key) as door:
        replaced(chain, new_chain.read_bytes())
        changed = [door.certificate.refresh(), door.certificate.refresh()]
        between = await door.shown()
        replaced(key, new_key.read_bytes())
        changed.append(door.certificate.refresh())
        after = await door.shown()

    assert (changed, between, after) == ([False, False, True], "first", "second")


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
async def test_spoilt_files_change_nothing(tmp_path, content):
    """Empty, spoilt or missing files are told in the log, and the old certificate serves on."""
    chain, key = issue(tmp_path, "first")
    async with served(chain, key) as door:
        if content is None:
            chain.unlink()
        else:
            replaced(chain, content)
        changed = door.certificate.refresh()
        shown = await door.shown()

    assert (changed, shown) == (False, "first")


async def test_what_is_no_handshake_disturbs_nobody(tmp_path):
    """Plain HTTP and noise on the port end their own connection only."""
    async with served(*issue(tmp_path, "first")) as door:
        for noise in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100):
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(noise)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP/1.1 2" not in await reader.read()
            writer.close()
        shown = await door.shown()

    assert shown == "first"


async def test_the_supervisor_asks_over_tls(tmp_path):
    """Whether the door is well is asked as it speaks, whatever name its certificate has."""
    async with served(*issue(tmp_path, "first")) as door:
        asked = asyncio.to_thread(supervisor.answers, "127.0.0.1", door.port, tls=True)
        plain = asyncio.to_thread(supervisor.answers, "127.0.0.1", door.port)

        assert [await asked, await plain] == [True, False]


def test_a_key_may_have_a_password_and_lie_with_the_chain(tmp_path):
    """Both in one file, or a key that is encrypted; a wrong password is said, and nobody is asked for one."""
    chain, key = issue(tmp_path, "first", b"pass")
    both = tmp_path / "both.pem"
    both.write_bytes(chain.read_bytes() + key.read_bytes())

    assert Certificate(both, None, "pass").context
    assert Certificate.of(Settings(tls_certificate=str(both), tls_key_password="pass"))
    with pytest.raises(SettingsError, match=r"both\.pem"):
        Certificate(both, None, "guess")
    with pytest.raises(SettingsError):
        Certificate(both, None)


def test_files_that_cannot_be(tmp_path):
    """A start without a usable certificate fails with a line that names the file."""
    chain, _ = issue(tmp_path, "first")
    with pytest.raises(SettingsError, match=r"none\.pem"):
        Certificate(tmp_path / "none.pem", None)
    with pytest.raises(SettingsError, match=r"chain\.pem"):
        Certificate(chain, None)


def test_without_a_certificate_the_door_speaks_http():
    """TLS is asked for by naming a certificate; a key alone is a mistake."""
    assert Certificate.of(Settings()) is None
    with pytest.raises(ValueError, match="tls_certificate"):
        Settings(tls_key="key.pem")
