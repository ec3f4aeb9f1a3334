"""The supervisor with real processes: readiness, restarts, order of ending, no orphans."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.monitor.events import Event
from appliance.services.notify import NOTIFY_SOCKET, WATCHDOG, Notifier, NotifyListener
from appliance.services.supervise import Backoff, Command, InUse, Supervisor, holder, locked

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}

SERVICE = """
import os, signal, sys
from pathlib import Path
from appliance.services.notify import Notifier
from appliance.services.process import die_with_parent
die_with_parent(os.environ)
name, story, manner = sys.argv[1:]
def end(*_):
    if manner == "orderly":
        with open(story, "a") as file:
            file.write(name + " ended\\n")
        sys.exit(0)
signal.signal(signal.SIGTERM, end)
Notifier.from_environment(os.environ).ready()
while True:
    signal.pause()
"""


class Told:
    """Collects events, and lets a test wait for the next one of a kind."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, object]]] = []
        self.queue: asyncio.Queue[tuple[str, dict[str, object]]] = asyncio.Queue()

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.seen.append((event, values))
        self.queue.put_nowait((event, values))

    async def next(self, wanted: Event) -> dict[str, object]:
        while True:
            event, values = await self.queue.get()
            if event == wanted:
                return values


def command(tmp_path: Path, name: str, manner: str = "orderly", patience: float = 60) -> Command:
    arguments = [sys.executable, "-c", SERVICE, name, str(tmp_path / "story"), manner]
    return Command(name, arguments, tmp_path / f"{name}.log", patience)


async def start(
    tmp_path: Path, commands: list[Command]
) -> tuple[Told, asyncio.Event, asyncio.Task[None]]:
    told, stop = Told(), asyncio.Event()
    supervisor = Supervisor(commands, told, ENVIRONMENT, tmp_path / "processes.json")
    task = asyncio.create_task(supervisor.run(stop))
    await told.next(Event.NODE_READY)
    return told, stop, task


async def test_ends_in_the_order_given(tmp_path: Path) -> None:
    _, stop, task = await start(
        tmp_path, [command(tmp_path, name) for name in ("delivery", "mail", "control")]
    )
    stop.set()
    await task
    assert (tmp_path / "story").read_text() == "delivery ended\nmail ended\ncontrol ended\n"
    assert not (tmp_path / "processes.json").exists()


async def test_a_killed_service_is_started_again(tmp_path: Path) -> None:
    told, stop, task = await start(tmp_path, [command(tmp_path, "mail")])
    (pid,) = [values["pid"] for event, values in told.seen if event is Event.SERVICE_READY]
    assert isinstance(pid, int)
    assert f'"pid":{pid}' in (tmp_path / "processes.json").read_text()
    os.kill(pid, signal.SIGKILL)
    assert (await told.next(Event.SERVICE_EXITED))["how"] == "killed by SIGKILL"
    again = await told.next(Event.SERVICE_READY)
    assert again["pid"] != pid
    assert '"restarts":1' in (tmp_path / "processes.json").read_text()
    stop.set()
    await task


class Slow(Supervisor):
    """On a busy machine a service may serve before its supervisor goes on from starting it."""

    heard: asyncio.Event

    def _hear(self, listener: NotifyListener) -> None:
        super()._hear(listener)
        self.heard.set()

    async def _start(self, command: Command) -> asyncio.subprocess.Process:
        process = await super()._start(command)
        await self.heard.wait()
        return process


async def test_a_service_that_is_ready_at_once_is_heard(tmp_path: Path) -> None:
    """Its word was lost: the node never became ready, and systemd killed it in the end."""
    told, stop = Told(), asyncio.Event()
    mail = command(tmp_path, "mail")
    supervisor = Slow([mail], told, ENVIRONMENT, tmp_path / "processes.json")
    supervisor.heard = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    try:
        async with asyncio.timeout(30):
            await told.next(Event.NODE_READY)
        assert '"state":"ready"' in (tmp_path / "processes.json").read_text()
    finally:
        stop.set()
        await task


