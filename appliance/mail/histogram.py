"""How long things take, in fixed buckets: noting one is a look at a table and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from appliance.mail.views import HistogramView

BOUNDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0, 7200.0, 43200.0,
)  # fmt: skip
"""Upper ends of the buckets, in seconds; one more is for all that took longer."""


class Histogram:
    """Counts by bucket, and the sum of all."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        """One took so long."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def add(self, other: Histogram) -> None:
        """Count what another one counted."""
        both = zip(self.counts, other.counts, strict=True)
        self.counts = [ours + theirs for ours, theirs in both]
        self.total += other.total

    def view(self) -> HistogramView:
        """As it is now."""
        return HistogramView(counts=tuple(self.counts), total=self.total)


def summed(views: Iterable[HistogramView]) -> HistogramView:
    """Several as one."""
    known = [view for view in views if view.counts]
    if not known:
        return HistogramView()
    counts = tuple(map(sum, zip(*(view.counts for view in known), strict=True)))
    return HistogramView(counts=counts, total=sum(view.total for view in known))


def quantile(counts: Iterable[int], share: float) -> float | None:
    """The bound that at least `share` of them did not exceed; None of none, or beyond the last."""
    told = list(counts)
    wanted, seen = share * sum(told), 0
    if not wanted:
        return None
    for bound, count in zip(BOUNDS, told, strict=False):
        seen += count
        if seen >= wanted:
            return bound
    return BOUNDS[-1]
