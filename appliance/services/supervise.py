"""`twinpost node`: keeps the services of one node running, and ends them in order.

A service that ends is started again, sooner or later depending on how long it ran: one that
left after a failed fsync comes back at once as a new incarnation, one that cannot start does
not burn the processor. Nothing outlives the supervisor (`process.die_with_parent`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from appliance.monitor.events import Emit, Event
from appliance.services.notify import NOTIFY_SOCKET, WATCHDOG, NotifyListener
from appliance.services.process import LOG_FILE, SUPERVISOR


class InUse(Exception):
    """Another process already runs the node of this data directory."""

    def __init__(self, data: Path, pid: str) -> None:
        super().__init__(f"{data} is in use by process {pid}")
        self.pid = pid


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the data directory's lock; raises InUse. The kernel frees it if we die."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, _ = os.read(descriptor, 32).decode("ascii", "replace").partition("\n")
            raise InUse(lock.parent, pid or "unknown") from None
        # In this order a reader finds a process id in the first line at any moment.
        os.ftruncate(descriptor, os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0))
        yield
    finally:
        os.close(descriptor)


def holder(lock: Path) -> int | None:
    """The process that holds a data directory's lock, None if nobody does."""
    try:
        with locked(lock):
            return None
    except InUse as error:
        return int(error.pid) if error.pid.isdecimal() else None
    except FileNotFoundError:
        return None


class Backoff:
    """How long to wait before a service that ended is started again, in seconds."""

    FIRST = 0.1
    LONGEST = 30.0
    STABLE = 10.0
    """A service that ran for so many seconds is taken for healthy: the next wait is FIRST."""

    def __init__(self) -> None:
        self._next = self.FIRST

    def after(self, lifetime: float) -> float:
        """The wait after a run of `lifetime` seconds; doubles from one short run to the next."""
        if lifetime >= self.STABLE:
            self._next = self.FIRST
        wait = self._next
        self._next = min(wait * 2, self.LONGEST)
        return wait


@dataclass(frozen=True)
class Command:
    """A service to keep running.

    patience: seconds from SIGTERM to SIGKILL. after: what is done as soon as it has ended,
    however it did; it raises nothing. watchdog: after so many seconds without a word from its
    loop it is hung, and is killed to be started again.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    patience: float = 15.0
    after: Callable[[], Awaitable[None]] | None = None
    watchdog: float = 60.0


class ServiceState(msgspec.Struct, kw_only=True):
    """One service as `processes.json` shows it; `state`: starting, ready, stopping or down."""

    name: str
    state: str = "down"
    pid: int | None = None
    restarts: int = 0


@dataclass
class _Child:
    command: Command
    state: ServiceState
    backoff: Backoff = field(default_factory=Backoff)
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = None
    last: bool = False
    """It is not started again."""
    told: bool = False
    """It was told to end: nothing is wrong with it."""
    heard: float = 0.0
    """When it said something last, in the loop's time."""


