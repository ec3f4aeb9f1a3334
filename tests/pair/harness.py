"""A real pair for tests: two data directories, two process trees, paired by the real code.

Each pair has loopback addresses of its own, so tests run side by side. Whatever a test does, the
processes end with it: `async with Cluster(...)` kills them, and they die with the test's process.
Waiting is for states (`until`), never for time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from appliance.config import Layout, open_layout
from appliance.control.client import ApiError, Client, NotRunning
from appliance.control.schema import Status
from appliance.link.code import PairingCode
from appliance.link.identity import KeyStore
from appliance.link.pairing import join, start_pairing
from appliance.monitor.snapshot import Process
from appliance.services.process import SUPERVISOR
from tests.bench.processes import kill_tree, tree

T = TypeVar("T")
SERVICES = ("mail", "delivery", "control")
SMTP, HTTP, LINK, PAIRING = 2525, 2580, 2526, 2527
SUBMISSION, SUBMISSIONS = 2587, 2465
PAGE, PLAIN = 8443, 8480
LEASES = 64
"""The most leases that one delivery process has in hand."""
PATIENCE = 60.0
_LOOK_EVERY = 0.05
_TAIL = 15
_EVERYDAY = ('"sent"', '"returned"', '"link_refused"', '"smtp_accepted"', '"smtp_disconnected"')
_clusters = count()

_NODE = """\
name = "{name}"
hostname = "{name}.site.test"
disk_reserve = "{reserve}"

[smtp]
listen = ["{address}:{smtp}"]
submission = ["{address}:{submission}"]
submissions = ["{address}:{submissions}"]

[http]
listen = ["{address}:{http}"]
status = ["127.0.0.0/8"]

[link]
listen = "{address}:{link}"
pairing = "{address}:{pairing}"
peer = "{peer}"

[paths]
spool = "{spool}"

[search]
enabled = {search}

[pair]
head_delay = "200ms"
solo_grace = "500ms"
no_progress = "3s"
adopt_delay = "{adopt_delay}"
"""

_PAGE = """
[account]
listen = ["{address}:{page}"]
http = ["{address}:{plain}"]
"""

_SITE = """\
domains = ["site.test"]
postmaster = "alice"

[users.alice]
[users.bob]

[relay]
networks = ["{clients}"]

[routes]
"held.test" = {{ transport = "hold" }}
"*" = {{ transport = "smtp", next_hops = ["{hop}"] }}

[retry]
first = ["200ms", "500ms", "1s"]
base = "2s"
longest = "5s"
jitter = 0.1

[delivery]
connections = 20
connections_per_hop = 10
leases = {leases}
leases_per_hop = {leases}
backoff_min = "200ms"
backoff_max = "1s"
"""


class Late(AssertionError):
    """A state did not come about."""


async def until(
    look: Callable[[], Awaitable[T | None]], what: str, patience: float = PATIENCE
) -> T:
    """The first answer of `look` that is neither None nor False; raises Late."""
    try:
        async with asyncio.timeout(patience):
            while True:
                if found := await look():
                    return found
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        raise Late(f"{what}: not within {patience:.0f} s") from None


def addresses(many: int) -> Sequence[str]:
    """Loopback addresses that no other test process uses now."""
    pid = os.getpid()
    first = next(_clusters) % 25 * 10
    return [f"127.{64 + (pid >> 8) % 128}.{pid & 255}.{first + n}" for n in range(1, many + 1)]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a test changes: addresses are host:port; `spools` replaces the spool folders.

    `site` and `node` are more of these files. `search`: nodes keep an index, too. `page`: users can
    change their passwords.
    """

    hop: str
    adopt_delay: str = "6s"
    reserve: str = "1MiB"
    leases: int = LEASES
    clients: str = "127.0.0.0/8"
    site: str = ""
    node: str = ""
    search: bool = False
    page: bool = False
    addresses: Sequence[str] = ()
    spools: dict[str, Path] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)


