"""`Status` in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client import exposition as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from appliance.control.policy_metrics import policy_metrics
from appliance.control.schema import Status
from appliance.failover.router import State
from appliance.ipc.delivery import DeliveryView
from appliance.ipc.failover import FailoverView
from appliance.mail.views import MailView, QueueCounts, TlsView

MODES = ("paired", "catching up", "solo", "split", "down")


def exposition(status: Status) -> tuple[bytes, str]:
    """(the text, its content type)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(status))
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST


class _Snapshot(Collector):
    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        status = self._status
        mode = GaugeMetricFamily("twinpost_mode", "1 for the mode the node is in", labels=["mode"])
        for name in MODES:
            mode.add_metric([name], status.mode == name)
        yield mode
        alarms = GaugeMetricFamily("twinpost_alarm", "1 for each alarm", labels=["alarm"])
        for alarm in status.alarms:
            alarms.add_metric([alarm.name], 1)
        yield alarms
        yield _gauge("disk_free_bytes", "Free for the spool", status.disk.free)
        if status.queue is not None:
            yield _queue(status.queue)
        if status.mail is not None:
            yield from _mail(status.mail)
        if status.delivery is not None:
            yield from _delivery(status.delivery)
        yield _gauge("paused", "Domains and next hops that are paused", len(status.paused))
        if status.failover is not None:
            yield from _failover(status.failover)
        if status.tls is not None:
            yield from _tls(status.tls)


def _queue(counts: QueueCounts) -> Metric:
    family = GaugeMetricFamily(
        "twinpost_queue_recipients", "Recipients in the queue", labels=["status"]
    )
    for status in ("queued", "leased", "deferred", "held", "waiting"):
        family.add_metric([status], getattr(counts, status))
    return family


def _mail(mail: MailView) -> Iterator[Metric]:
    yield _gauge("accepting", "1 if a client would get its 250 now", mail.accepting)
    yield _gauge("exposed_messages", "Messages durable on this node only", mail.exposed)
    yield _gauge("uptime_seconds", "Since the mail process started", mail.uptime / 1000)
    yield _gauge("smtp_connections", "Open connections of clients", mail.connections)
    yield _gauge("open_leases", "Attempts under way", mail.open_leases)
    yield _gauge("unapplied_records", "Records that could not be applied", mail.unapplied)
    if mail.peer is not None:
        yield _gauge("peer_connected", "1 while the link is up", mail.peer.connected)
        yield _gauge("peer_lag_records", "Records the peer has not acknowledged", mail.peer.lag)
        yield _gauge("peer_lag_seconds", "Age of the oldest of them", mail.peer.lag_ms / 1000)
    yield _counter("accepted_messages", "Messages that got 250", mail.accepted)
    yield _counter("rejected_commands", "Commands and messages that got 4yz or 5yz", mail.rejected)
    yield _counter("logins", "Logins of users", mail.logins)
    yield _counter("failed_logins", "Logins refused, untried ones too", mail.failed_logins)
    yield _counter("delivered_recipients", "Recipients delivered", mail.delivered)
    yield _counter("duplicate_deliveries", "Deliveries beyond the first", mail.duplicates)
    yield _counter("doubtful_attempts", "Attempts whose end nobody knows", mail.doubts)
    yield from policy_metrics(mail.policy)


def _delivery(view: DeliveryView) -> Iterator[Metric]:
    yield _counter("next_hop_transactions", "Transactions with next hops", view.transactions)
    yield _counter("connection_cache_hits", "Of these over an open connection", view.hits)
    yield _counter("next_hop_connections_opened", "Connections made to next hops", view.opened)
    yield _counter("next_hop_connections_failed", "Those that could not be made", view.failed)
    connections = GaugeMetricFamily(
        "twinpost_next_hop_connections", "Open connections", labels=["next_hop", "state"]
    )
    up = GaugeMetricFamily(
        "twinpost_next_hop_up", "1 if mail may be sent there now", labels=["next_hop"]
    )
    for hop in view.hops:
        connections.add_metric([hop.name, "idle"], hop.idle)
        connections.add_metric([hop.name, "busy"], hop.connections - hop.idle)
        up.add_metric([hop.name], hop.state == "up")
    yield from (connections, up)


def _failover(view: FailoverView) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "twinpost_active", "1 if the node is Active for the virtual router", labels=["vrid"]
    )
    priority = GaugeMetricFamily(
        "twinpost_priority", "What health leaves of the priority", labels=["vrid"]
    )
    for router in view.routers:
        active.add_metric([str(router.vrid)], router.state == State.ACTIVE)
        priority.add_metric([str(router.vrid)], router.priority)
    paths = GaugeMetricFamily(
        "twinpost_heartbeat_path", "1 if the peer is heard on the path", labels=["peer"]
    )
    for path in view.paths:
        paths.add_metric([path.peer], path.alive)
    rejected = CounterMetricFamily(
        "twinpost_heartbeats_rejected", "Packets that changed nothing", labels=["reason"]
    )
    for reason, number in view.rejected.items():
        rejected.add_metric([reason], number)
    yield from (active, priority, paths, rejected)
    yield _gauge("maintenance", "1 while the node is in maintenance", view.maintenance)


def _tls(tls: TlsView) -> Iterator[Metric]:
    if tls.certificate is not None:
        text = "Until the certificate for TLS ends"
        yield _gauge("tls_certificate_days", text, tls.certificate.days_left)
    if tls.authority is not None:
        text = "Until the site's certificate authority ends"
        yield _gauge("tls_authority_days", text, tls.authority.days_left)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"twinpost_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"twinpost_{name}", text, value=value)