async def test_a_service_whose_loop_hangs_is_aborted_and_started_again(tmp_path: Path) -> None:
    """The stand-in never says WATCHDOG=1: that is what a hung loop looks like from outside."""
    told, stop = Told(), asyncio.Event()
    hung = replace(command(tmp_path, "mail"), watchdog=0.2)
    supervisor = Supervisor([hung], told, ENVIRONMENT, tmp_path / "processes.json")
    task = asyncio.create_task(supervisor.run(stop))
    ready = await told.next(Event.SERVICE_READY)
    assert (await told.next(Event.SERVICE_HUNG))["pid"] == ready["pid"]
    assert (await told.next(Event.SERVICE_EXITED))["how"] == "killed by SIGABRT"
    assert (await told.next(Event.SERVICE_READY))["pid"] != ready["pid"]
    stop.set()
    await task


async def test_a_service_says_that_it_lives_three_times_as_often_as_it_has_to() -> None:
    listener = NotifyListener()
    environment = {NOTIFY_SOCKET: listener.address, WATCHDOG: "3000000"}
    notifier = Notifier.from_environment(environment)
    assert environment == {}, "processes started later would speak for this one"
    assert notifier.interval == 1.0
    notifier.alive()
    assert listener.receive() == (os.getpid(), {"WATCHDOG": "1"})
    listener.close()
    assert Notifier.from_environment({}).interval is None


async def test_what_a_dead_service_left_is_cleared_before_it_starts_again(tmp_path: Path) -> None:
    told = Told()

    async def clear() -> None:
        told(Event.ADDRESSES_TAKEN_AWAY)

    stop = asyncio.Event()
    failover = replace(command(tmp_path, "failover"), after=clear)
    supervisor = Supervisor([failover], told, ENVIRONMENT, tmp_path / "processes.json")
    task = asyncio.create_task(supervisor.run(stop))
    ready = await told.next(Event.SERVICE_READY)
    assert isinstance(ready["pid"], int)
    os.kill(ready["pid"], signal.SIGKILL)
    await told.next(Event.SERVICE_EXITED)
    await told.next(Event.SERVICE_READY)
    kinds = [event for event, _ in told.seen]
    assert kinds.index(Event.ADDRESSES_TAKEN_AWAY) < kinds.index(Event.SERVICE_EXITED)
    stop.set()
    await task
    assert kinds.count(Event.ADDRESSES_TAKEN_AWAY) == 1
    assert [event for event, _ in told.seen].count(Event.ADDRESSES_TAKEN_AWAY) == 2


async def test_restart_on_demand(tmp_path: Path) -> None:
    """The settings may name other services then, and other addresses to clear away."""
    told, stop = Told(), asyncio.Event()

    def failover(address: str) -> Command:
        async def clear() -> None:
            told(Event.ADDRESSES_TAKEN_AWAY, addresses=address)

        return replace(command(tmp_path, "failover"), after=clear)

    mail, search = command(tmp_path, "mail"), command(tmp_path, "search")
    published = tmp_path / "processes.json"
    supervisor = Supervisor([failover("old"), mail], told, ENVIRONMENT, published)
    task = asyncio.create_task(supervisor.run(stop))
    await told.next(Event.NODE_READY)
    supervisor.restart([failover("new"), search])
    ready = {str((await told.next(Event.SERVICE_READY))["service"]) for _ in range(2)}
    assert ready == {"failover", "search"}
    before = [values for event, values in told.seen if event is Event.ADDRESSES_TAKEN_AWAY]
    assert before == [{"addresses": "old"}], "what the first one left, not what the next one holds"
    assert '"restarts":1' not in published.read_text(), "nobody is alarmed by that"
    exits = [values for event, values in told.seen if event is Event.SERVICE_EXITED]
    while not any(one["service"] == "mail" for one in exits):
        exits.append(await told.next(Event.SERVICE_EXITED))
    stop.set()
    await task
    assert told.seen[-3][1] == {"addresses": "new"}
    assert (tmp_path / "story").read_text().splitlines()[2:] == ["failover ended", "search ended"]
    starts = [values["service"] for event, values in told.seen if event is Event.SERVICE_STARTED]
    assert sorted(map(str, starts)) == ["failover", "failover", "mail", "search"]