class Supervisor:
    """Runs `commands` until `stop` is set, then ends them one after the other in that order."""

    def __init__(
        self,
        commands: Sequence[Command],
        emit: Emit,
        environment: Mapping[str, str],
        published: Path,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._children = [_child(one) for one in commands]
        self._emit = emit
        self._environment = environment
        self._published = published
        self._on_ready = on_ready
        self._notify = ""
        self._all_ready = False
        self._stopping = False
        self._early: set[int] = set()
        """Who said READY=1 before it was known here that it had been started."""

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything; return when everything has ended after `stop` was set."""
        loop = asyncio.get_running_loop()
        listener = NotifyListener()
        self._notify = listener.address
        loop.add_reader(listener.fileno(), self._hear, listener)
        try:
            for child in self._children:
                child.task = loop.create_task(self._keep(child))
            watchdog = loop.create_task(self._watch())
            await stop.wait()
            watchdog.cancel()
            self._stopping = True
            for child in tuple(self._children):
                await self._end(child)
        finally:
            loop.remove_reader(listener.fileno())
            listener.close()
            self._published.unlink(missing_ok=True)

    def restart(self, commands: Sequence[Command]) -> None:
        """End every service once; those of `commands` start, with the settings and keys of now."""
        if self._stopping:
            return
        before = {child.command.name: child for child in self._children}
        children = [before.pop(one.name) if one.name in before else _child(one) for one in commands]
        for child, command in zip(children, commands, strict=True):
            child.command, child.last = command, False
            if child.task is None:
                child.task = asyncio.get_running_loop().create_task(self._keep(child))
        for child in before.values():
            child.last = True
        self._children = [*before.values(), *children]
        for child in self._children:
            if child.process is not None:
                child.told = True
                with suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)

    async def _keep(self, child: _Child) -> None:
        loop = asyncio.get_running_loop()
        while self._goes_on(child):
            started = loop.time()
            how = await self._run(child)
            lifetime = loop.time() - started
            self._emit(
                Event.SERVICE_EXITED, service=child.command.name, how=how, ran=round(lifetime, 3)
            )
            self._became(child, "down", None)
            if child.told:
                child.told = False
            elif self._goes_on(child):
                child.state.restarts += 1
                await asyncio.sleep(child.backoff.after(lifetime))
        if child.last:
            self._children.remove(child)
            self._publish()

    def _goes_on(self, child: _Child) -> bool:
        return not (self._stopping or child.last)

    async def _run(self, child: _Child) -> str:
        """One life of the service; returns how it ended."""
        command = child.command  # `after` clears what this life leaves, by the settings it had
        try:
            child.process = await self._start(command)
        except OSError as error:  # no memory, no process, no file: later there may be
            return str(error)
        pid = child.process.pid
        self._became(child, "starting", pid)
        self._emit(Event.SERVICE_STARTED, service=command.name, pid=pid)
        if pid in self._early:
            self._serves(child, pid)
        if child.last or child.command is not command:  # `restart` came while it was started
            child.process.terminate()
        code = await child.process.wait()
        self._early.discard(pid)
        child.process = None
        if command.after is not None:
            await command.after()
        return describe_exit(code)

    async def _start(self, command: Command) -> asyncio.subprocess.Process:
        log = os.open(command.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            return await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                env={
                    **self._environment,
                    NOTIFY_SOCKET: self._notify,
                    WATCHDOG: str(int(command.watchdog * 1e6)),
                    SUPERVISOR: str(os.getpid()),
                    LOG_FILE: str(command.log),
                },
            )
        finally:
            os.close(log)

    async def _watch(self) -> None:
        """Abort what hangs: its traceback lands in its log, and it is started again."""
        loop = asyncio.get_running_loop()
        interval = min(child.command.watchdog for child in self._children) / 4
        looked = loop.time()
        while True:
            await asyncio.sleep(interval)
            now = loop.time()
            # A machine that stood still has kept all of them from speaking.
            slept, looked = now - looked > 2 * interval, now
            for child in self._children:
                if slept:
                    child.heard = now
                elif child.state.state == "ready" and now - child.heard > child.command.watchdog:
                    child.heard = now
                    self._abort(child)

    def _abort(self, child: _Child) -> None:
        if child.process is not None:
            self._emit(Event.SERVICE_HUNG, service=child.command.name, pid=child.process.pid)
            with suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGABRT)

    async def _end(self, child: _Child) -> None:
        """SIGTERM, and SIGKILL if it takes too long."""
        process, task = child.process, child.task
        assert task is not None
        if process is None:
            task.cancel()
        else:
            self._became(child, "stopping", process.pid)
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait([task], timeout=child.command.patience)
            if not done:
                self._emit(Event.SERVICE_KILLED, service=child.command.name, pid=process.pid)
                with suppress(ProcessLookupError):
                    process.kill()
        with suppress(asyncio.CancelledError):
            await task

    def _hear(self, listener: NotifyListener) -> None:
        while (message := listener.receive()) is not None:
            pid, told = message
            child = next((one for one in self._children if one.state.pid == pid), None)
            ready = told.get("READY") == "1"
            if child is None:
                if ready:
                    self._early.add(pid)
            elif ready:
                self._serves(child, pid)
            else:
                child.heard = asyncio.get_running_loop().time()

    def _serves(self, child: _Child, pid: int) -> None:
        child.heard = asyncio.get_running_loop().time()
        self._became(child, "ready", pid)
        self._emit(Event.SERVICE_READY, service=child.command.name, pid=pid)
        if not self._all_ready and all(one.state.state == "ready" for one in self._children):
            self._all_ready = True
            self._emit(Event.NODE_READY)
            self._on_ready()

    def _became(self, child: _Child, state: str, pid: int | None) -> None:
        """Note the state, for `status` and for people with `kill`."""
        child.state.state = state
        child.state.pid = pid
        self._publish()

    def _publish(self) -> None:
        services = msgspec.json.encode([one.state for one in self._children])
        draft = self._published.with_suffix(".new")
        with suppress(OSError):  # a full disk costs this file, not the node
            draft.write_bytes(services)
            draft.replace(self._published)


def _child(command: Command) -> _Child:
    return _Child(command, ServiceState(name=command.name))


def describe_exit(code: int) -> str:
    """An exit code or signal in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
