"""Write the partition table of a board as its boot loader reads it.

    python device-agent/tools/partitions.py OUT.bin

Made from `partitions.csv`: 32 bytes a partition, a check sum over them, and erased flash behind.
"""

import struct
import sys
from hashlib import md5
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "partitions.csv"
TABLE_BYTES = 0xC00

_TYPES = {"app": 0, "data": 1}
_SUBTYPES = {"factory": 0x00, "phy": 0x01, "nvs": 0x02, "fat": 0x81}
_ENTRY = "<2sBBLL16sL"


def rows():
    """Read the table: (name, type, subtype, offset, size) of each partition, in their order."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, kind, subtype, offset, size = (each.strip() for each in line.split(","))
        number = _SUBTYPES[subtype] if subtype in _SUBTYPES else int(subtype, 0)
        found.append((name, _TYPES[kind], number, int(offset, 0), int(size, 0)))
    return found


def table():
    """Write all of it."""
    entries = b"".join(
        struct.pack(_ENTRY, b"\xaa\x50", kind, subtype, offset, size, name.encode(), 0)
        for name, kind, subtype, offset, size in rows()
    )
    whole = entries + b"\xeb\xeb" + b"\xff" * 14 + md5(entries, usedforsecurity=False).digest()
    return whole + b"\xff" * (TABLE_BYTES - len(whole))


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(table())
