"""A file shaped like Movebank's of 49 gulls: 89,868 rows, clashing times, blank cells; seeded (IX-07)."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

ROWS, BIRDS = 89_868, 49
BEGIN = datetime(2009, 5, 27, 14, tzinfo=UTC)
COLUMNS = (
    "event-id", "visible", "timestamp", "location-long", "location-lat", "heading", "height", "sensor-type",
    "individual-taxon-canonical-name", "individual-local-identifier",
)  # fmt: skip


def write_file(path: Path) -> None:
    """Write the file; every timestamp is that of several individuals."""
    rng = np.random.default_rng(2009)
    counts = np.full(BIRDS, ROWS // BIRDS)
    counts[: ROWS - counts.sum()] += 1
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        event = 1_082_620_685
        for bird, count in enumerate(counts.tolist()):
            name = f"91{700 + bird}A"
            # All begin together and go on in steps of ten minutes, so that their times are the same ones.
            steps = np.cumsum(rng.integers(1, 4, count))
            walk = np.cumsum(rng.normal(0, 0.01, (count, 2)), axis=0)
            places = np.round(walk + np.array([24.5, 61.2]), 5)
            blanks = rng.random((count, 2)) < 0.2
            for step, place, blank in zip(steps.tolist(), places.tolist(), blanks.tolist(), strict=True):
                time = BEGIN + timedelta(minutes=10 * step)
                heading = "" if blank[0] else f"{step % 360}.5"
                height = "" if blank[1] else str(step % 900)
                cells = [event, "true", f"{time:%Y-%m-%d %H:%M:%S.000}", *place, heading, height]
                writer.writerow([*cells, "gps", "Larus fuscus", name])
                event += 1
