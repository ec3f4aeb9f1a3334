"""Moments of a node that is as it should be, for tests to change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from appliance.ipc.search import SearchView
from appliance.mail.views import QueueCounts
from appliance.monitor.snapshot import Disk, Machine, Process, Snapshot, Usage
from tests.support.control import FAILOVER, MAIL, TLS
from tests.support.routes import DELIVERY, HOP

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
    processes=(Process(name="mail", state="ready", pid=7, restarts=0),),
    disk=Disk(free=50 << 30, total=100 << 30),
    failover=FAILOVER,
    tls=TLS,
    delivery=DELIVERY_UP,
    search=SEARCH,
    usage={"mail": USAGE},
    machine=Machine(2 << 30, 1 << 30, 1000, 4000),
)


def snapshot(**changes: Any) -> Snapshot:
    """A healthy node, except for `changes`."""
    return replace(_HEALTHY, **changes)
