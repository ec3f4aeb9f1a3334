"""Puts together what one node knows of itself: the writer, the spool, the disk, the processes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import msgspec

from appliance.control.delivery import Delivery, pause_views
from appliance.control.findings import Findings
from appliance.control.moves import Moves
from appliance.control.protocols import Commands, QueueReader
from appliance.control.schema import Status, Virtual
from appliance.control.schema_alerts import AlertView
from appliance.control.search import Searching
from appliance.control.status import summary
from appliance.decoding import from_json
from appliance.ipc.delivery import DeliveryView
from appliance.ipc.failover import FailoverView
from appliance.ipc.search import SearchView
from appliance.mail.tls_views import TlsView
from appliance.mail.views import MailView, QueueCounts, Unavailable
from appliance.monitor import procfs
from appliance.monitor.snapshot import Disk, Machine, PauseView, Process, Snapshot, Usage

_PATIENCE = 2.0
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Identity:
    """What a node is called, its virtual addresses, and whether it is paired with another."""

    name: str
    hostname: str
    version: str
    virtual: tuple[str, ...]
    paired: bool


class TlsReader(Protocol):
    """Reads how TLS is, for one thread at a time. Raises `Unavailable`, OSError."""

    def view(self) -> TlsView:
        """How it is now."""


class Observer:
    """Asks everything and everybody; nothing that is down keeps the rest from being told."""

    def __init__(
        self,
        identity: Identity,
        spool: Path,
        processes: Path,
        reader: QueueReader,
        commands: Commands,
        moves: Moves,
        tls: TlsReader,
        delivery: Delivery | None = None,
        pauses: Callable[[], Mapping[str, bytes]] = dict,
        search: Searching | None = None,
        findings: Findings | None = None,
    ) -> None:
        """`processes` is the file the supervisor publishes; `pauses` are read in the thread.

        `search` is None where the node keeps no index.
        """
        self._search = search
        self._findings = findings or Findings()
        self.alerts: Callable[[Snapshot], tuple[AlertView, ...]] = _none
        """What is not as it should be at a moment; whoever watches the node sets it."""
        self._identity = identity
        self._spool = spool
        self._processes = processes
        self.moves = moves
        self._tls = tls
        self._delivery = delivery
        self._pauses = pauses
        self.reader = reader
        self.commands = commands
        # One thread: the reader's connection belongs to one caller at a time.
        self._thread = ThreadPoolExecutor(1, "spool-reader")

    async def ask(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the reader, which first hears what the mail process says now."""
        await self.mail()
        return await self.read(call, *args, **kwargs)

    async def read(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the reader in its thread; raises what that raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: call(*args, **kwargs))

    async def mail(self) -> MailView | None:
        """The mail process's own view, None if it does not answer."""
        try:
            return await self.commands.view()
        except Unavailable:
            return None

    async def counts(self) -> QueueCounts | None:
        """The queue in figures, None while there is no spool."""
        try:
            return await self.read(self.reader.counts)
        except Unavailable:
            return None

    async def tls(self) -> TlsView | None:
        """How TLS is, None while nobody can tell."""
        try:
            return await self.read(self._tls.view)
        except (Unavailable, OSError):
            return None

    async def delivery(self) -> DeliveryView | None:
        """How next hops are, None if the delivery process does not answer."""
        try:
            return await self._delivery.view() if self._delivery else None
        except Unavailable:
            return None

    async def paused(self) -> tuple[PauseView, ...]:
        """What operators have paused; nothing while there is no spool."""
        try:
            return pause_views(await self.read(self._pauses))
        except Unavailable:
            return ()

    async def oldest(self) -> int | None:
        """See `Snapshot.oldest`."""
        try:
            return await self.read(self.reader.oldest)
        except Unavailable:
            return None

    async def ages(self) -> Sequence[int] | None:
        """See `Snapshot.ages`."""
        try:
            return await self.read(self.reader.ages)
        except Unavailable:
            return None

    async def search(self) -> SearchView | None:
        """How the index is, None if nobody can tell."""
        if self._search is None:
            return None
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._search.view()
        except (Unavailable, TimeoutError):
            return None

    async def snapshot(self, ages: bool = False) -> Snapshot:
        """The node and its pair, now; `ages`: with the queue by age, which costs more."""
        mail = await self.mail()
        processes = tuple(self.processes())
        usage, machine = await self.read(_usage, processes)
        return Snapshot(
            paired=self._identity.paired,
            virtual=self._identity.virtual,
            searching=self._search is not None,
            mail=mail,
            queue=await self.counts(),
            oldest=await self.oldest(),
            ages=await self.ages() if ages else None,
            processes=processes,
            disk=self._disk(),
            failover=await self.moves.view(),
            tls=await self.tls(),
            delivery=await self.delivery(),
            search=await self.search(),
            paused=await self.paused(),
            usage=usage,
            machine=machine,
            restarts=self._findings.restarts.note(processes, time.monotonic()),
            clock_offset=self._findings.clock_offset,
            release=self._identity.version,
            peer_release=self._findings.peer_release,
            peer_routers=self._findings.peer_routers,
            jobs=self._findings.jobs(),
            probed=self._findings.probed,
            availability=self._findings.availability,
        )

    async def status(self) -> Status:
        """The node and its pair, for people."""
        return self.told(await self.snapshot())

    def told(self, seen: Snapshot) -> Status:
        """A moment, for people."""
        found = self.alerts(seen)
        return Status(
            name=self._identity.name,
            hostname=self._identity.hostname,
            version=self._identity.version,
            healthy=not found,
            summary=summary(found),
            mode=seen.mail.mode if seen.mail else "down",
            mail=seen.mail,
            queue=seen.queue,
            processes=seen.processes,
            disk=seen.disk,
            virtual=tuple(self._virtual(seen.failover)),
            failover=seen.failover,
            tls=seen.tls,
            alarms=found,
            delivery=seen.delivery,
            paused=seen.paused,
            availability=seen.availability,
        )

    def _virtual(self, view: FailoverView | None) -> Iterator[Virtual]:
        routers = view.routers if view else ()
        held = {one for router in routers if router.held for one in router.addresses}
        for address in self._identity.virtual:
            yield Virtual(address=address, here=address in held)

    def processes(self) -> Sequence[Process]:
        """The node's processes; none where something else than `twinpost node` runs them."""
        try:
            return from_json(self._processes.read_bytes(), list[Process])
        except (FileNotFoundError, msgspec.DecodeError):
            return []

    def _disk(self) -> Disk:
        figures = os.statvfs(self._spool)
        return Disk(
            free=figures.f_bavail * figures.f_frsize, total=figures.f_blocks * figures.f_frsize
        )

    def close(self) -> None:
        """Let the thread end, after what it is reading."""
        self._thread.shutdown(cancel_futures=True)


def _usage(processes: Sequence[Process]) -> tuple[Mapping[str, Usage], Machine | None]:
    """What the processes and the machine use."""
    found = {one.name: procfs.usage(one.pid) for one in processes if one.pid is not None}
    return {name: used for name, used in found.items() if used is not None}, procfs.machine()


def _none(seen: Snapshot) -> tuple[AlertView, ...]:
    """Before anybody watches there is nothing to tell."""
    return ()
