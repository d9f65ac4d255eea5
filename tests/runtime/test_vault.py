"""The vault: what is sealed is opened by the same key for the same thing, and by nothing else (S16)."""

import msgspec
import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from runtime.vault import Vault
from schemas.errors import Conflict, Unavailable

KEY = bytes(range(32))
ALGORITHMS = ["dir", "A256GCM"]


def test_what_is_sealed_can_be_opened_by_the_same_key_for_the_same_thing():
    """Each seal differs, opens to the secret, and to nothing else."""
    vault = Vault(KEY)
    one, two = vault.seal("acme.1", "s3cret"), vault.seal("acme.1", "s3cret")

    assert one != two
    assert "s3cret" not in one
    assert vault.open("acme.1", one) == vault.open("acme.1", two) == "s3cret"


def test_it_is_a_jwe_as_others_write_and_read_it():
    """What another implementation sealed is opened here, and the other way round (RFC 7516)."""
    key, body = OctKey.import_key(KEY), {"of": "acme.1", "secret": "s3cret"}
    header = {"alg": "dir", "enc": "A256GCM", "kid": "any"}
    theirs = jwe.encrypt_compact(header, msgspec.json.encode(body), key, ALGORITHMS)

    ours = jwe.decrypt_compact(Vault(KEY).seal("acme.1", "s3cret"), key, ALGORITHMS)

    assert Vault(KEY).open("acme.1", theirs) == "s3cret"
    assert msgspec.json.decode(ours.plaintext) == body


@pytest.mark.parametrize(
    ("vault", "of", "change"),
    [
        (Vault(bytes(32)), "acme.1", str), (Vault(b""), "acme.1", str),
        (Vault(KEY), "acme.2", str),
        (Vault(KEY), "acme.1", lambda text: text[:-2] + ("AA" if text[-2:] != "AA" else "BB")),
        (Vault(KEY), "acme.1", lambda text: "e" + text[1:].replace("J", "K", 1)),
        (Vault(KEY), "acme.1", lambda _: "x"), (Vault(KEY), "acme.1", lambda _: ""),
        (Vault(KEY), "acme.1", lambda _: "...."), (Vault(KEY), "acme.1", lambda text: text + ".x"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened(vault, of, change):
    """Another key, none, another thing's secret, spoilt bytes: each is said to be unavailable."""
    sealed = Vault(KEY).seal("acme.1", "s3cret")

    with pytest.raises(Unavailable):
        vault.open(of, change(sealed))


def test_without_a_key_nothing_is_sealed():
    """A secret is not kept in clear because a key lacks."""
    assert not Vault(b"").has_key
    with pytest.raises(Conflict):
        Vault(b"").seal("x", "s3cret")
