"""A new firmware over the air: signed, checked file by file, tried, and left behind where it does not work.

The operator signs a manifest with RSA-3072 and SHA-256 (PKCS #1 v1.5), puts it and the files beside the
agent's asset under `firmware/`, and names the number in the configuration. Only then, and only upwards, the
board gets the manifest, its signature, and each file into the folder that does not run. Nothing of a file is
believed before its digest is the manifest's, and nothing of the manifest before its signature is right.
"""

import hashlib
import json
import os
from binascii import hexlify

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
KEY_BYTES = 384
FILE_BYTES_MAX = 32_768
FILES_MAX = 64

_EXPONENT_BITS = 16
"""65537 is 2^16 + 1."""

_SHA256 = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
"""DigestInfo of RFC 8017, before the digest."""


class BadUpdate(ValueError):
    """What was offered is not what the operator signed."""


def is_signed(message, signature, modulus):
    """Tell whether the owner of a key of 3072 bits and exponent 65537 signed a message."""
    if len(signature) != KEY_BYTES or len(modulus) != KEY_BYTES:
        return False
    number, power = int.from_bytes(modulus, "big"), int.from_bytes(signature, "big")
    if power >= number:
        return False
    found = power
    for _ in range(_EXPONENT_BITS):
        found = found * found % number
    found = found * power % number
    digest = hashlib.sha256(message).digest()
    padding = b"\xff" * (KEY_BYTES - 3 - len(_SHA256) - len(digest))
    return found.to_bytes(KEY_BYTES, "big") == b"\x00\x01" + padding + b"\x00" + _SHA256 + digest


class Update:
    """What the board has of a new firmware; `path` is what it needs next, None if nothing."""

    def __init__(self, root, slots, modulus, firmware):
        """Take the folder above both slots, the slots, the operator's public key, and what runs."""
        self._root, self.slots, self._modulus = root, slots, modulus
        self.firmware = firmware
        self._wanted = None
        self._files = self._manifest = None
        self._open = self._digest = self._path = None
        self._bytes = 0

    def is_wanted(self, firmware):
        """Tell whether a number is to be fetched: above what runs, not on trial, and not tried in vain."""
        if firmware is None or self._modulus is None or self.slots.is_trial:
            return False
        if firmware <= self.firmware or firmware == self.slots.kept["refused"]:
            return False
        if firmware != self._wanted:
            self._wanted, self._files, self._manifest = firmware, None, None
        return self.slots.kept["trial"] is None

    def path(self):
        """Give what to get next, below `firmware/`."""
        if self._manifest is None:
            return MANIFEST
        return SIGNATURE if self._files is None else self._files[0]["path"]

    def begin(self):
        """Make room for what comes."""
        self._path = self.path()
        self._bytes, self._digest = 0, hashlib.sha256()
        if self._files is None:
            self._open = _Memory()
            return
        name = self._root + self.slots.spare() + "/" + self._path
        _make_folders(self._root, self.slots.spare() + "/" + self._path)
        self._open = open(name, "wb")  # noqa: SIM115 - it is closed when all of it has come

    def put(self, octets):
        """Take a piece."""
        self._bytes += len(octets)
        if self._bytes > FILE_BYTES_MAX:
            raise BadUpdate("a file too long")
        self._digest.update(octets)
        self._open.write(octets)

    def end(self):
        """Take the end of it; True where that was the last file, and the new firmware is to be tried."""
        self._open.close()
        if self._manifest is None:
            self._manifest = bytes(self._open.octets)
            return False
        if self._files is None:
            self._files = self._trusted(bytes(self._open.octets))
            return False
        if hexlify(self._digest.digest()).decode() != self._files[0]["sha256"]:
            raise BadUpdate("a file is not what was signed")
        self._files.pop(0)
        if self._files:
            return False
        self.slots.begin(self._wanted)
        return True

    def forget(self):
        """Begin anew, after anything went wrong."""
        if self._open is not None:
            self._open.close()
        self._files = self._manifest = self._open = None

    def _trusted(self, signature):
        if not is_signed(self._manifest, signature, self._modulus):
            raise BadUpdate("the signature is wrong")
        manifest = json.loads(self._manifest)
        files = manifest["files"]
        if manifest["firmware"] != self._wanted or not 0 < len(files) <= FILES_MAX:
            raise BadUpdate("another firmware")
        for file in files:
            if ".." in file["path"] or file["path"].startswith("/"):
                raise BadUpdate("a path that leads elsewhere")
        return files


class _Memory:
    """A small file that needs no flash."""

    def __init__(self):
        self.octets = bytearray()

    def write(self, octets):
        self.octets += octets

    def close(self):
        """Nothing is open."""


def _make_folders(root, path):
    parts = path.split("/")
    for count in range(1, len(parts)):
        try:
            os.mkdir(root + "/".join(parts[:count]))
        except OSError:
            pass  # it is there
