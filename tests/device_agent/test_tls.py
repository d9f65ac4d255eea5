"""The board's TLS: the server that the pinned CA vouches for under its name is believed, no other (TB-61)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.device_agent.interpreters import MICROPYTHON, run


def made(folder, name, host):
    """Write a key and a certificate that vouches for itself; gives their paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(pem)
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{name}.der").write_bytes(certificate.public_bytes(Encoding.DER))


@contextlib.asynccontextmanager
async def server(folder):
    """Serve one answer to each request over TLS; gives the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "right.pem", folder / "right.key")

    async def answer(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(5)
            assert b"Host: localhost:" in head
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + body[::-1])
            await writer.drain()
        writer.close()

    serving = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with serving:
        yield serving.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("host", "ca", "expected"),
    [
        ("localhost", "right.pem", "ok 200 olleh\n"),
        ("localhost", "right.der", "ok 200 olleh\n"),
        ("localhost", "wrong.pem", "ok refused"),
        ("127.0.0.1", "right.pem", "ok refused"),
    ],
)
async def test_only_the_pinned_server_is_believed(tmp_path, host, ca, expected):
    """The right CA and the right name: an answer; another CA or another name: no byte is sent."""
    made(tmp_path, "right", "localhost")
    made(tmp_path, "wrong", "localhost")
    async with server(tmp_path) as port:
        base = f"https://{host}:{port}"

        said = await asyncio.to_thread(run, MICROPYTHON, "tls_run.py", base, tmp_path / ca)

    assert said.startswith(expected)
