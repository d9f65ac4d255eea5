"""Bodies, compressed: answers while they are streamed, requests before they are read (TB-80)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import zstandard

from api.http.negotiation import Coding
from schemas.errors import Malformed, TooLarge, UnsupportedMedia

COMPRESSED_BYTES_MIN: Final = 1_400
"""A smaller answer fits one packet as it is: compressing would cost time and save none."""

OFF_LOOP_BYTES_MIN: Final = 65_536
"""From here on compressing takes longer than a change of threads, and others are served meanwhile."""

GZIP_LEVEL: Final = 1
"""Of records 8 times smaller at 120 MB/s; level 6, 11 times at 36 MB/s. Who wants small ones takes zstd."""
ZSTD_LEVEL: Final = 1
"""10 times smaller at 190 MB/s."""

EXPANSION_MAX: Final = 200
"""A body may become so many times larger: records in JSON become 5 to 50 times smaller, bombs 1,000 times."""
EXPANDED_BYTES_ALWAYS: Final = 65_536
"""… and so large in any case."""

WINDOW_BYTES_MAX: Final = 8 * 1_048_576
"""Memory that a zstd frame may ask for (RFC 8878, 3.1.1.1.2)."""

PARTS_MAX: Final = 256
"""Members or frames of a body: what follows is copied for each, so a megabyte of empty ones takes seconds."""

_GZIP_WINDOW_BITS: Final = 31
_LOOK_BYTES: Final = 65_536

_CODINGS: Final = {
    "gzip": Coding.GZIP,
    "x-gzip": Coding.GZIP,
    "zstd": Coding.ZSTD,
    "identity": Coding.IDENTITY,
}


def coding_of(content_encoding: str) -> Coding:
    """Read `Content-Encoding`; UnsupportedMedia for what is not read, also for several codings."""
    found = _CODINGS.get(content_encoding.strip().lower() or "identity")
    if found is None:
        raise UnsupportedMedia("Content-Encoding is gzip, zstd or identity.")
    return found


def expand(body: bytes, coding: Coding, bytes_max: int) -> bytes:
    """Decompress a body to at most `bytes_max`; never more than that is held of it.

    TooLarge above it, Malformed for what is cut off, broken, in too many parts, or grows more
    than `EXPANSION_MAX` times.
    """
    if coding is Coding.IDENTITY or not body:
        return body
    allowed = min(bytes_max, max(EXPANDED_BYTES_ALWAYS, EXPANSION_MAX * len(body)))
    try:
        text = (_gunzip if coding is Coding.GZIP else _unzstd)(body, allowed)
    except (zlib.error, zstandard.ZstdError) as error:
        raise Malformed(f"The body is not {coding.value}.") from error
    if text is None:
        raise Malformed(f"The body ends within its {coding.value}.")
    if len(text) <= allowed:
        return text
    if allowed < bytes_max:
        raise Malformed(f"The body becomes more than {EXPANSION_MAX} times as large; send it as it is.")
    raise TooLarge(f"The body has more than {bytes_max} bytes when it is decompressed.")


def _gunzip(body: bytes, allowed: int) -> bytes | None:
    """Read all members; None if the last one is cut off. Gives one byte too much where there is more."""
    parts: list[bytes] = []
    left = allowed + 1
    while body and left > 0:
        _demand_few(parts, Coding.GZIP)
        reader = zlib.decompressobj(_GZIP_WINDOW_BITS)
        parts.append(reader.decompress(body, left))
        left -= len(parts[-1])
        if not reader.eof and left > 0:
            return None
        body = reader.unused_data
    return b"".join(parts)


def _unzstd(body: bytes, allowed: int) -> bytes | None:
    """Read all frames as `_gunzip` reads members."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    # Only the reader keeps to a size, and only the object tells a frame that is cut off.
    with decompressor.stream_reader(body, read_across_frames=True) as stream:
        size = 0
        while size <= allowed and (part := stream.read(_LOOK_BYTES)):
            size += len(part)
    if size > allowed:
        return bytes(allowed + 1)
    parts: list[bytes] = []
    while body:
        _demand_few(parts, Coding.ZSTD)
        frame = decompressor.decompressobj()
        parts.append(frame.decompress(body))
        if not frame.eof:
            return None
        body = frame.unused_data
    return b"".join(parts)


def _demand_few(parts: Sequence[bytes], coding: Coding) -> None:
    if len(parts) == PARTS_MAX:
        raise Malformed(f"The body is {coding.value} in more than {PARTS_MAX} parts; send it as one.")


async def compress(body: bytes, coding: Coding) -> bytes:
    """Compress a whole body."""
    step, end = _compressor(coding)
    return await _off_loop(step, body) + end()


async def compressed(pieces: AsyncGenerator[bytes, None], coding: Coding) -> AsyncGenerator[bytes, None]:
    """Compress a body piece by piece."""
    step, end = _compressor(coding)
    async with aclosing(pieces):
        async for piece in pieces:
            out = await _off_loop(step, piece)
            if out:
                yield out
    yield end()


async def _off_loop(step: Callable[[bytes], bytes], body: bytes) -> bytes:
    if len(body) < OFF_LOOP_BYTES_MIN:
        return step(body)
    return await asyncio.get_running_loop().run_in_executor(None, step, body)


def _compressor(coding: Coding) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    maker: Any
    if coding is Coding.ZSTD:
        maker = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
    else:
        maker = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    return maker.compress, maker.flush
