"""Make what boards update themselves from: the manifest of the agent's files, signed.

    python device-agent/tools/firmware.py KEY.pem OUT

KEY.pem is an RSA key of 3072 bits with exponent 65537. OUT gets `firmware.key` (its public half, for boards
that are flashed), and in `firmware/` manifest, signature and files, to be put beside the agent's asset.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

ROOT = Path(__file__).resolve().parents[1]
KEY_BYTES = 384


def number():
    """Read the number of the firmware that is here."""
    names = {}
    exec((ROOT / "agent" / "firmware.py").read_text(encoding="utf-8"), names)  # noqa: S102 - our own
    return names["FIRMWARE"]


def write(key, out):
    """Write all of it."""
    target = out / "firmware"
    files = []
    for path in sorted((ROOT / "agent").rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)
        files.append({"path": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    manifest = json.dumps({"firmware": number(), "files": files}).encode()
    (target / "manifest.json").write_bytes(manifest)
    (target / "manifest.sig").write_bytes(key.sign(manifest, PKCS1v15(), SHA256()))
    (out / "firmware.key").write_bytes(key.public_key().public_numbers().n.to_bytes(KEY_BYTES, "big"))


def main():
    """Read the key and write what is asked for."""
    key = load_pem_private_key(Path(sys.argv[1]).read_bytes(), None)
    if not isinstance(key, RSAPrivateKey) or key.key_size != KEY_BYTES * 8:
        sys.exit("The key must be an RSA key of 3072 bits.")
    if key.public_key().public_numbers().e != 65_537:
        sys.exit("The key's exponent must be 65537.")
    write(key, Path(sys.argv[2]))


if __name__ == "__main__":
    main()
