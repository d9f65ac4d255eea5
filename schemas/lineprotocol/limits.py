"""The numbers that bound bodies of lines and inlets, each with its reason."""

from __future__ import annotations

from schemas.limits import MB

LINES_BODY_BYTES_MAX = 32 * MB
"""50,000 lines, the largest batch of existing clients, with six hundred bytes each (IX-07)."""
LINES_CELLS_MAX = 4_000_000
"""Times of a series times the variables that a body names of it, over all series: columns of 32 MB."""
LINES_SERIES_MAX = 10_000
"""Of one body: each is an entry of its own."""
LINES_CREATED_MAX = 1_000
"""Assets that one body makes; each takes some milliseconds, so more of them are made in several bodies."""
INLETS_MAX = 100
"""Of a tenant: a list gives all of them."""
INLET_NAMES_MAX = 1_000
"""Measurements, fields or tags that a rule names: as many as an aspect has variables."""
