"""Figures of the last hour, as the console's charts could get them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from appliance.control.schema_history import CurveView, HistoryView, SeriesList, SeriesView

SERIES = (
    SeriesView(metric="mail.accepted", unit="1/s", title="Messages accepted"),
    SeriesView(metric="pair.exposed", unit="messages", title="Messages on this node only"),
    SeriesView(metric="pair.paired", unit="share", title="Time in which 250 meant both nodes"),
    SeriesView(metric="queue.oldest", unit="s", title="Age of the oldest message"),
    SeriesView(metric="disk.free", unit="bytes", title="Free for the spool"),
)
_SCALES = {"mail.accepted": 40, "pair.exposed": 3, "queue.oldest": 600, "disk.free": 70 << 30}


def history(query: Mapping[str, Sequence[str]], body: bytes) -> HistoryView:
    """Waves, with a gap in which the node was off."""
    points = int(query["points"][0])
    gap = range(points // 3, points // 3 + points // 12)

    def curve(metric: str) -> CurveView:
        (series,) = [one for one in SERIES if one.metric == metric]
        scale = _SCALES.get(metric, 1)
        waves = [0.5 + 0.4 * math.sin(12 * part / points) for part in range(points)]
        means = tuple(None if part in gap else scale * waves[part] for part in range(points))
        return CurveView(
            metric=metric,
            unit=series.unit,
            title=series.title,
            least=tuple(one and 0.8 * one for one in means),
            mean=means,
            greatest=tuple(one and 1.1 * one for one in means),
        )

    curves = tuple(curve(one) for one in query["metric"])
    step = 3_600_000 // points
    return HistoryView(node="a", start=1_790_000_000_000, step=step, points=points, curves=curves)


FIGURES: Mapping[str, object] = {"/history/metrics": SeriesList(SERIES), "/history": history}
