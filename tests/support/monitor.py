"""Moments of a node that is as it should be, for tests to change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from appliance.control.observer import Observer
from appliance.control.schema_alerts import AlertView, PeerAlerts
from appliance.control.watch import Watch
from appliance.ipc.search import SearchView
from appliance.mail.views import QueueCounts
from appliance.monitor.alerts.engine import Channel
from appliance.monitor.alerts.store import AlertsFile
from appliance.monitor.availability import Probed
from appliance.monitor.events import Event
from appliance.monitor.ring import Moment
from appliance.monitor.snapshot import Disk, Machine, Process, Snapshot, Usage
from tests.support.control import FAILOVER, MAIL, TLS
from tests.support.routes import DELIVERY, HOP

MOMENT = Moment("boot", 3_600_000, 1_790_000_000_000)
SEARCH = SearchView(
    activity="idle",
    documents=10,
    waiting=0,
    lag=0,
    total=10,
    complete=True,
    partitions=1,
    damaged=0,
    size=1000,
)
USAGE = Usage(started=1000, cpu=500, memory=50 << 20)
PEER_ALERTS = PeerAlerts(
    node="b",
    ago=61_000,
    alerts=(
        AlertView(
            name="disk_low",
            subject="",
            severity="critical",
            text="Only 3 MiB are free \x1b[2J",
            hint="give it a larger disk",
            phase="raised",
            held=5000,
            raised_at=1_790_000_000_000,
            acknowledged=None,
        ),
    ),
)
DELIVERY_UP = msgspec.structs.replace(
    DELIVERY, hops=(msgspec.structs.replace(HOP, state="up", rest=0, reason=""),)
)
_HEALTHY = Snapshot(
    paired=True,
    virtual=("127.0.0.10",),
    searching=True,
    mail=MAIL,
    queue=QueueCounts(),
    oldest=0,
    ages=(0,) * 6,
    processes=(Process(name="mail", state="ready", pid=7, restarts=0),),
    disk=Disk(free=50 << 30, total=100 << 30),
    failover=FAILOVER,
    tls=TLS,
    delivery=DELIVERY_UP,
    search=SEARCH,
    usage={"mail": USAGE},
    probed={name: Probed(good=100) for name in ("service", "own", "peer")},
    machine=Machine(2 << 30, 1 << 30, 1000, 4000),
)


def watched(observer: Observer, folder: Path) -> Watch:
    """A watch over a node, whose file lies in `folder`."""
    file = AlertsFile(folder / "alerts.db", _unexpected)
    watch = Watch(observer, file, frozenset(Channel), lambda: MOMENT, _nobody)
    observer.alerts = watch.holding
    return watch


def _unexpected(why: str) -> None:
    raise AssertionError(why)


def _nobody(event: Event, queue_id: str = "", **values: object) -> None:
    """For nobody."""


def snapshot(**changes: Any) -> Snapshot:
    """A healthy node, except for `changes`."""
    return replace(_HEALTHY, **changes)
