"""One node as `twinpost node` runs it: which services, in which order they end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.config import ConfigError, Layout, open_layout
from appliance.config.failover import FailoverSettings
from appliance.config.node import NodeSettings, PathSettings
from appliance.monitor.events import Emit, Event, EventLog, LogFile
from appliance.services.first_boot_state import needed
from appliance.services.left_answers import forget
from appliance.services.notify import Notifier
from appliance.services.process import LOG_FILE, die_with_parent
from appliance.services.site import open_site
from appliance.services.supervise import Command, Supervisor, locked
from appliance.vip.addresses import virtual_addresses
from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.guardian import take_away

# Failover ends first: the peer takes the addresses at once, and mail drains without new clients.
# Then the balancer, whose clients finish while there is a mail process to finish with. Then
# delivery, so that every lease is reported to a mail process that still runs.
ORDER = (
    ("failover", 10.0),
    ("balance", 30.0),
    ("account", 10.0),
    ("delivery", 30.0),
    ("mail", 30.0),
    ("control", 10.0),
    ("search", 10.0),
)
PROCESSES = "processes.json"


def run_node(data: Path, tell: Callable[[str], None]) -> None:
    """Run the node in `data` until SIGTERM or SIGINT; raises ConfigError and InUse.

    `tell` gets the few lines that whoever started it wants to see.

    SIGHUP starts the services anew, as node.toml names them then. Without node.toml it serves the
    setup first.
    """
    die_with_parent(os.environ, signal.SIGTERM)
    if needed(data) and not _set_up(data, tell):
        return
    forget(data)
    layout, node = _read(data)
    if LOG_FILE in os.environ:  # standard error is the log: no place for sentences
        tell = _silent
    notifier = Notifier.from_environment(os.environ)

    def ready() -> None:
        notifier.ready()
        tell(f"Node {node.name} serves SMTP at {', '.join(node.served)}.")

    with locked(layout.lock):
        emit = EventLog(_log(layout).write, "node")
        emit(Event.NODE_STARTED, node=node.name, pid=os.getpid())

        supervisor = Supervisor(
            _commands(layout, node, emit), emit, os.environ, layout.run / PROCESSES, ready
        )

        def anew() -> None:
            try:
                supervisor.restart(_commands(*_read(data), emit))
            except (ConfigError, OSError) as error:  # better the services of before than none
                emit(Event.NODE_SETTINGS_REFUSED, error=str(error))

        tell(f"Node {node.name} starts; its logs are in {layout.log}.")
        asyncio.run(_until_told(supervisor, notifier, anew))
        emit(Event.NODE_STOPPED)
        tell(f"Node {node.name} has stopped.")


def _read(data: Path) -> tuple[Layout, NodeSettings]:
    """Everything services need to start; raises ConfigError."""
    layout, node = open_layout(data)
    open_site(layout, node)
    layout.create()
    return layout, node


def _commands(layout: Layout, node: NodeSettings, emit: Emit) -> Sequence[Command]:
    guardian = _Guardian(node.failover, emit)
    optional = {
        "failover": node.failover,
        "balance": node.balance,
        "account": node.account,
        "search": node.search.enabled or None,
    }
    missing = [name for name, settings in optional.items() if settings is None]
    return [
        Command(
            name,
            _arguments(name, layout.data),
            layout.log_file(name),
            patience,
            guardian.take_away if name == "failover" else None,
        )
        for name, patience in ORDER
        if name not in missing
    ]


def _set_up(data: Path, tell: Callable[[str], None]) -> bool:
    """Serve the setup until there is a node; False if told to stop before."""
    layout = Layout(data, PathSettings())
    layout.create()
    notifier = Notifier.from_environment(dict(os.environ))  # the node speaks there later, too
    done = False
    with locked(layout.lock):
        emit = EventLog(LogFile(layout.log_file("node"), _nowhere()).write, "node")
        stop = asyncio.Event()

        async def look() -> None:
            nonlocal done
            if not needed(data):
                done = True
                stop.set()

        def ready() -> None:
            notifier.ready()
            tell("There is no node here yet: `twinpost console` asks what it has to know.")

        setup = Command("setup", _arguments("setup", data), layout.log_file("setup"), after=look)
        supervisor = Supervisor([setup], emit, os.environ, layout.run / PROCESSES, ready)
        asyncio.run(_until_told(supervisor, notifier, lambda: supervisor.restart([setup]), stop))
    return done


class _Guardian:
    """Takes away what the failover process has left, when it has died."""

    def __init__(self, settings: FailoverSettings | None, emit: Emit) -> None:
        self._addresses: list[VirtualAddress] = []
        if settings is not None and settings.binder == "netlink":
            self._addresses = [one for each in virtual_addresses(settings).values() for one in each]
        self._emit = emit

    async def take_away(self) -> None:
        """Milliseconds; nothing is left when it has ended in order."""
        if not self._addresses:
            return
        try:
            left = await take_away(self._addresses)
        except Exception as error:  # whatever it is: failover must be started again
            hint = error.hint if isinstance(error, BinderFailed) else ""
            self._emit(Event.ADDRESS_FAILED, error=str(error), hint=hint)
            return
        if left:
            self._emit(Event.ADDRESSES_TAKEN_AWAY, addresses=tuple(map(str, left)))


def _silent(text: str) -> None:
    """For nobody."""


def _log(layout: Layout) -> LogFile:
    """The supervisor's own log; its standard error stays what it is, for a person to see."""
    os.environ.pop(LOG_FILE, None)
    return LogFile(layout.log_file("node"), _nowhere())


def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _arguments(service: str, data: Path) -> list[str]:
    # -P: the working directory is no place to import from.
    return [sys.executable, "-P", "-m", "appliance.cli", "service", service, "--data", str(data)]


async def _until_told(
    supervisor: Supervisor,
    notifier: Notifier,
    anew: Callable[[], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Until a signal, or until somebody else sets `stop`; SIGHUP calls `anew`."""
    stop = stop or asyncio.Event()

    def stopping() -> None:
        notifier.stopping()
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, anew)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping)
    watched = loop.create_task(notifier.say_alive())
    try:
        await supervisor.run(stop)
    finally:
        watched.cancel()
