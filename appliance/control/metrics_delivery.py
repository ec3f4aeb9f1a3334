"""Metrics of mail on its way out, as a whole and by next hop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import Metric

from appliance.control.families import by, counter, counters, gauge, gauges, histogram, label
from appliance.ipc.delivery import DeliveryView, HopView
from appliance.mail.histogram import summed
from appliance.mail.views import HistogramView
from appliance.monitor.snapshot import Snapshot

MOST = 30
"""Next hops with figures of their own: those with the most transactions; the others are one."""
OTHER = "other"


def delivery_metrics(seen: Snapshot) -> Iterator[Metric]:
    """How next hops and connections to them are."""
    yield gauge("paused", "Domains and next hops that are paused", len(seen.paused))
    if seen.delivery is not None:
        yield from _whole(seen.delivery)
        yield from _hops(seen.delivery)


def _whole(view: DeliveryView) -> Iterator[Metric]:
    yield counter("next_hop_transactions", "Transactions with next hops", view.transactions)
    yield counter("connection_cache_hits", "Of these over an open connection", view.hits)
    yield counter("next_hop_connections_opened", "Connections made to next hops", view.opened)
    yield counter("next_hop_connections_failed", "Those that could not be made", view.failed)
    yield counters(
        "next_hop_tls_sessions", "Connections to next hops in TLS, by version", ["version"],
        by(view.tls),
    )  # fmt: skip
    yield counter("next_hop_tls_failures", "Handshakes that failed", view.tls_failed)
    yield histogram(
        "queue_wait_seconds",
        "From acceptance to a message's first attempt at a next hop",
        [],
        [((), view.waited)],
    )


def _hops(view: DeliveryView) -> Iterator[Metric]:
    own, others = _split(view.hops)
    yield gauges(
        "next_hop_connections",
        "Open connections",
        ["next_hop", "state"],
        [
            ((name, state), count)
            for hop in view.hops
            for name in [hop.name if hop in own else OTHER]
            for state, count in (("idle", hop.idle), ("busy", hop.connections - hop.idle))
        ],
    )
    yield gauges(
        "next_hop_up",
        "1 if mail may be sent there now; of the others, how many",
        ["next_hop"],
        [((hop.name if hop in own else OTHER,), hop.state == "up") for hop in view.hops],
    )
    yield histogram(
        "next_hop_attempt_seconds",
        "From the beginning of an attempt to its end, connecting included",
        ["next_hop"],
        [((hop.name,), hop.took) for hop in own] + ([((OTHER,), others)] if others else []),
    )


def _split(hops: Sequence[HopView]) -> tuple[Sequence[HopView], HistogramView | None]:
    """Those with figures of their own, and what the others and the forgotten took."""
    busiest = sorted(hops, key=lambda hop: (-hop.transactions, hop.name))
    own, names = list[HopView](), {OTHER}
    for hop in busiest[:MOST]:
        name = label(hop.name)
        if name not in names:  # one that is cut must not stand for two
            own.append(hop)
        names.add(name)
    rest = [hop for hop in hops if hop not in own]
    return own, summed([hop.took for hop in rest]) if rest else None
