"""What the site's policy did, as metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from appliance.mail.views import PolicyView


def policy_metrics(view: PolicyView) -> Iterator[Metric]:
    """Refusals by restriction, rates, and the recipient validation cache."""
    refused = CounterMetricFamily(
        "twinpost_policy_refused",
        "Recipients, messages and connections by the restriction that refused them",
        labels=["restriction"],
    )
    for restriction, count in view.refused.items():
        refused.add_metric([restriction], count)
    looked = CounterMetricFamily(
        "twinpost_recipient_cache",
        "Recipients to be verified, by whether an answer of their next hop was kept",
        labels=["result"],
    )
    verification = view.verification
    looked.add_metric(["hit"], verification.hits)
    looked.add_metric(["miss"], verification.misses)
    callouts = CounterMetricFamily(
        "twinpost_recipient_callouts", "Times next hops were asked about a recipient"
    )
    callouts.add_metric([], verification.callouts)
    unanswered = CounterMetricFamily(
        "twinpost_recipient_callouts_unanswered", "Those that brought neither a yes nor a no"
    )
    unanswered.add_metric([], verification.unanswered)
    cached = GaugeMetricFamily(
        "twinpost_recipient_cache_entries", "Answers kept", value=verification.cached
    )
    yield from (refused, looked, callouts, unanswered, cached)
    yield GaugeMetricFamily(
        "twinpost_rates_tracked", "Clients and users of whom a rate is kept", value=view.tracked
    )
    actions = CounterMetricFamily(
        "twinpost_policy_recipients", "Recipients by what the access list did", labels=["action"]
    )
    actions.add_metric(["hold"], view.held)
    actions.add_metric(["discard"], view.discarded)
    yield actions
