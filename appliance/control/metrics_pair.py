"""Metrics of the pair: its mode, what is on one node only, addresses and heartbeats."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from appliance.control.families import by, counters, gauge, gauges
from appliance.failover.router import State
from appliance.ipc.failover import FailoverView
from appliance.mail.views import MailView
from appliance.monitor.snapshot import Snapshot

MODES = ("paired", "catching up", "solo", "split", "down")


def pair_metrics(seen: Snapshot) -> Iterator[Metric]:
    """How the pair is, as this node sees it."""
    mode = seen.mail.mode if seen.mail is not None else "down"
    yield gauges(
        "mode",
        "1 for the mode the node is in",
        ["mode"],
        [((name,), name == mode) for name in MODES],
    )
    if seen.mail is not None:
        yield from _replication(seen.mail)
    if seen.clock_offset is not None:
        text = "How far the other node's wall clock is ahead of this one's"
        yield gauge("clock_offset_seconds", text, seen.clock_offset / 1000)
    if seen.failover is not None:
        yield from _failover(seen.failover)


def _replication(mail: MailView) -> Iterator[Metric]:
    yield gauge("exposed_messages", "Messages durable on this node only", mail.exposed)
    yield gauge("epoch", "Changes of owner so far", mail.epoch)
    yield gauge("unapplied_records", "Records that could not be applied", mail.unapplied)
    if mail.peer is not None:
        yield gauge("peer_connected", "1 while the link is up", mail.peer.connected)
        yield gauge("peer_lag_records", "Records the peer has not acknowledged", mail.peer.lag)
        yield gauge("peer_lag_seconds", "Age of the oldest of them", mail.peer.lag_ms / 1000)


def _failover(view: FailoverView) -> Iterator[Metric]:
    routers = [((str(router.vrid),), router) for router in view.routers]
    yield gauges(
        "active",
        "1 if the node is Active for the virtual router",
        ["vrid"],
        [(vrid, router.state == State.ACTIVE) for vrid, router in routers],
    )
    yield gauges(
        "priority",
        "What health leaves of the priority",
        ["vrid"],
        [(vrid, router.priority) for vrid, router in routers],
    )
    yield counters(
        "failover_transitions",
        "Changes of state since the failover process started, by the state after it",
        ["vrid", "state"],
        [
            ((*vrid, state), count)
            for vrid, router in routers
            for state, count in router.transitions.items()
        ],
    )
    yield gauges(
        "heartbeat_path",
        "1 if the peer is heard on the path",
        ["peer"],
        [((path.peer,), path.alive) for path in view.paths],
    )
    yield counters(
        "heartbeats_rejected", "Packets that changed nothing", ["reason"], by(view.rejected)
    )
    yield gauge("maintenance", "1 while the node is in maintenance", view.maintenance)
