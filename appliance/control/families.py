"""Families of metrics, all named after the product; label values are bounded and visible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from appliance.mail.histogram import BOUNDS
from appliance.mail.views import HistogramView
from appliance.mail.visible import visible

Values = Iterable[tuple[Sequence[str], float]]
_LABEL = 100
"""Characters of a label's value."""


def gauge(name: str, text: str, value: float) -> Metric:
    """One number."""
    return GaugeMetricFamily(f"twinpost_{name}", text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """One number that only grows."""
    return CounterMetricFamily(f"twinpost_{name}", text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    """A number for each combination of labels."""
    family = GaugeMetricFamily(f"twinpost_{name}", text, labels=labels)
    return _filled(family, values)


def counters(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    """The same of numbers that only grow."""
    family = CounterMetricFamily(f"twinpost_{name}", text, labels=labels)
    return _filled(family, values)


def by(values: Mapping[str, float]) -> Values:
    """Values of one label."""
    return [((label,), value) for label, value in sorted(values.items())]


def histogram(
    name: str,
    text: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], HistogramView]],
) -> Metric:
    """How long things took, in seconds."""
    family = HistogramMetricFamily(f"twinpost_{name}", text, labels=labels)
    for told, view in values:
        counts = view.counts or (0,) * (len(BOUNDS) + 1)
        buckets, so_far = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        family.add_metric([label(one) for one in told], buckets=buckets, sum_value=view.total)
    return family


def label(value: str) -> str:
    """A value from anywhere, as a label may have it."""
    return visible(value, _LABEL)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    # What two things share a cut name adds up: a name twice would be no metric at all.
    summed: dict[tuple[str, ...], float] = {}
    for told, value in values:
        key = tuple(label(one) for one in told)
        summed[key] = summed.get(key, 0.0) + value
    for key, value in summed.items():
        family.add_metric(list(key), value)
    return family
