"""How far a long step is: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

LINE_EACH_S = 2.0


class Progress(AbstractContextManager["Progress"]):
    """Count units of work up to a total and show them."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        """Show nothing before the block is entered."""
        self._label, self._total, self._unit = label, total, unit
        self.done = 0
        self._started = self._said = time.monotonic()
        self._bar = _bar(label, total, unit) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        """Start to count."""
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar off, or say the last line."""
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
        elif error is None:
            self._say()

    @property
    def seconds(self) -> float:
        """Tell how long it has taken up to now."""
        return time.monotonic() - self._started

    def expect(self, total: int) -> None:
        """Take a better estimate of the total."""
        self._total = total
        if self._bar is not None:
            self._bar.expect(total)

    def advance(self, count: int) -> None:
        """Count work that is done."""
        self.done += count
        if self._bar is not None:
            self._bar.advance(count)
        elif time.monotonic() - self._said >= LINE_EACH_S:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        share = 100 * self.done // max(self._total, 1)
        print(f"{self._label}: {self.done:,} of {self._total:,} {self._unit} ({share} %)", file=sys.stderr)


class _Bar:
    """rich's bar, imported only where there is a terminal to see it."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        from rich import progress  # noqa: PLC0415  # a sixth of a second that most calls need not pay
        from rich.console import Console  # noqa: PLC0415

        columns = (
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn(unit),
            progress.TimeRemainingColumn(),
        )
        self._progress = progress.Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(label, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def expect(self, total: int) -> None:
        self._progress.update(self._task, total=total)

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


def _bar(label: str, total: int, unit: str) -> _Bar:
    return _Bar(label, total, unit)
