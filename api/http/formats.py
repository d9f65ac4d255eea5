"""Answers in the format and the coding that the caller asks for, streamed where they are long (TB-80).

An answer is made of pieces. As long as they are few bytes they are collected, so that a short answer has a
length, and a failure at the beginning still has a status; a failure after that cuts the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from litestar import Request, Response
from litestar.response import Stream

from api.http.compression import COMPRESSED_BYTES_MIN, compress, compressed
from api.http.negotiation import Coding, Format, choose_coding, choose_format
from schemas.columns import Columns, Texts
from schemas.csv_format import CsvFormat
from schemas.ids import SeriesId
from schemas.json_format import JsonRecords, JsonSeries
from schemas.tables import Field, Found, TableFormat, joined_fields
from storage import merge

STREAMED_BYTES_MIN: Final = 262_144
"""A page of usual records is below it and keeps its `Content-Length`; what is longer is not collected."""

FORMATS: Final = {"formats": True}
"""Marks handlers whose answers can be had in every format; the description of the API lists them."""

VARY: Final = "Authorization, Accept, Accept-Encoding"

GATHERED_ROWS_MIN: Final = 4_096
"""Rows of several series in one piece of a table: below it each piece costs more than its rows."""

IN_THREAD_CELLS: Final = 20_000
IN_THREAD_TEXT_BYTES: Final = 1_048_576
"""From so many values, or so much text, on writing takes longer than 10 ms; a full page of usual records is
below it."""

SERIES_LABELS: Final = ("assetId", "aspectName")
POSITION_LABEL: Final = "_readPosition"
"""In tables of several series: empty, or the position after which acknowledged entries may be missing."""


@dataclass(slots=True, frozen=True)
class Wish:
    """What a caller reads."""

    format: Format = Format.JSON
    coding: Coding = Coding.IDENTITY


def wish_of(request: Request[Any, Any, Any]) -> Wish:
    """Read `Accept` and `Accept-Encoding`; NotAcceptable where nothing fits."""
    headers = request.headers
    return Wish(choose_format(headers.get("accept")), choose_coding(headers.get("accept-encoding")))


@dataclass(slots=True, frozen=True)
class Outline:
    """What an answer holds, beside its rows."""

    fields: Sequence[Sequence[Field]]
    """The columns of each kind of series in it."""
    series: Sequence[Mapping[str, str]]
    """Which series: `assetId`, `aspectName`, `aspectId`."""
    several: bool = False
    """True: rows begin with labels."""
    position: int | None = None
    following: str | None = None
    """What continues the list; None: this is its end."""
    headers: Mapping[str, str] = field(default_factory=dict)


def writer_of(format_: Format, outline: Outline) -> TableFormat:
    """Begin an answer."""
    if format_ is Format.JSON:
        return JsonSeries(SERIES_LABELS, outline.following) if outline.several else JsonRecords()
    labels = (*SERIES_LABELS, POSITION_LABEL) if outline.several else ()
    fields = joined_fields(outline.fields)
    if format_ is Format.CSV:
        return CsvFormat(fields, labels)
    # 50 MB and a third of a second that most doors never need.
    from schemas import arrow_format  # noqa: PLC0415

    schema = arrow_format.schema_of(fields, labels, outline.series, outline.position)
    kind = arrow_format.ArrowFormat if format_ is Format.ARROW else arrow_format.ParquetFormat
    return kind(fields, schema)


async def written_at_once(format_: Format, outline: Outline, found: Found) -> bytes:
    """Write an answer that is one piece."""
    writer = writer_of(format_, outline)
    return b"".join((writer.begin(), await _rows(writer, found), writer.end()))


async def _rows(writer: TableFormat, found: Found) -> bytes:
    return await beside(found.columns, partial(writer.rows, found))


async def beside(columns: Columns, write: Callable[[], bytes]) -> bytes:
    """Write rows, in a thread where they are many or large: others are served meanwhile."""
    cells = columns.rows * len(columns.cells)
    texts = (each.values for each in columns.cells.values() if isinstance(each.values, Texts))
    if cells < IN_THREAD_CELLS and sum(int(each.offsets[-1]) for each in texts) < IN_THREAD_TEXT_BYTES:
        return write()
    return await asyncio.to_thread(write)


async def written(
    format_: Format, outline: Outline, found: AsyncGenerator[Found, None]
) -> AsyncGenerator[bytes, None]:
    """Write an answer piece by piece."""
    writer = writer_of(format_, outline)
    yield writer.begin()
    table_of_several = outline.several and format_ is not Format.JSON
    async with aclosing(_gathered(found) if table_of_several else found) as pieces:
        async for piece in pieces:
            yield await _rows(writer, piece)
    yield writer.end()


async def _gathered(found: AsyncGenerator[Found, None]) -> AsyncGenerator[Found, None]:
    """Put neighbours of one kind together: a thousand newest records are one piece, not a thousand."""
    held: list[Found] = []
    rows = 0
    async with aclosing(found) as pieces:
        async for piece in pieces:
            if held and (rows >= GATHERED_ROWS_MIN or held[0].aspect != piece.aspect):
                yield _together(held)
                held, rows = [], 0
            held.append(piece)
            rows += piece.columns.rows
    if held:
        yield _together(held)


def _together(held: Sequence[Found]) -> Found:
    labels = [(*one.labels, "" if one.position is None else str(one.position)) for one in held]
    rows = np.repeat(np.arange(len(held)), [one.columns.rows for one in held])
    texts = tuple(Texts.of(column).take(rows) for column in zip(*labels, strict=True))
    columns = merge.joined([one.columns for one in held])
    return held[0]._replace(columns=columns, label_columns=texts)


def named(place: tuple[str, str], series: SeriesId) -> dict[str, str]:
    """Name a series as `Outline.series` does."""
    return {**dict(zip(SERIES_LABELS, place, strict=True)), "aspectId": series.aspect}


async def answer(wish: Wish, outline: Outline, found: AsyncGenerator[Found, None]) -> Response[Any]:
    """Answer with what is found, whole if it is short; raises what the first pieces raise."""
    return await answer_pieces(wish, outline.headers, written(wish.format, outline, found))


async def answer_pieces(
    wish: Wish, headers: Mapping[str, str], pieces: AsyncGenerator[bytes, None]
) -> Response[Any]:
    """Answer with what is written already."""
    begun: list[bytes] = []
    size = 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size >= STREAMED_BYTES_MIN:
            return _streamed(wish, headers, _chained(begun, pieces))
    return await whole(wish, b"".join(begun), headers)


async def whole(wish: Wish, body: bytes, headers: Mapping[str, str]) -> Response[bytes]:
    """Answer with a body that is there already."""
    named, body = await coded(wish, body, headers)
    media = named.pop("content-type")
    return Response(body, headers=named, media_type=media)


async def coded(wish: Wish, body: bytes, headers: Mapping[str, str]) -> tuple[dict[str, str], bytes]:
    """Give the headers and the bytes of a body that is there already."""
    named = {**headers, "content-type": wish.format.value, "vary": VARY}
    coding = _coding(wish, len(body))
    if coding is not Coding.IDENTITY:
        body = await compress(body, coding)
        named["content-encoding"] = coding.value
    return named, body


def _streamed(wish: Wish, headers: Mapping[str, str], pieces: AsyncGenerator[bytes, None]) -> Stream:
    named = {**headers, "vary": VARY}
    coding = _coding(wish, STREAMED_BYTES_MIN)
    if coding is not Coding.IDENTITY:
        pieces = compressed(pieces, coding)
        named["content-encoding"] = coding.value
    return Stream(pieces, headers=named, media_type=wish.format.value)


def _coding(wish: Wish, size: int) -> Coding:
    """Leave alone what is small, and what is compressed inside."""
    if size < COMPRESSED_BYTES_MIN or wish.format is Format.PARQUET:
        return Coding.IDENTITY
    return wish.coding


async def _chained(begun: Sequence[bytes], rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    for piece in begun:
        yield piece
    async with aclosing(rest) as pieces:
        async for piece in pieces:
            if piece:
                yield piece
