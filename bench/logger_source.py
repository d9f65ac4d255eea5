"""A logger's files for measurements of imports: generated, the same at every run, of any length.

Sensors of ten-minute statistics: average, maximum, minimum and deviation, with a season, a day and noise, and
two decimals as loggers write them. Any rows can be had again without the file, so what was stored is compared
with what was meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

BEGIN_MS = 1_546_300_800_000
"""2019-01-01T00:00:00Z; the first row is a step later, as ranges begin after their first moment."""
STATISTICS = ("Avg", "Max", "Min", "Std")
CHUNK_ROWS = 8_192
"""Rows that are drawn together, and so of one row group."""
SEASON_MS, DAY_MS = 365.25 * 86_400_000, 86_400_000


@dataclass(slots=True, frozen=True)
class LoggerSource:
    """So many rows of so many sensors."""

    rows: int
    sensors: int = 20
    step_ms: int = 600_000

    @property
    def columns(self) -> list[str]:
        """Name the columns, sensor by sensor."""
        return [f"S{sensor:02}_{name}" for sensor in range(self.sensors) for name in STATISTICS]

    @property
    def values(self) -> int:
        """Count the values of all columns."""
        return self.rows * self.sensors * len(STATISTICS)

    @property
    def chunks(self) -> int:
        """Count the chunks."""
        return -(-self.rows // CHUNK_ROWS)

    @property
    def end_ms(self) -> int:
        """Give the time of the last row."""
        return BEGIN_MS + self.step_ms * self.rows

    def times(self, first: int, count: int) -> NDArray[np.int64]:
        """Give the times of rows."""
        return BEGIN_MS + self.step_ms * np.arange(first + 1, first + count + 1, dtype=np.int64)

    def chunk(self, number: int) -> NDArray[np.float64]:
        """Draw the values of a chunk, a row a time and a column a variable."""
        first = number * CHUNK_ROWS
        rows = min(CHUNK_ROWS, self.rows - first)
        g = np.random.default_rng((6, number))
        time_ms = self.times(first, rows)[:, None]
        phase = np.arange(self.sensors) / self.sensors
        season = np.sin(2 * np.pi * (time_ms / SEASON_MS + phase))
        day = np.sin(2 * np.pi * (time_ms / DAY_MS + phase))
        wander = np.cumsum(g.normal(0, 0.05, (rows, self.sensors)), axis=0)
        average = 12 + 4 * season + 2 * day + wander
        deviation = np.abs(g.normal(0.8, 0.2, (rows, self.sensors)))
        reach = deviation * g.uniform(2, 3, (2, rows, self.sensors))
        found = np.stack([average, average + reach[0], average - reach[1], deviation], axis=2)
        drawn: NDArray[np.float64] = np.round(found.reshape(rows, -1), 2)
        return drawn

    def row(self, number: int) -> NDArray[np.float64]:
        """Draw the values of one row."""
        drawn: NDArray[np.float64] = self.chunk(number // CHUNK_ROWS)[number % CHUNK_ROWS]
        return drawn

    def tables(self) -> Iterator[tuple[NDArray[np.int64], pa.Table]]:
        """Give chunk after chunk as times and a table of the columns."""
        for number in range(self.chunks):
            drawn = self.chunk(number)
            arrays = [pa.array(column) for column in np.ascontiguousarray(drawn.T)]
            yield self.times(number * CHUNK_ROWS, len(drawn)), pa.Table.from_arrays(arrays, self.columns)

    def write_csv(self, path: Path) -> int:
        """Write it as Campbell Scientific TOA5; gives its bytes."""
        names = ["TIMESTAMP", *self.columns]
        heads = (
            ["TOA5", "mast", "CR1000X", "1", "OS", "CPU:mast.CR1X", "1", "TenMinutes"],
            names,
            ["TS", *["m/s"] * len(self.columns)],
            ["", *[name.rpartition("_")[2] for name in self.columns]],
        )
        options = pa_csv.WriteOptions(include_header=False)
        with path.open("wb") as file:
            for head in heads:
                file.write((",".join(f'"{cell}"' for cell in head) + "\r\n").encode())
            for time_ms, table in self.tables():
                moments = pc.strftime(pa.array(time_ms // 1_000).cast(pa.timestamp("s")), "%Y-%m-%d %H:%M:%S")
                pa_csv.write_csv(table.add_column(0, "TIMESTAMP", moments), file, options)
        return path.stat().st_size

    def write_parquet(self, path: Path) -> int:
        """Write it as Parquet with a column `_time`; gives its bytes."""
        writer = None
        for time_ms, table in self.tables():
            timed = table.add_column(0, "_time", pa.array(time_ms).cast(pa.timestamp("ms", "UTC")))
            if writer is None:
                writer = pa_parquet.ParquetWriter(path, timed.schema)
            writer.write_table(timed)
        assert writer is not None
        writer.close()
        return path.stat().st_size