async def test_a_service_that_is_wanted_again_before_it_has_ended(tmp_path: Path) -> None:
    told, stop = Told(), asyncio.Event()
    mail, search = command(tmp_path, "mail"), command(tmp_path, "search")
    supervisor = Supervisor([mail, search], told, ENVIRONMENT, tmp_path / "processes.json")
    task = asyncio.create_task(supervisor.run(stop))
    await told.next(Event.NODE_READY)
    supervisor.restart([mail])
    supervisor.restart([mail, search])
    assert {(await told.next(Event.SERVICE_READY))["service"] for _ in range(2)} == {
        "mail",
        "search",
    }
    stop.set()
    await task


async def test_a_service_that_will_not_end_is_killed(tmp_path: Path) -> None:
    told, stop, task = await start(tmp_path, [command(tmp_path, "mail", "stubborn", 0.05)])
    stop.set()
    await task
    assert [event for event, _ in told.seen][-2:] == [Event.SERVICE_KILLED, Event.SERVICE_EXITED]


async def test_a_service_that_cannot_start_does_not_stop_the_others(tmp_path: Path) -> None:
    told, stop = Told(), asyncio.Event()
    broken = Command("broken", ["/nonexistent/program"], tmp_path / "broken.log")
    supervisor = Supervisor(
        [broken, command(tmp_path, "mail")], told, ENVIRONMENT, tmp_path / "processes.json"
    )
    task = asyncio.create_task(supervisor.run(stop))
    assert (await told.next(Event.SERVICE_READY))["service"] == "mail"
    stop.set()
    await task
    exits = [values for event, values in told.seen if event is Event.SERVICE_EXITED]
    assert "No such file" in str(exits[0]["how"])


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from appliance.services.supervise import Command, Supervisor
folder = Path(sys.argv[1])
command = Command("mail", sys.argv[2:], folder / "mail.log")
def ready():
    print((folder / "processes.json").read_text(), flush=True)
supervisor = Supervisor(
    [command], lambda *_, **__: None, os.environ, folder / "processes.json", ready
)
asyncio.run(supervisor.run(asyncio.Event()))
"""


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    service = command(tmp_path, "mail", "stubborn").arguments
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path), *service],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as supervisor:
        assert supervisor.stdout is not None
        published = supervisor.stdout.readline()
        descriptor = os.pidfd_open(int(published.split('"pid":')[1].split(",")[0]))
        supervisor.kill()
    ended, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ended


def test_a_data_directory_is_run_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock):
        again = textwrap.dedent("""
            import sys
            from pathlib import Path
            from appliance.services.supervise import InUse, locked
            try:
                with locked(Path(sys.argv[1])):
                    print("locked twice")
            except InUse as error:
                print(error)
        """)
        said = subprocess.run(
            [sys.executable, "-c", again, str(lock)],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert said == f"{tmp_path} is in use by process {os.getpid()}\n"
    with locked(lock):
        pass


def test_a_lock_within_one_process_excludes_too(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert holder(lock) is None
    with locked(lock):
        assert holder(lock) == os.getpid()
        with pytest.raises(InUse), locked(lock):
            pass
    assert holder(lock) is None


def test_backoff_grows_is_bounded_and_starts_anew() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.5) for _ in range(12)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits == sorted(waits)
    assert waits[-1] == Backoff.LONGEST
    assert backoff.after(Backoff.STABLE) == Backoff.FIRST
