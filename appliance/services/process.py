"""What every process of a node does first, and how one is run: context, signals, exit codes."""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from appliance.config import Layout, NodeSettings, open_layout
from appliance.monitor.events import EventLog, LogFile, LogThread
from appliance.services.notify import Notifier
from appliance.services.privileges import keep_only
from appliance.services.site import StoredSite, open_site

SUPERVISOR = "TWINPOST_SUPERVISOR"
LOG_FILE = "TWINPOST_LOG"
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Context:
    """What a service is handed: where it lives, its settings, and how it ends.

    `stop` is set on SIGTERM or SIGINT: `serve` then ends in order and returns.
    """

    layout: Layout
    node: NodeSettings
    site: StoredSite
    emit: EventLog
    stop: asyncio.Event
    ready: Callable[[], None]


Serve = Callable[[Context], Awaitable[None]]
"""A service: says `context.ready()` when it serves, returns after `context.stop` is set.

It lets what it cannot handle escape: the process then dies with a traceback in its log and
is started again.
"""


@dataclass(frozen=True)
class Manner:
    """How the process of a service differs from others.

    orphaned: the signal it gets when its supervisor dies. patient_log: its log lines are written
    by a thread, so that the loop never waits for a disk.
    """

    orphaned: int = signal.SIGKILL
    patient_log: bool = False


# Failover gives its addresses up in order when its supervisor has died: killed, it leaves them.
_MANNERS: Mapping[str, Manner] = {"failover": Manner(signal.SIGTERM, patient_log=True)}


def die_with_parent(environment: MutableMapping[str, str], how: int = signal.SIGKILL) -> None:
    """End this process when the one that started it ends, however that ends.

    Without this a killed `twinpost node` would leave writers behind that the next one collides
    with. Only if the parent asked for it: under systemd the unit does the same.
    """
    parent = environment.pop(SUPERVISOR, None)
    if parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != int(parent):  # it died before prctl could take effect
        sys.exit(0)


@contextmanager
def open_log(
    environment: MutableMapping[str, str],
    process: str,
    loop: asyncio.AbstractEventLoop,
    *,
    patient: bool = False,
) -> Iterator[EventLog]:
    """The event log: in the file the supervisor named, else on standard error.

    `patient`: a thread writes it.
    """
    path = environment.pop(LOG_FILE, None)
    write = LogFile(Path(path)).write if path is not None else _to_standard_error
    thread = LogThread(write) if patient else None
    emit = EventLog(thread.write if thread else write, process, later=loop.call_soon)
    try:
        yield emit
    finally:
        emit.flush()
        if thread is not None:
            thread.close()


def _to_standard_error(line: bytes) -> None:
    os.write(2, line)


def run_service(name: str, data: Path, serve: Serve) -> None:
    """Run one service until it is told to stop; raises ConfigError and what `serve` raises."""
    manner = _MANNERS.get(name, Manner())
    die_with_parent(os.environ, manner.orphaned)
    keep_only(name)
    notifier = Notifier.from_environment(os.environ)
    layout, node = open_layout(data)
    site = open_site(layout, node)
    layout.create()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stopping() -> None:
            notifier.stopping()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping)
        with open_log(os.environ, name, loop, patient=manner.patient_log) as emit:
            faulthandler.enable()  # a watchdog's SIGABRT leaves in the log where it hung
            watched = loop.create_task(notifier.say_alive())

            def ready() -> None:
                # What is there by now stays: to look at it again and again stops the loop 60 ms.
                gc.collect()
                gc.freeze()
                notifier.ready()

            try:
                await serve(Context(layout, node, site, emit, stop, ready))
            finally:
                watched.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
