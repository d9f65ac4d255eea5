"""Sending to real receivers: what counts as taken, and where a request never goes (S9, MS-84)."""

import asyncio
import ssl

import pytest

from schemas.webhooks import parse_networks
from tests.workers.receivers import receiving, status
from workers.webhooks import NotDelivered, Webhooks, resolve

ALLOWED = parse_networks("127.0.0.0/8")


@pytest.fixture
async def receiver():
    async with receiving() as receiver:
        yield receiver


async def test_a_delivery_is_one_post(receiver):
    """With its headers and its body, to path and query of the URL."""
    await Webhooks(ALLOWED).post(receiver.url + "?a=b", {"Aspectstore-Delivery": "1"}, b'{"x":1}')

    [request] = receiver.taken
    assert "/hook?a=b" == request.path
    assert b'{"x":1}' == request.body
    assert "1" == request.headers["aspectstore-delivery"]
    assert "application/json" == request.headers["content-type"]
    assert f"127.0.0.1:{receiver.port}" == request.headers["host"]


@pytest.mark.parametrize("number", [200, 201, 202, 204, 299])
async def test_2xx_is_taken(receiver, number):
    """Whatever else the answer says."""
    receiver.answer = status(number, "content-length: 0")

    await Webhooks(ALLOWED).post(receiver.url, {}, b"{}")


@pytest.mark.parametrize("number", [300, 301, 302, 304, 307, 308, 400, 401, 404, 410, 429, 500, 503])
async def test_everything_else_is_not(receiver, number):
    """A redirect is not followed: it could lead where webhooks must not go."""
    receiver.answer = status(number, f"location: {receiver.url}/elsewhere", "content-length: 0")

    with pytest.raises(NotDelivered, match=str(number)):
        await Webhooks(ALLOWED).post(receiver.url, {}, b"{}")

    assert 1 == len(receiver.refused) + len(receiver.taken)


async def test_an_interim_answer_is_waited_behind(receiver):
    """100 and 103 are no answers yet, and not without end."""
    receiver.answer = status(100) + status(103, "link: <x>") + status(204)
    await Webhooks(ALLOWED).post(receiver.url, {}, b"{}")

    receiver.answer = status(100) * 20
    with pytest.raises(NotDelivered):
        await Webhooks(ALLOWED).post(receiver.url, {}, b"{}")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/2 200\r\n", b"x" * 100_000, b"HTTP/1.1 2000 \r\n"],
)
async def test_an_answer_that_is_none_is_not_taken(receiver, answer):
    """Nor is one read without end: a line longer than 16 KiB is none."""
    receiver.answer = answer

    with pytest.raises(NotDelivered):
        await Webhooks(ALLOWED).post(receiver.url, {}, b"{}")


async def test_a_slow_receiver_is_given_up(receiver):
    """A try is bounded as a whole; what comes later is not waited for."""
    receiver.gate.clear()

    with pytest.raises(NotDelivered, match="no answer within"):
        await Webhooks(ALLOWED, attempt_s=0.05).post(receiver.url, {}, b"{}")


async def test_nobody_there_is_not_delivered(receiver):
    """A closed port and a name without address say so, without detail of ours."""
    port = receiver.port
    async with receiving() as gone:
        port = gone.port

    with pytest.raises(NotDelivered, match="cannot be reached"):
        await Webhooks(ALLOWED).post(f"http://127.0.0.1:{port}/", {}, b"{}")

    async def nothing(_host, _port):
        return []

    with pytest.raises(NotDelivered, match="no address"):
        await Webhooks(ALLOWED, resolver=nothing).post("https://nowhere.example/", {}, b"{}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://[::ffff:127.0.0.1]:{port}/",
        "https://127.0.0.1:{port}/", "https://[::ffff:7f00:1]:{port}/", "http://0.0.0.0:{port}/",
    ],
)  # fmt: skip
async def test_the_machine_itself_is_never_reached(receiver, url):
    """In whatever form its address is written: no connection is made (S9)."""
    with pytest.raises(NotDelivered):
        await Webhooks().post(url.format(port=receiver.port), {}, b"{}")

    assert [] == receiver.taken + receiver.refused


async def test_one_bad_address_of_many_is_enough(receiver):
    """A name that leads to a public and a private address is refused, whichever comes first."""
    for addresses in (["1.1.1.1", "10.0.0.1"], ["::1", "1.1.1.1"]):

        async def both(_host, _port, addresses=addresses):
            return addresses

        with pytest.raises(NotDelivered, match="may reach"):
            await Webhooks(resolver=both).post("https://hooks.example/", {}, b"{}")


async def test_the_judged_address_is_the_one_that_is_reached(receiver):
    """A name is resolved once for a try; an answer that changes afterwards changes nothing (S9)."""
    asked = []

    async def changing(host, port):
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    webhooks = Webhooks(ALLOWED, resolver=changing)
    await webhooks.post(f"http://hooks.example:{receiver.port}/x", {}, b"{}")

    assert [("hooks.example", receiver.port)] == asked
    assert f"hooks.example:{receiver.port}" == receiver.taken[0].headers["host"]
    with pytest.raises(NotDelivered, match="may reach"):
        await webhooks.post(f"http://hooks.example:{receiver.port}/x", {}, b"{}")
    assert 2 == len(asked)


async def test_https_needs_a_certificate_that_holds(receiver, certificate):
    """The name of the URL is what the certificate must be for, although the address is connected to."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    async def local(_host, _port):
        return ["127.0.0.1"]

    trusting = ssl.create_default_context(cafile=certificate[0])
    webhooks = Webhooks(ALLOWED, resolver=local, trusted=trusting)
    await webhooks.post(f"https://hooks.example:{port}/", {}, b"{}")
    assert 1 == len(receiver.taken)
    with pytest.raises(NotDelivered):
        await webhooks.post(f"https://other.example:{port}/", {}, b"{}")
    with pytest.raises(NotDelivered):
        await Webhooks(ALLOWED, resolver=local).post(f"https://hooks.example:{port}/", {}, b"{}")
    assert 1 == len(receiver.taken)
    server.close()


async def test_names_are_asked_of_the_system():
    """As for every other program of the machine."""
    assert ["127.0.0.1"] == list(await resolve("127.0.0.1", 80))
    with pytest.raises(OSError):
        await resolve("no-such-name.invalid", 80)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for `hooks.example`, signed by itself."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example")])
    day = dt.timedelta(days=1)
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(encoded)
    return folder / "cert.pem", folder / "key.pem"
