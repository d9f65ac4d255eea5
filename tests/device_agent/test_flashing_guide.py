"""The guide to flashing names only what there is: files, pins, places in flash, times (TB-42 to TB-48)."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from hashlib import md5
from itertools import pairwise

from tests.device_agent.interpreters import AGENT

ROOT = AGENT.parent
GUIDE = (ROOT / "docs" / "howto" / "flash-an-esp32.md").read_text("utf-8")
README = (AGENT / "README.md").read_text("utf-8")
BOARD = (AGENT / "agent" / "board.py").read_text("utf-8")
SOURCES = "\n".join(path.read_text("utf-8") for path in AGENT.rglob("*.py"))

ON_THE_BOARD = {"boarding.json", "wifi.json", "ca.pem", "firmware.key", "identity.json", "hold"}
VFS_BLOCK_BYTES = 4_096


def numbers(text):
    """Give the constants `NAME = number` of a module."""
    return {
        name: int(text.replace("_", ""))
        for name, text in re.findall(r"^([A-Z_]+) = ([\d_]+)$", text, re.MULTILINE)
    }


def constant(name, module):
    """Give one constant of a module of the agent."""
    return numbers((AGENT / "agent" / f"{module}.py").read_text("utf-8"))[name]


def test_every_path_of_the_guide_is_there():
    """Files of the tree, by the path that the guide gives; links of the page lead somewhere, too."""
    named = set(re.findall(r"device-agent/[\w./-]*\w", GUIDE))
    linked = {link for link in re.findall(r"\]\(([^)#]+)\)", GUIDE) if not link.startswith("http")}

    assert len(named) >= 8
    assert {path for path in named if not (ROOT / path).exists()} == set()
    assert {path for path in linked if not (ROOT / "docs" / "howto" / path).exists()} == set()


def test_every_file_on_the_board_is_read_by_the_agent():
    """What the guide provisions or removes is known to the program under that very name."""
    table = GUIDE.split("## Provision")[1].split("```")[0]
    named = set(re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)) | {"identity.json", "hold"}
    kept = {f"{name}.json" for name in re.findall(r'^(?:NAME|BOARDING) = "(\w+)"$', SOURCES, re.MULTILINE)}
    plain = set(re.findall(r'"/?(ca\.pem|firmware\.key|hold)"', SOURCES))

    assert named == ON_THE_BOARD
    assert named <= kept | plain


def test_every_member_of_the_network_file_is_read():
    """`wifi.json` has what the radio looks for, and nothing else."""
    (written,) = re.findall(r'^\{"ssid".*\}$', GUIDE, re.MULTILINE)
    radio = (AGENT / "agent" / "wifi.py").read_text("utf-8")

    members = re.findall(r'"(\w+)":', written)
    assert members == ["ssid", "password", "own"]
    assert all(f'_known.get("{member}"' in radio or f'_known["{member}"]' in radio for member in members)


def test_pins_are_those_of_the_board():
    """Each pin of `board.py` stands in the table of the guide, with what it is for."""
    words = {
        "CLOCK": "clock",
        "DATA": "data",
        "WIFI": "network",
        "SENSORS": "sensors",
        "REQUESTS": "requests",
    }
    pins = {}
    for names, given in re.findall(r"^(PIN_[A-Z_, ]+) = ([\d, ]+)$", BOARD, re.MULTILINE):
        pins |= dict(zip(names.split(", "), given.split(", "), strict=True))

    shown = dict(re.findall(r"^\| (\d+) \| (?:I2C|light:) ?(\w+) \|$", GUIDE, re.MULTILINE))

    assert shown == {number: words[name.removeprefix("PIN_")] for name, number in pins.items()}
    assert all(f"`{name}`" in GUIDE for name in pins)


def test_partitions_are_those_of_the_table(tmp_path):
    """Places and sizes as in `partitions.csv`, which the tool writes as the boot loader reads it."""
    made = tmp_path / "partitions.bin"
    subprocess.run([sys.executable, "-B", AGENT / "tools" / "partitions.py", made], check=True)
    octets = made.read_bytes()
    entries = []
    while octets[32 * len(entries) :][:2] == b"\xaa\x50":
        entries.append(struct.unpack_from("<2sBBLL16sL", octets, 32 * len(entries)))
    shown = re.findall(r"^\| `(\w+)` \| (0x\w+) \| ([\d,]+) KB \|", GUIDE, re.MULTILINE)
    found = {entry[5].rstrip(b"\0").decode(): entry[1:5] for entry in entries}

    assert len(octets) == 0xC00
    assert octets[32 * len(entries) :] == (
        b"\xeb\xeb" + b"\xff" * 14 + md5(octets[: 32 * len(entries)]).digest()
        + b"\xff" * (0xC00 - 32 * len(entries) - 32)
    )  # fmt: skip
    assert found["journal"] == (1, 0x40, 0x280000, 0x180000)
    assert found["factory"] == (0, 0, 0x10000, 0x1F0000)
    assert [(name, int(at, 0), 1_024 * int(size.replace(",", ""))) for name, at, size in shown] == [
        (name, *found[name][2:]) for name in ("factory", "vfs", "journal")
    ]
    ends = [(at, at + size) for _, _, at, size in found.values()]
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))
    assert ends[-1][1] <= 4 << 20


def test_times_of_the_guide_are_those_of_the_program():
    """A minute, three minutes, 30 s, five minutes, three starts, an hour: each as the program has it."""
    assert constant("OPEN_AFTER_MS", "wifi") == 60_000
    assert "after a minute, for three minutes" in GUIDE
    assert constant("OPEN_FOR_MS", "wifi") == 180_000
    assert constant("OWN_CHARACTERS_MIN", "wifi") == 8
    assert f"{constant('WATCHDOG_MS', 'board') // 1_000} seconds later the watchdog" in GUIDE
    assert constant("CONFIGURATION_MS", "uplink") == 300_000
    assert "every five minutes" in GUIDE
    assert numbers((AGENT / "slots.py").read_text("utf-8"))["TRIES_MAX"] == 3
    assert "After three starts" in GUIDE
    assert constant("TRIAL_MS", "loop") == 3_600_000
    assert "within an hour" in GUIDE


def test_programs_fit_into_the_file_system_twice():
    """The flash budget: two firmwares in blocks of 4 KB, an eighth kept free; and the bounds of an update."""
    (size,) = re.findall(r"^vfs,.*, (0x\w+)$", (AGENT / "partitions.csv").read_text("utf-8"), re.MULTILINE)
    files = [path.stat().st_size for path in (AGENT / "agent").rglob("*.py")]
    folders = 3  # the firmware's own, `agent` and `sensors`: two blocks each
    blocks = sum(-(-octets // VFS_BLOCK_BYTES) for octets in files) + 2 * folders
    others = 16  # main, slots, store, the JSON files with their replacements, the root

    assert 2 * blocks + others <= 7 / 8 * int(size, 0) / VFS_BLOCK_BYTES
    assert sum(files) <= 100 * 1_024
    assert "100 KB for each of the two folders" in README
    assert f"{2 * blocks + others} of the {int(size, 0) // VFS_BLOCK_BYTES} blocks" in README
    assert max(files) <= constant("FILE_BYTES_MAX", "update")
    assert len(files) <= constant("FILES_MAX", "update")