class Node:
    """One node: its files, and its processes while it runs."""

    services: Sequence[str] = SERVICES

    def __init__(self, name: str, address: str, data: Path) -> None:
        self.name = name
        self.address = address
        self.data = data
        self.checkout: Path | None = None
        """Whose code it runs, if not that of the tests."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def smtp(self) -> tuple[str, int]:
        """Where it takes mail."""
        return self.address, SMTP

    @property
    def link(self) -> str:
        """Where it listens for its peer."""
        return f"{self.address}:{LINK}"

    @property
    def layout(self) -> Layout:
        """Its paths."""
        return open_layout(self.data)[0]

    def write(self, settings: Settings, peer: str) -> None:
        """Write its settings."""
        self.data.mkdir(parents=True)
        node = _NODE.format(
            name=self.name,
            address=self.address,
            smtp=SMTP,
            submission=SUBMISSION,
            submissions=SUBMISSIONS,
            http=HTTP,
            link=LINK,
            pairing=PAIRING,
            peer=settings.peers.get(self.name, peer),
            spool=settings.spools.get(self.name, "spool"),
            reserve=settings.reserve,
            adopt_delay=settings.adopt_delay,
            search=str(settings.search).lower(),
        )
        if settings.page:
            node += _PAGE.format(address=self.address, page=PAGE, plain=PLAIN)
            self.services = (*self.services, "account")
        (self.data / "node.toml").write_text(node + settings.node, encoding="ascii")
        site = (
            _SITE.format(hop=settings.hop, leases=settings.leases, clients=settings.clients)
            + settings.site
        )
        (self.data / "site.toml").write_text(site, encoding="ascii")
        self.layout.create()

    def command(self, *words: str) -> Sequence[str]:
        """A `twinpost` command for this node."""
        return [sys.executable, "-P", "-m", "appliance.cli", *words, "--data", str(self.data)]

    @property
    def environment(self) -> dict[str, str]:
        """For its commands."""
        more = {} if self.checkout is None else {"PYTHONPATH": str(self.checkout)}
        return {**os.environ, **more}

    def start(self) -> None:
        """Start its supervisor; `ready` tells when everything runs."""
        assert self._process is None
        with (self.data / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(
                self.command("node"),
                env={**self.environment, SUPERVISOR: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether its supervisor runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pids(self) -> Sequence[int]:
        """All its processes."""
        return tree(self._process.pid) if self._process else []

    def kill(self) -> None:
        """kill -9 all of it."""
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait()
            self._process = None

    async def stop(self) -> None:
        """End in order, as `systemctl stop` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self._process.wait, PATIENCE)
        self._process = None

    def processes(self) -> dict[str, Process]:
        """Its services as the supervisor sees them."""
        try:
            raw = (self.layout.run / "processes.json").read_bytes()
        except FileNotFoundError:
            return {}
        return {one.name: one for one in msgspec.json.decode(raw, type=list[Process])}

    def service(self, name: str) -> int | None:
        """The process id of a service that is ready, None if it isn't."""
        process = self.processes().get(name)
        return process.pid if process is not None and process.state == "ready" else None

    async def kill_service(self, name: str) -> None:
        """kill -9 one service; the supervisor starts it again."""

        async def running() -> int | None:
            return self.service(name)

        os.kill(await until(running, f"{self.name}: {name} runs"), signal.SIGKILL)

    async def ready(self) -> None:
        """Return when all its services run."""

        async def all_run() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} ended by itself"
            return all(self.service(name) for name in self.services)

        await until(all_run, f"{self.name} is ready")

    async def status(self) -> Status | None:
        """What the control API tells, None while there is nobody to ask."""
        try:
            client = Client(self.layout.control_socket, timeout=10.0)
            return await asyncio.to_thread(client.status)
        except (NotRunning, ApiError):
            return None

    async def sees(
        self, wanted: Callable[[Status], bool], what: str, patience: float = PATIENCE
    ) -> Status:
        """The first status that is as `wanted`; its mail process answers."""

        async def look() -> Status | None:
            status = await self.status()
            return status if status and status.mail and wanted(status) else None

        return await until(look, f"{self.name}: {what}", patience)

    async def is_(self, mode: str, patience: float = PATIENCE) -> Status:
        """Wait for a mode."""
        return await self.sees(lambda status: status.mode == mode, mode, patience)

    async def has_site(self) -> None:
        """Return when site.toml has become the pair's first version."""

        async def look() -> bool:
            client = Client(self.layout.control_socket, timeout=10.0)
            return bool(await asyncio.to_thread(client.site_history))

        await until(look, f"{self.name} has the site")

    def tails(self) -> str:
        """The ends of its logs, for a test that failed."""
        shown = [f"===== node {self.name} ({self.data})"]
        for log in [self.data / "stderr", *sorted((self.data / "log").glob("*.log"))]:
            if log.exists():
                lines = log.read_text(errors="replace").splitlines()
                lines = [line for line in lines if not any(e in line for e in _EVERYDAY)]
                shown += [f"--- {log.name}", *lines[-_TAIL:]]
        return "\n".join(shown)


class Cluster:
    """Two nodes, paired and started by `async with`; killed at its end, logs shown on failure."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        a, b = settings.addresses or addresses(2)
        self.a = Node("a", a, folder / "a")
        self.b = Node("b", b, folder / "b")
        self.nodes = (self.a, self.b)
        self._settings = settings

    async def __aenter__(self) -> Self:
        try:
            self.a.write(self._settings, self.b.link)
            self.b.write(self._settings, self.a.link)
            await self._pair()
            for node in self.nodes:
                node.start()
            await self.paired()
            for node in self.nodes:
                await node.has_site()
        except BaseException:
            self.kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        if error is not None:
            error.add_note("\n".join(node.tails() for node in self.nodes))

    def kill(self) -> None:
        """kill -9 both nodes."""
        for node in self.nodes:
            node.kill()

    async def paired(self, patience: float = PATIENCE) -> None:
        """Return when both nodes run and are paired."""
        for node in self.nodes:
            await node.ready()
        for node in self.nodes:
            await node.is_("paired", patience)

    async def _pair(self) -> None:
        stores = [KeyStore(node.layout.keys) for node in self.nodes]
        ours, theirs = (open_layout(node.data)[1].link for node in self.nodes)
        inviting = await start_pairing(stores[0], ours.pairing, ours.listen)
        joined = join(stores[1], PairingCode.parse(inviting.code), ours.pairing, theirs.listen)
        await asyncio.gather(inviting.wait(), joined)
