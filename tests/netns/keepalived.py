"""Debian's keepalived in the lab, with a next hop behind it that takes and forgets mail.

It shows what the same faults cost a pair that only moves an address: it keeps no mail.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.processes import kill_tree, tree
from tests.netns.contender import INTERVAL, PRIORITIES, SMTP, signal_all
from tests.netns.lab import PREFIX, VIRTUAL, Host, Lab
from tests.pair.harness import until

_SETTINGS = """\
global_defs {{
    router_id {name}
    vrrp_version 3
}}
vrrp_instance lab {{
    interface eth0
    state BACKUP
    nopreempt
    virtual_router_id 51
    priority {priority}
    advert_int {interval}
    virtual_ipaddress {{
        {virtual}/{prefix} dev eth0
    }}
}}
"""


def installed() -> bool:
    """Whether Debian's keepalived is here."""
    return shutil.which("keepalived") is not None


class Keepalived:
    """Both nodes; started by `async with`."""

    name = "keepalived"

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self._folder = folder
        self._routers: dict[str, subprocess.Popen[bytes]] = {}
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        self._orphans: list[int] = []

    async def __aenter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for host in self.lab.nodes:
            self.revive(host)
        await self.whole()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in self.lab.nodes:
            self.kill_node(host)
        signal_all(self._orphans, signal.SIGKILL)

    async def whole(self) -> None:
        """One of the two holds the address."""

        async def one_holds() -> bool:
            return [await self._holds(host) for host in self.lab.nodes].count(True) == 1

        await until(one_holds, "keepalived settles")

    async def _holds(self, host: Host) -> bool:
        return VIRTUAL in host.namespace.run("ip", "-o", "address", "show", "to", VIRTUAL)

    def revive(self, host: Host) -> None:
        """Start what does not run."""
        self._start_server(host)
        router = self._routers.get(host.name)
        if router is None or router.poll() is not None:
            # Killed, it leaves the address behind, perhaps with a process that still speaks
            # for it, and comes back beside them.
            signal_all(self._orphans, signal.SIGKILL)
            self._orphans.clear()
            for written in self._folder.glob(f"{host.name}*.pid"):
                written.unlink()
            self.lab.clear(host)
            self._routers[host.name] = host.namespace.start(
                *("keepalived", "--dont-fork", "--vrrp", "--log-console"),
                *("--use-file", str(self._settings(host))),
                *("--pid", str(self._folder / f"{host.name}.pid")),
                *("--vrrp_pid", str(self._folder / f"{host.name}-vrrp.pid")),
                output=self._folder / f"{host.name}.log",
            )

    def _start_server(self, host: Host) -> None:
        server = self._servers.get(host.name)
        if server is None or server.poll() is not None:
            self._servers[host.name] = subprocess.Popen(
                host.namespace.command(
                    *(sys.executable, "-m", "tests.bench.sink", "--listen", f"0.0.0.0:{SMTP}")
                ),
                stdin=subprocess.PIPE,  # it ends with this process
                stdout=subprocess.DEVNULL,
            )

    def _settings(self, host: Host) -> Path:
        path = self._folder / f"{host.name}.conf"
        path.write_text(
            _SETTINGS.format(
                name=host.name,
                priority=PRIORITIES[host.name],
                interval=INTERVAL,
                virtual=VIRTUAL,
                prefix=PREFIX,
            )
        )
        return path

    def pids(self, host: Host) -> Sequence[int]:
        """Its router's two processes and its server."""
        return [*tree(self._routers[host.name].pid), self._servers[host.name].pid]

    def kill_node(self, host: Host) -> None:
        """All three at once."""
        with self._servers[host.name] as server:  # which closes its pipe, too
            kill_tree(self._routers[host.name].pid, server.pid)
        self._routers[host.name].wait()

    def kill_server(self, host: Host) -> None:
        """Nothing looks after it: the address stays."""
        with self._servers[host.name] as server:
            server.kill()

    def kill_failover(self, host: Host) -> None:
        """The process that speaks VRRP; its parent starts it again."""
        _, vrrp = tree(self._routers[host.name].pid)
        signal_all([vrrp], signal.SIGKILL)

    def kill_guardian(self, host: Host) -> None:
        """The parent; its child mostly ends with it."""
        self._orphans = tree(self._routers[host.name].pid)[1:]
        self._routers[host.name].kill()
        self._routers[host.name].wait()

    async def switch_over(self, host: Host) -> None:
        """It knows no such thing: its users stop it."""
        self._routers[host.name].terminate()
        self._routers[host.name].wait()

    async def restart(self, host: Host) -> None:
        """Only the router: its server keeps nothing that a restart must save."""
        await self.switch_over(host)
        self.revive(host)
        await self.whole()
