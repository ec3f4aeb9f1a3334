"""Calls about figures and alerts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

from appliance.control.schema_alerts import (
    AcknowledgeAlert,
    AlertHistory,
    Alerts,
    AlertView,
    EndedAlert,
)
from appliance.control.schema_history import HistoryView, SeriesList, SeriesView

T = TypeVar("T")


class Asks(Protocol):
    """A client of the control API."""

    def _get(self, path: str, wanted: type[T]) -> T: ...

    def _post(self, path: str, body: object, wanted: type[T]) -> T: ...

    def _upload(self, path: str, content: bytes, kind: str, wanted: type[T]) -> T: ...


class MonitorCalls:
    """What a client asks about figures and alerts."""

    def metrics(self: Asks) -> Sequence[SeriesView]:
        """The figures that the history keeps."""
        return self._get("/history/metrics", SeriesList).series

    def figures(
        self: Asks, metrics: Sequence[str], span: str, points: int, *, peer: bool = False
    ) -> HistoryView:
        """Figures over the last `span` ("1h", "7d", …) in about `points` parts."""
        asked = [("metric", one) for one in metrics]
        asked += [("range", span), ("points", str(points))]
        return self._get(f"{'/peer' if peer else ''}/history?{urlencode(asked)}", HistoryView)

    def alerts(self: Asks) -> Alerts:
        """The alerts of both nodes."""
        return self._get("/alerts", Alerts)

    def acknowledge(
        self: Asks, name: str, what: AcknowledgeAlert, *, peer: bool = False
    ) -> AlertView:
        """Say that somebody knows of an alert; raises ApiError "not_found"."""
        path = f"{'/peer' if peer else ''}/alerts/{quote(name, safe='')}/acknowledge"
        return self._post(path, what, AlertView)

    def ended_alerts(self: Asks, limit: int, *, peer: bool = False) -> Sequence[EndedAlert]:
        """The last alerts that were cleared, the latest first."""
        path = f"{'/peer' if peer else ''}/alerts/history?limit={limit}"
        return self._get(path, AlertHistory).ended
