"""What one node knows of itself and its pair at one moment: what figures and alerts are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from appliance.ipc.delivery import DeliveryView
from appliance.ipc.failover import FailoverView
from appliance.ipc.search import SearchView
from appliance.mail.tls_views import TlsView
from appliance.mail.views import MailView, QueueCounts
from appliance.monitor.availability import AvailabilityView, Probed
from appliance.monitor.jobs import JobView


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the node as its supervisor sees it."""

    name: str
    state: str
    pid: int | None
    restarts: int


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """The file system of the spool, in bytes; `free` is what this process may still use."""

    free: int
    total: int


class PauseView(msgspec.Struct, frozen=True, kw_only=True):
    """A domain or next hop that an operator has paused; `at`: wall-clock milliseconds."""

    what: str
    reason: str
    by: str
    at: int


@dataclass(frozen=True)
class Usage:
    """A process: its start in ms since the machine's, processor time in ms, memory in bytes."""

    started: int
    cpu: int
    memory: int


@dataclass(frozen=True)
class Machine:
    """The machine: memory in bytes, processor time that was used and that there was, in ms."""

    memory: int
    memory_free: int
    cpu_used: int
    cpu_total: int


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """`mail`, `queue`, `failover`, … are None while whoever knows does not answer.

    `paired`: there is to be a peer. `virtual`: the addresses that move; `searching`: there is to
    be an index. `oldest`: age in ms of the oldest message in the queue that is not held, 0 if
    there is none; `ages`: messages in the queue by `mail.views.AGES`. `restarts`: how often each
    process was started again in the last ten minutes. `clock_offset`: how far the other node's wall
    clock is ahead of this one's, in ms. `release`, `peer_release`: what both run, "" if unknown.
    `peer_routers`: the other node's virtual addresses by VRID, None if unknown.
    """

    paired: bool
    virtual: tuple[str, ...]
    searching: bool
    mail: MailView | None
    queue: QueueCounts | None
    oldest: int | None
    ages: Sequence[int] | None
    processes: tuple[Process, ...]
    disk: Disk
    failover: FailoverView | None
    tls: TlsView | None
    delivery: DeliveryView | None
    search: SearchView | None
    paused: tuple[PauseView, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    machine: Machine | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    clock_offset: int | None = None
    release: str = ""
    peer_release: str = ""
    peer_routers: Mapping[str, Sequence[str]] | None = None
    jobs: tuple[JobView, ...] = ()
    probed: Mapping[str, Probed] = field(default_factory=dict)
    availability: tuple[AvailabilityView, ...] = ()
