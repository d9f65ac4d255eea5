"""The job worker: long work that a door hands over, run one job at a time by RQ in processes of its own."""

from __future__ import annotations

from runtime.settings import Settings


def run(settings: Settings) -> int:
    """Run jobs until told to end."""
    raise NotImplementedError(settings)
