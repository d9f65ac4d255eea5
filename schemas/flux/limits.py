"""The numbers that bound a query, each with its reason."""

from __future__ import annotations

from schemas.limits import KB

FLUX_CHARACTERS_MAX = 64 * KB
"""Of a query: a filter by hundreds of names is less."""
FLUX_COMPARISONS_MAX = 500
"""Of one query: each is asked of every field of every series, a microsecond each time."""
FLUX_STEPS_MAX = 100
"""Functions of a query: each is drawn through all that follow it."""
FLUX_DEPTH_MAX = 32
"""Parentheses in a predicate: nobody reads deeper ones."""
FLUX_WINDOWS_MAX = 100_000
"""Windows of one table: as many intervals as an answer of aggregates has."""
FLUX_TABLES_MAX = 10_000
"""Of one query: a thousand assets with ten fields; each is read on its own."""
FLUX_CELLS_HELD_MAX = 2_000_000
"""Where tables become one: cells that are held meanwhile, some 100 MB."""
