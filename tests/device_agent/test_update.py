"""Updates over the air: what the operator's tool makes, a board takes, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.device_agent.interpreters import AGENT, CPYTHON, MICROPYTHON, run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the tool makes with a new key."""
    folder = tmp_path_factory.mktemp("made")
    key = generate_private_key(65_537, 3_072)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    tool = AGENT / "tools" / "firmware.py"
    subprocess.run([sys.executable, "-B", tool, folder / "key.pem", folder], check=True)
    return folder


@pytest.mark.parametrize("interpreter", [CPYTHON, MICROPYTHON])
def test_a_board_takes_what_was_signed_and_nothing_else(made, tmp_path, interpreter):
    """RSA-3072 with SHA-256 is checked on the board; what does not work is left behind after three starts."""
    for name in ("firmware", "firmware.key"):
        (tmp_path / name).symlink_to(made / name)

    said = run(interpreter, "update_run.py", tmp_path)

    assert said == "ok: 7 checks\n"
