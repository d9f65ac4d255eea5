"""Archives are unpacked piece by piece; truncated, nested, locked ones and bombs say so (SM-11, S9)."""

import gzip
import hashlib
import hmac
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from schemas.errors import Malformed, TooLarge
from schemas.filetypes import limits, unpacking
from schemas.filetypes.unpacking import unpack

TEXT = b"t,a\n" + b"".join(b"2020-01-01,%d\n" % number for number in range(5_000))


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return out.getvalue()


def taken(
    name: str, octets: bytes, passwords: tuple[bytes, ...] = (), piece: int = 1_000
) -> dict[str, bytes]:
    """Unpack bytes that come as a stream."""
    pieces = (octets[at : at + piece] for at in range(0, len(octets), piece))
    return {member.name: b"".join(member.pieces) for member in unpack(name, pieces, passwords)}


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_packed_file_is_unpacked(kind: str, piece: int) -> None:
    """One stream, and several one after the other, come out whole whatever the pieces."""
    packed = PACKERS[kind](TEXT[:10_000]) + PACKERS[kind](TEXT[10_000:])

    assert {"a.csv": TEXT} == taken(f"folder/a.csv.{kind}", packed, piece=piece)


def test_a_plain_file_is_itself() -> None:
    """What is no archive is given as it is, whatever its name says."""
    assert {"a.csv.gz": TEXT} == taken("../../a.csv.gz", TEXT)
    assert {"a.csv": b""} == taken("a.csv", b"")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_member_of_a_zip_file_is_given(method: int) -> None:
    """Members come one by one by their last names, folders and a Mac's notes are left out."""
    packed = zipped({"x/": b"", "x/a.csv": TEXT, "..\\b.csv": b"b", "__MACOSX/._a": b"?"}, method)

    assert {"a.csv": TEXT, "b.csv": b"b"} == taken("logger.zip", packed)
    assert ["a.csv", "b.csv"] == [member.name for member in unpack("logger.zip", io.BytesIO(packed))]


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.99])
def test_a_truncated_archive_is_named(kind: str, kept: float) -> None:
    """An archive that ends too early is refused, however much of it was good."""
    packed = zipped({"a": TEXT}) if kind == "zip" else PACKERS[kind](TEXT)

    with pytest.raises(Malformed, match=r"truncated|damaged"):
        taken("a", packed[: max(8, int(len(packed) * kept))])


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
def test_a_damaged_archive_is_named(kind: str) -> None:
    """A changed byte in the middle is found by the archive's own checks."""
    packed = bytearray(zipped({"a": TEXT}) if kind == "zip" else PACKERS[kind](TEXT))
    packed[len(packed) // 2] ^= 0xFF

    with pytest.raises(Malformed, match=r"damaged|truncated"):
        taken("a", bytes(packed))


@pytest.mark.parametrize("outer", [*PACKERS, "zip"])
@pytest.mark.parametrize("inner", [*PACKERS, "zip"])
def test_an_archive_in_an_archive_is_refused(outer: str, inner: str) -> None:
    """Archives are not unpacked twice: that is how bombs are built (S9)."""
    core = zipped({"a": TEXT}) if inner == "zip" else PACKERS[inner](TEXT)
    packed = zipped({"b": core}) if outer == "zip" else PACKERS[outer](core)

    with pytest.raises(Malformed, match=rf"holds another archive \(\.{inner}\)"):
        taken("a", packed)


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
def test_a_bomb_is_refused_in_the_middle(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What unpacks to far more than it takes is ended soon after the ratio is passed (S9)."""
    free = 1_000_000
    monkeypatch.setattr(unpacking, "UNPACKED_FREE_BYTES", free)
    octets = bytes(20 * free)
    packed = zipped({"a": octets}) if kind == "zip" else PACKERS[kind](octets)
    out = 0

    def count() -> None:
        nonlocal out
        for member in unpack("a", iter([packed])):
            for piece in member.pieces:
                out += len(piece)

    with pytest.raises(TooLarge, match="a bomb"):
        count()
    assert out <= free + limits.UNPACKED_RATIO_MAX * len(packed)


def test_all_members_count_together() -> None:
    """The bytes of all members together are limited, so many small ones are no way around."""
    packed = zipped({str(number): TEXT for number in range(10)})

    with pytest.raises(TooLarge, match="more than 300000 bytes"):
        [list(member.pieces) for member in unpack("a.zip", iter([packed]), bytes_max=300_000)]


def test_a_directory_of_too_many_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of members is looked at before the directory is read into memory."""
    monkeypatch.setattr(unpacking, "MEMBERS_MAX", 3)

    with pytest.raises(TooLarge, match="more than 3 members"):
        taken("a.zip", zipped({str(number): b"" for number in range(4)}))


@pytest.mark.parametrize("mark", [b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"BZh91AY"])
def test_other_archives_are_named(mark: bytes) -> None:
    """Archives that are not read say which are."""
    with pytest.raises(Malformed, match=r"\.gz, \.xz, \.zst and \.zip are read"):
        taken("a", mark + bytes(100))


# Encrypted members. The library only reads them, so the tests write them, by the public specifications.


def crypt_zip(octets: bytes, password: bytes, *, check: int) -> bytes:
    """Encrypt as the first specification of zip says: three keys that each byte turns on."""
    table = [0] * 256
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table[byte] = value
    keys = [0x12345678, 0x23456789, 0x34567890]

    def turn(byte: int) -> None:
        keys[0] = table[(keys[0] ^ byte) & 0xFF] ^ (keys[0] >> 8)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = table[(keys[2] ^ (keys[1] >> 24)) & 0xFF] ^ (keys[2] >> 8)

    for byte in password:
        turn(byte)
    out = bytearray()
    for byte in bytes(11) + bytes([check]) + octets:
        low = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ ((low * (low ^ 1)) >> 8 & 0xFF))
        turn(byte)
    return bytes(out)


def sealed(octets: bytes, password: bytes, strength: int) -> bytes:
    """Encrypt as AE-2 does, the salt being all ones."""
    key_bytes = {1: 16, 2: 24, 3: 32}[strength]
    salt = b"\1" * (key_bytes // 2)
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, 1_000, 2 * key_bytes + 2)
    blocks = Cipher(algorithms.AES(keys[:key_bytes]), modes.ECB()).encryptor()
    counters = b"".join(struct.pack("<QQ", number + 1, 0) for number in range(len(octets) // 16 + 1))
    hidden = bytes(a ^ b for a, b in zip(octets, blocks.update(counters), strict=False))
    seal = hmac.new(keys[key_bytes : 2 * key_bytes], hidden, "sha1").digest()[:10]
    return salt + keys[-2:] + hidden + seal


def locked_zip(octets: bytes, password: bytes, strength: int | None) -> bytes:
    """Make a zip file with one deflated and encrypted member."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(octets) + packer.flush()
    crc = zlib.crc32(octets)
    if strength is None:
        body, method, extra = crypt_zip(packed, password, check=crc >> 24), 8, b""
    else:
        body, method, crc = sealed(packed, password, strength), 99, 0
        extra = struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", strength, 8)
    told = struct.pack("<HHHHIIIHH", 1, method, 0, 0x21, crc, len(body), len(octets), 5, len(extra))
    local = b"PK\3\4" + struct.pack("<H", 51) + told + b"a.csv" + extra
    central = b"PK\1\2" + struct.pack("<HH", 51, 51) + told + bytes(14) + b"a.csv" + extra
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local + body), 0)
    return local + body + central + end


STRENGTHS = [None, 1, 2, 3]


@pytest.mark.parametrize("strength", STRENGTHS)
def test_encrypted_members_are_opened(strength: int | None) -> None:
    """ZipCrypto and AES of each strength are opened by the password that fits, tried in order."""
    packed = locked_zip(TEXT, b"secret", strength)

    assert {"a.csv": TEXT} == taken("a.zip", packed, (b"old", b"secret"))


@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_locked_member_says_what_it_lacks(strength: int | None) -> None:
    """Without a password, and with wrong ones only, the member is named and nothing is given."""
    packed = locked_zip(TEXT, b"secret", strength)

    with pytest.raises(Malformed, match="is encrypted; name its key"):
        taken("a.zip", packed)
    with pytest.raises(Malformed, match=r"No password that is known|the password is wrong"):
        taken("a.zip", packed, (b"wrong", b"other"))


@pytest.mark.parametrize("strength", [1, 2, 3])
def test_a_broken_seal_is_named(strength: int) -> None:
    """Bytes that were changed after they were encrypted are found by the seal."""
    packed = bytearray(locked_zip(b"".join(b"%d" % (n * n) for n in range(9)), b"secret", strength))
    packed[packed.index(b"PK\1\2") - 1] ^= 1

    with pytest.raises(Malformed, match="seal"):
        taken("a.zip", bytes(packed), (b"secret",))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_named_however_it_is_packed(method: int) -> None:
    """Each library has its own words for bytes that nobody packed; ours are the same."""
    packed = bytearray(zipped({"a": TEXT}, method))
    packed[60:70] = b"\xff" * 10

    with pytest.raises(Malformed, match="damaged"):
        taken("a", bytes(packed))


def test_a_name_that_is_no_text_is_named() -> None:
    """The name of a member in front of it is read, too."""
    packed = zipped({"µ": TEXT}).replace("µ".encode(), b"\xff\xff", 1)

    with pytest.raises(Malformed, match="damaged"):
        taken("a", packed)
