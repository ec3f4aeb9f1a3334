"""A moment of a node in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client import exposition as prometheus
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from appliance.control.metrics_delivery import delivery_metrics
from appliance.control.metrics_mail import mail_metrics
from appliance.control.metrics_node import node_metrics
from appliance.control.metrics_pair import pair_metrics
from appliance.monitor.snapshot import Snapshot

Part = Callable[[Snapshot], Iterable[Metric]]
PARTS: tuple[Part, ...] = (node_metrics, pair_metrics, mail_metrics, delivery_metrics)


def exposition(seen: Snapshot) -> tuple[bytes, str]:
    """(the text, its content type)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Moment(seen))
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


class _Moment(Collector):
    def __init__(self, seen: Snapshot) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        for part in PARTS:
            yield from part(self._seen)
