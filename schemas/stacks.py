"""Partials of several variables end to end, so that folding them costs its calls once, not for each.

Most folds of an answer have some dozen groups a variable: calling NumPy takes longer than what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.columns import Ints
from schemas.partials import Partials, changed, regrouped


class Stack(NamedTuple):
    """Variables of one form, one behind the other; the groups of each never fall, and may repeat."""

    variables: Sequence[int]
    edges: Ints
    """Where the groups of each variable begin, and where the last ones end: one more than variables."""
    partials: Partials

    @property
    def owners(self) -> Ints:
        """Give the place of its variable for each group."""
        return np.arange(len(self.variables)).repeat(self.edges[1:] - self.edges[:-1])

    def between(self, first: int, end: int) -> Stack:
        """Keep groups first ≤ group < end."""
        groups = self.partials.groups
        kept = (groups >= first) & (groups < end)
        if kept.all():
            return self
        counts = np.concatenate([[0], np.cumsum(kept)])
        return Stack(self.variables, counts[self.edges], changed(self.partials, itemgetter(kept)))

    def regrouped(self, groups: Ints, apart: int) -> dict[int, Partials]:
        """Fold into wider groups, by variable: `groups` gives the new number of each, 0 ≤ number < apart."""
        folded = regrouped(self.partials, groups + self.owners * apart)
        edges = folded.groups.searchsorted(np.arange(len(self.variables) + 1) * apart)
        return Stack(
            self.variables, edges, msgspec.structs.replace(folded, groups=folded.groups % apart)
        ).split()

    def split(self) -> dict[int, Partials]:
        """Give the groups of each variable as they are."""
        edges = self.edges.tolist()
        return {
            variable: changed(self.partials, itemgetter(slice(first, end)))
            for variable, first, end in zip(self.variables, edges[:-1], edges[1:], strict=True)
        }
