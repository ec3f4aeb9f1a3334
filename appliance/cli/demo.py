"""`twinpost demo`: a real pair on this machine, some mail through it, and a look at it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.cli.errors import CliError, Exit, config_errors
from appliance.cli.pair_view import pair_text

if TYPE_CHECKING:
    from appliance.config import Layout
    from appliance.config.units import Endpoint
    from appliance.control.schema import Status
    from appliance.services.demo import Member

_REFRESH = 1.0
_START_LIMIT = 60.0
_LOOPBACK = re.compile(r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){2}")
_CLEAR = "\x1b[H\x1b[2J"


@click.command()
@click.option(
    "--data",
    default="demo-data",
    show_default=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where both nodes keep what is theirs; it survives, and starts again.",
)
@click.option("--headless", is_flag=True, help="No screen: print READY when mail can come.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="End by itself after that.")
@click.option(
    "--site",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin with this site.toml; only for a new data directory.",
)
@click.option(
    "--net",
    default="127.0.0",
    show_default=True,
    metavar="A.B.C",
    help="Loopback network to use when the data directory is new.",
)
def command(data: Path, headless: bool, seconds: float | None, site: Path | None, net: str) -> None:
    """Run a pair on loopback: node a 127.0.0.11, node b 127.0.0.12, virtual 127.0.0.10."""
    members = _prepared(data, site, net)
    watched = not headless and sys.stdin.isatty() and sys.stdout.isatty()
    asyncio.run(_Demo(data, members, headless, watched, seconds).run())


def _prepared(data: Path, site: Path | None, net: str) -> Sequence[Member]:
    from appliance.services.demo import HasSite, Taken, check_addresses, prepare

    if not _LOOPBACK.fullmatch(net):
        raise click.UsageError("--net is the first three numbers of a loopback address: 127.1.2")
    try:
        with config_errors():
            members = prepare(data, net, site)
        check_addresses(members)
    except HasSite as error:
        hint = "start it without --site, then `twinpost config import FILE`"
        raise CliError(str(error), hint, Exit.USAGE) from error
    except Taken as error:
        hint = "is another demo running? End it, or the program that listens there, or use --net"
        raise CliError(str(error), hint, Exit.UNAVAILABLE) from error
    except OSError as error:
        hint = "the demo needs the loopback addresses of Linux and a directory it may write"
        raise CliError(str(error), hint, Exit.CANNOT_WRITE) from error
    return members


@dataclass
class _Demo:
    data: Path
    members: Sequence[Member]
    headless: bool
    watched: bool
    seconds: float | None

    async def run(self) -> None:
        from appliance.link.ceremony import PairingFailed
        from appliance.monitor.events import EventLog, LogFile
        from appliance.services.demo import pair, supervisor
        from appliance.services.process import die_with_parent
        from appliance.services.supervise import InUse, locked

        die_with_parent(os.environ, signal.SIGTERM)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            with locked(self.data.absolute() / "lock"):
                await pair(self.members)
                log = LogFile(self.data / "demo.log", os.open(os.devnull, os.O_WRONLY))
                ready = asyncio.Event()
                emit = EventLog(log.write, "demo")
                nodes = supervisor(self.members, self.data / "nodes.json", emit, ready.set)
                running = asyncio.create_task(nodes.run(stop))
                await self._show(stop, ready)
                stop.set()
                self._say("Stopping both nodes …")
                await running
        except InUse as error:
            hint = "end that demo first, or name another directory with --data"
            raise CliError(str(error), hint, Exit.UNAVAILABLE) from error
        except PairingFailed as error:
            raise CliError(str(error), error.hint, Exit.UNAVAILABLE) from error
        self._say(f"Stopped. {self.data} keeps everything; the same command starts it again.")

    async def _show(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        self._say(f"Starting nodes a and b, logs in {self.data}/*/log …")
        if not await _first(stop, ready, _START_LIMIT) or not await self._serving(stop):
            if not stop.is_set():
                hint = f"read {self.data}/a/log/mail.log and {self.data}/b/log/mail.log"
                stop.set()
                self._say(f"The pair did not come up.\n  → {hint}")
            return
        await asyncio.to_thread(_send_some, self._server)
        passwords = await asyncio.to_thread(self._passwords)
        if passwords:
            self._say("\n".join([*passwords, ""]))
        if self.headless:
            click.echo(f"READY {self.data.absolute()} smtp={self._server}")
        elif not self.watched:
            self._say(await self._screen())
        if self.watched:
            with _keys(stop):
                await self._watch(stop)
        else:
            await _wait(stop, self.seconds)

    async def _watch(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds if self.seconds is not None else float("inf")
        while not stop.is_set() and loop.time() < end:
            screen = await self._screen()
            # In cbreak mode a line end only moves down: say the return, too.
            sys.stdout.write(_CLEAR + screen.replace("\n", "\r\n") + "\r\n")
            sys.stdout.flush()
            await _wait(stop, min(_REFRESH, end - loop.time()))

    async def _serving(self, stop: asyncio.Event) -> bool:
        """Wait until both are paired and one has the virtual address; False if told to stop."""
        async with asyncio.timeout(_START_LIMIT):
            while not stop.is_set():
                found = [status for _, status in await self._statuses() if status]
                held = any(one.here for status in found for one in status.virtual)
                if held and [status.mode for status in found] == ["paired", "paired"]:
                    return True
                await _wait(stop, 0.1)
        return False

    async def _screen(self) -> str:
        page = self.members[0].page
        return "\n".join(
            [
                "Twinpost demo: a pair on loopback. q ends it.",
                "",
                pair_text(await self._statuses()),
                "",
                "Mail goes to alice, bob, carol and dave at site.test. Try, in another terminal:",
                f"  twinpost send --server {self._server} --from alice@site.test"
                " --to bob@site.test FILE",
                f"  cat {self.data}/passwords    # to send as a user, in TLS: ports 2587 and 2465",
                *([f"  https://{page}    # where users change their password"] if page else []),
                f"  cat {self.data}/operators    # to log in at the console",
                f"  twinpost mailbox list --data {self.data}/b",
                f"  twinpost queue list --data {self.data}/a",
                f"  twinpost switchover --data {self.data}/a    # from b, if b has the address",
                f"  kill -9 $(head -1 {self.data}/a/lock)    # node a dies, and comes back",
            ]
        )

    async def _statuses(self) -> Sequence[tuple[str, Status | None]]:
        return await asyncio.gather(
            *(asyncio.to_thread(_status, member.layout) for member in self.members)
        )

    def _passwords(self) -> Sequence[str]:
        """Passwords of users and operators who had none, in lines."""
        from appliance.cli.demo_passwords import hand_out, hand_out_to_operators
        from appliance.control.client import ApiError, Client, NotRunning

        client = Client(self.members[0].layout.control_socket)
        try:
            users = hand_out(self.data / "passwords", client)
            operators = hand_out_to_operators(self.data / "operators", client)
        except (ApiError, NotRunning, OSError) as error:
            return [f"Some have no password: {error}"]
        return [
            *_passwords("New passwords of users, this once:", users),
            *_passwords("New passwords of operators, for the console:", operators),
        ]

    @property
    def _server(self) -> Endpoint:
        return self.members[0].server

    def _say(self, text: str) -> None:
        click.echo(text, err=self.headless)


def _passwords(title: str, passwords: Mapping[str, str]) -> Sequence[str]:
    lines = [f"  {name:10} {password}" for name, password in sorted(passwords.items())]
    return [title, *lines] if lines else []


def _status(layout: Layout) -> tuple[str, Status | None]:
    from appliance.control.client import ApiError, Client, NotRunning

    try:
        return layout.data.name, Client(layout.control_socket, timeout=5.0).status()
    except (ApiError, NotRunning):
        return layout.data.name, None


def _send_some(server: Endpoint) -> None:
    """A few messages to each other, by SMTP like anybody else's."""
    from appliance.cli.sender import Mail, Pool

    people = [f"{name}@site.test" for name in ("alice", "bob", "carol", "dave")]
    mails = [
        Mail(
            sender,
            tuple(one for one in people if one != sender),
            f"From: {sender}\r\nTo: all of us:;\r\nSubject: Hello from {sender}\r\n\r\n"
            "This message was on both nodes before it got its 250.\r\n".encode(),
        )
        for sender in people
    ]
    with Pool(server.host, server.port, 2, 30.0) as pool:
        for sent in pool.send(mails):
            if not sent.taken:
                click.echo(f"the demo's own mail was not taken: {sent.code} {sent.text}", err=True)


async def _first(stop: asyncio.Event, ready: asyncio.Event, limit: float) -> bool:
    """Wait for either; True if it was `ready`."""
    waiting = [asyncio.create_task(one.wait()) for one in (stop, ready)]
    await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return ready.is_set() and not stop.is_set()


async def _wait(stop: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


@contextmanager
def _keys(stop: asyncio.Event) -> Iterator[None]:
    """q ends the demo, without Enter."""
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed() -> None:
        if os.read(descriptor, 64).lower().startswith((b"q", b"\x04")):
            stop.set()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
