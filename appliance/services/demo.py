"""A real pair on loopback: two data directories, two process trees, paired by the real code."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.config import Layout, NodeSettings, load_site, open_layout
from appliance.config.units import Endpoint
from appliance.link.code import PairingCode
from appliance.link.identity import KeyStore
from appliance.link.pairing import join, start_pairing
from appliance.monitor.events import Emit
from appliance.services.site import open_site
from appliance.services.supervise import Command, Supervisor

SMTP, HTTP, LINK, PAIRING, HEARTBEAT = 2525, 2580, 2526, 2527, 2528
SUBMISSION, SUBMISSIONS = 2587, 2465
PAGE, PLAIN = 8443, 8480
_NODE_PATIENCE = 90.0

SITE_TOML = """\
# The first version of the demo's site. Later `twinpost config export` and `import` change it.
domains = ["site.test"]
postmaster = "alice"

[users.alice]
[users.bob]
[users.carol]
[users.dave]
addresses = ["dave@site.test", "info@site.test"]

# Everybody on this machine may relay. Without this table nobody may.
[relay]
networks = ["127.0.0.0/8"]

# Where other mail goes: the most exact key decides.
[routes]
"elsewhere.test" = { transport = "discard" }
"held.test" = { transport = "hold" }
"""


class HasSite(Exception):
    """The pair in a data directory has a site: a file does not change it."""

    def __init__(self, data: Path) -> None:
        super().__init__(f"the demo in {data.parent} has a site already")


class Taken(Exception):
    """An address of the demo is in use."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(f"{endpoint} is taken by another program")


@dataclass(frozen=True)
class Plan:
    """One node of the pair: where it listens, and how much it is preferred."""

    name: str
    address: str
    peer: str
    virtual: str
    priority: int

    def listen(self, port: int) -> str:
        """A port of its own address and of the virtual one, as TOML."""
        return ", ".join(f'"{host}:{port}"' for host in (self.address, self.virtual))

    def node_toml(self) -> str:
        """Its settings."""
        return f"""\
# Written by `twinpost demo`; change it as you like, it is kept.
name = "{self.name}"
hostname = "{self.name}.site.test"

[smtp]
listen = [{self.listen(SMTP)}]
submission = [{self.listen(SUBMISSION)}]
submissions = [{self.listen(SUBMISSIONS)}]

[http]
listen = ["{self.address}:{HTTP}"]
status = ["127.0.0.0/8"]

[account]
listen = [{self.listen(PAGE)}]
http = [{self.listen(PLAIN)}]

[link]
listen = "{self.address}:{LINK}"
pairing = "{self.address}:{PAIRING}"
peer = "{self.peer}:{LINK}"

[failover]
binder = "loopback"

[[failover.paths]]
listen = "{self.address}:{HEARTBEAT}"
peer = "{self.peer}:{HEARTBEAT}"

[[failover.routers]]
vrid = 1
addresses = ["{self.virtual}"]
priority = {self.priority}
"""


def plans(network: str) -> Sequence[Plan]:
    """Both nodes on `network`, the first three numbers of loopback addresses."""
    virtual, a, b = (f"{network}.{host}" for host in (10, 11, 12))
    return (
        Plan("a", a, b, virtual, priority=200),
        Plan("b", b, a, virtual, priority=150),
    )


@dataclass(frozen=True)
class Member:
    """One node of the pair as its data directory says."""

    layout: Layout
    settings: NodeSettings

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """All its listeners, that of pairing included."""
        settings = self.settings
        link = (settings.link.listen, settings.link.pairing)
        page = settings.account.endpoints if settings.account is not None else ()
        return [*settings.smtp.endpoints, *settings.http.listen, *page, *link]

    @property
    def page(self) -> Endpoint | None:
        """Where users change their password, at a virtual address if there is one."""
        account = self.settings.account
        if account is None:
            return None
        virtual = [one for one in account.listen if one.address in self.settings.virtual]
        return (virtual or account.listen)[0]

    @property
    def server(self) -> Endpoint:
        """Where clients send: its listener at a virtual address, else its first."""
        return (self.settings.smtp_moving or self.settings.smtp.listen)[0]


def prepare(data: Path, network: str, site: Path | None) -> Sequence[Member]:
    """Write what is missing in the data directories; raises ConfigError and OSError.

    `site` replaces the site.toml of both nodes. Raises HasSite if they have a site already.
    """
    if site is not None:
        load_site(site)
    members = []
    for plan in plans(network):
        folder = data / plan.name
        folder.mkdir(parents=True, exist_ok=True)
        node_toml, site_toml = folder / "node.toml", folder / "site.toml"
        if not node_toml.exists():
            node_toml.write_text(plan.node_toml())
        if site is not None:
            shutil.copyfile(site, site_toml)
        elif not site_toml.exists():
            site_toml.write_text(SITE_TOML)
        member = Member(*open_layout(folder))
        found = open_site(member.layout, member.settings)
        if site is not None and found.state is not None and found.state.head is not None:
            raise HasSite(member.layout.data)
        member.layout.create()
        members.append(member)
    return members


def check_addresses(members: Sequence[Member]) -> None:
    """Raise Taken for the first address that another program listens on."""
    for member in members:
        for endpoint in member.endpoints:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((endpoint.host, endpoint.port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    raise Taken(endpoint) from error


async def pair(members: Sequence[Member]) -> None:
    """Pair the two nodes unless they are; raises PairingFailed, OSError."""
    stores = [KeyStore(member.layout.keys) for member in members]
    if all(store.identity().peer for store in stores):
        return
    ours, theirs = (member.settings.link for member in members)
    inviting = await start_pairing(stores[0], ours.pairing, ours.listen, replacing=True)
    code = PairingCode.parse(inviting.code)
    joined = join(stores[1], code, ours.pairing, theirs.listen, replacing=True)
    await asyncio.gather(inviting.wait(), joined)


def supervisor(
    members: Sequence[Member], published: Path, emit: Emit, on_ready: Callable[[], None]
) -> Supervisor:
    """Runs both nodes as `twinpost node` does its services; each has a process tree of its own."""
    commands = [
        Command(
            str(member.settings.name),
            _arguments(member.layout.data),
            member.layout.log_file("node"),
            _NODE_PATIENCE,
        )
        for member in members
    ]
    return Supervisor(commands, emit, os.environ, published, on_ready)


def _arguments(data: Path) -> Sequence[str]:
    return [sys.executable, "-P", "-m", "appliance.cli", "node", "--data", str(data)]
