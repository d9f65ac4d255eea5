"""Members of zip archives that are encrypted with AES (WinZip's AE-1 and AE-2), which the library leaves out.

Of its public specification: a key of PBKDF2 (HMAC-SHA1, 1,000 rounds), AES in counter mode with a counter
that begins at 1 and counts in little-endian order, and ten bytes of HMAC-SHA1 over what is encrypted.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from typing import NamedTuple
from zipfile import ZipInfo

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from schemas.errors import Malformed
from schemas.filetypes.chunks import Seekable

METHOD = 99
"""What a directory says in place of the compression."""
_EXTRA_ID, _EXTRA_BYTES = 0x9901, 7
_KEY_BYTES = {1: 16, 2: 24, 3: 32}
_ROUNDS = 1_000
_VERIFIER_BYTES, _SEAL_BYTES, _BLOCK_BYTES = 2, 10, 16
_HEADER_BYTES = 30
_PIECE_BYTES = 65_536


class Sealing(NamedTuple):
    """How a member is encrypted."""

    key_bytes: int
    compression: int
    """What was done before, in the numbers of zip."""


def sealing_of(info: ZipInfo) -> Sealing:
    """Read how a member is encrypted; Malformed where it does not say."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == _EXTRA_ID and size >= _EXTRA_BYTES and len(extra) >= 4 + _EXTRA_BYTES:
            _, _, strength, compression = struct.unpack_from("<H2sBH", extra, 4)
            if strength in _KEY_BYTES:
                return Sealing(_KEY_BYTES[strength], compression)
        extra = extra[4 + size :]
    raise Malformed("A member of the archive is encrypted in a way that its directory does not tell.")


def decrypt(file: Seekable, info: ZipInfo, password: bytes, sealing: Sealing) -> Iterator[bytes] | None:
    """Give the compressed bytes of a member; None: the password is wrong.

    The seal is looked at after the last piece: Malformed if the bytes are not what was encrypted.
    """
    file.seek(info.header_offset)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        raise Malformed("The archive is truncated.")
    name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
    begin = info.header_offset + _HEADER_BYTES + name_bytes + extra_bytes
    file.seek(begin)
    salt_bytes = sealing.key_bytes // 2
    salt, verifier = file.read(salt_bytes), file.read(_VERIFIER_BYTES)
    size = info.compress_size - salt_bytes - _VERIFIER_BYTES - _SEAL_BYTES
    if size < 0:
        raise Malformed("The archive is truncated.")
    keys = hashlib.pbkdf2_hmac("sha1", password, salt, _ROUNDS, 2 * sealing.key_bytes + _VERIFIER_BYTES)
    if keys[-_VERIFIER_BYTES:] != verifier:
        return None
    begin += salt_bytes + _VERIFIER_BYTES
    return _decrypted(
        file, begin, size, keys[: sealing.key_bytes], keys[sealing.key_bytes : -_VERIFIER_BYTES]
    )


def _decrypted(file: Seekable, begin: int, size: int, key: bytes, seal_key: bytes) -> Iterator[bytes]:
    blocks = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - of counters, each once
    seal = hmac.new(seal_key, digestmod=hashlib.sha1)
    done = 0
    while done < size:
        file.seek(begin + done)
        piece = file.read(min(_PIECE_BYTES, size - done))
        if not piece:
            raise Malformed("The archive is truncated.")
        if len(piece) % _BLOCK_BYTES and done + len(piece) < size:
            piece = piece[: -(len(piece) % _BLOCK_BYTES)] or piece
        seal.update(piece)
        first = done // _BLOCK_BYTES + 1
        counters = np.zeros((-(-len(piece) // _BLOCK_BYTES), 2), "<u8")
        counters[:, 0] = np.arange(first, first + len(counters))
        stream = np.frombuffer(blocks.update(counters.tobytes()), np.uint8)[: len(piece)]
        yield (np.frombuffer(piece, np.uint8) ^ stream).tobytes()
        done += len(piece)
    file.seek(begin + size)
    if not hmac.compare_digest(file.read(_SEAL_BYTES), seal.digest()[:_SEAL_BYTES]):
        raise Malformed("A member of the archive is damaged: its seal does not hold.")
