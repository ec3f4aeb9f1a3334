"""The monitor in the control process: figures, alerts, and what the other node says of itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from appliance.config.node import NodeSettings
from appliance.control.alerts import AlertsApi
from appliance.control.figures import History, HistoryApi, Sampler
from appliance.control.findings import Findings
from appliance.control.handlers import Handlers
from appliance.control.mail_process import MailProcess
from appliance.control.neighbour import Neighbour
from appliance.control.observer import Observer
from appliance.control.peer import Peer
from appliance.control.probes import Prober, Targets
from appliance.control.tell import Letterhead, Teller
from appliance.control.watch import Watch
from appliance.monitor.alerts.store import AlertsFile
from appliance.monitor.events import Event
from appliance.services.clock import boot_seconds, moment, monotonic, wall
from appliance.services.process import Context


def probe_targets(node: NodeSettings) -> Targets:
    """Where this node and its virtual address are probed."""
    link = node.link.listen
    # All of loopback looks the same to the other node; elsewhere the kernel knows the way best.
    source = link.host if link.address.is_loopback else None
    fixed = [one for one in node.served if one.address not in node.virtual]
    moving = [one for one in node.served if one.address in node.virtual]
    first = (fixed or moving or node.served)[0]
    own = link.host if first.address.is_unspecified else first.host
    virtual = (moving[0].host, moving[0].port) if moving else None
    if virtual is None and node.virtual:  # listeners at every address are there, too
        virtual = str(node.virtual[0]), first.port
    return Targets((own, first.port), virtual, source)


def _routers(node: NodeSettings) -> dict[str, tuple[str, ...]]:
    routers = node.failover.routers if node.failover else ()
    return {str(one.vrid): tuple(str(end.address) for end in one.addresses) for one in routers}


class Monitor:
    """All of it, as tasks that run while `running` is entered."""

    def __init__(
        self,
        context: Context,
        observer: Observer,
        findings: Findings,
        peer: Peer | None,
        mail: MailProcess,
    ) -> None:
        """`peer` is None where there is to be none."""
        name, folder, settings = str(context.node.name), context.layout.monitor, context.node.alerts
        emit = context.emit
        self._name = name
        self._history = History(folder / "history.db", moment, emit)
        self._sampler = Sampler(observer, self._history, boot_seconds, emit)
        file = AlertsFile(
            folder / "alerts.db", lambda why: emit(Event.MONITOR_FILE_DAMAGED, error=why)
        )
        self._watch = Watch(observer, file, Teller.channels(settings), moment, emit)
        observer.alerts = self._watch.holding
        targets = probe_targets(context.node)
        self._own = targets.own
        self._routers = _routers(context.node)
        self._prober = Prober(targets, findings, self._history, monotonic, emit)
        self._neighbour = (
            None if peer is None else Neighbour(name, peer, findings, wall, monotonic, emit)
        )
        letterhead = Letterhead(
            name, lambda: context.site.current.domains[0], wall, lambda: secrets.token_hex(12)
        )
        self._teller = Teller(
            self._watch,
            settings,
            letterhead,
            mail,
            self._neighbour.tells if self._neighbour else frozenset,
            emit,
        )

    def add_to(self, handlers: Handlers) -> None:
        """Add the routes."""
        HistoryApi(self._name, self._history).add_to(handlers)
        neighbour = self._neighbour
        AlertsApi(
            self._name,
            self._watch,
            lambda: neighbour.alerts if neighbour else None,
            wall,
            self._own,
            version("twinpost"),
            self._routers,
        ).add_to(handlers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch and tell until left."""
        await self._watch.load()
        work = [
            self._sampler.run(),
            self._watch.run(),
            self._teller.run_commands(),
            self._teller.run_mail(),
            self._prober.run(),
            self._prober.sum_up(),
        ]
        if self._neighbour is not None:
            work.append(self._neighbour.run())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._watch.close()
            self._history.close()
