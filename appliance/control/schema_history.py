"""The control API's messages about figures and their history."""

from __future__ import annotations

import msgspec


class SeriesView(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that the history keeps."""

    metric: str
    unit: str
    title: str


class SeriesList(msgspec.Struct, frozen=True):
    """All of them."""

    series: tuple[SeriesView, ...]


class CurveView(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over time: the least, the mean and the greatest of each part, null if unknown."""

    metric: str
    unit: str
    title: str
    least: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    greatest: tuple[float | None, ...]


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the node `node`.

    Part n begins at `start` + n × `step`, in milliseconds since 1970 as the node's clock is now.
    """

    node: str
    start: int
    step: int
    points: int
    curves: tuple[CurveView, ...]
