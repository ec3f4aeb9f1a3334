"""A real pair on loopback: two data directories, two process trees, paired by the real code."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.config import Layout, load_site, open_layout
from appliance.config.units import Endpoint
from appliance.link.code import PairingCode
from appliance.link.identity import KeyStore
from appliance.link.pairing import join, start_pairing
from appliance.monitor.events import Emit
from appliance.services.supervise import Command, Supervisor

VIRTUAL = "127.0.0.10"
SMTP, HTTP, LINK, PAIRING = 2525, 2580, 2526, 2527
_NODE_PATIENCE = 90.0

SITE_TOML = """\
# The site of the demo: both nodes have a copy. Change both, or start with --site FILE.
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


class Taken(Exception):
    """An address of the demo is in use."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(f"{endpoint} is taken by another program")


@dataclass(frozen=True)
class Plan:
    """One node of the pair: where it listens, and whether it serves the virtual address."""

    name: str
    address: str
    peer: str
    virtual: bool

    @property
    def smtp(self) -> Sequence[Endpoint]:
        """Its SMTP listeners."""
        hosts = [self.address, VIRTUAL] if self.virtual else [self.address]
        return [Endpoint(f"{host}:{SMTP}") for host in hosts]

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """All its listeners, those of pairing included."""
        return [*self.smtp, *(Endpoint(f"{self.address}:{port}") for port in (HTTP, LINK, PAIRING))]

    def node_toml(self) -> str:
        """Its settings."""
        listen = ", ".join(f'"{endpoint}"' for endpoint in self.smtp)
        return f"""\
# Written by `twinpost demo`; change it as you like, it is kept.
name = "{self.name}"
hostname = "{self.name}.site.test"

[smtp]
listen = [{listen}]

[http]
listen = ["{self.address}:{HTTP}"]
status = ["127.0.0.0/8"]

[link]
listen = "{self.address}:{LINK}"
pairing = "{self.address}:{PAIRING}"
peer = "{self.peer}:{LINK}"

[virtual]
addresses = ["{VIRTUAL}"]
"""


A, B = "127.0.0.11", "127.0.0.12"
PLANS = (Plan("a", A, B, virtual=True), Plan("b", B, A, virtual=False))


def prepare(data: Path, site: Path | None) -> Sequence[Layout]:
    """Write what is missing in the data directories; raises ConfigError, Taken, OSError.

    `site` replaces the site.toml of both nodes.
    """
    if site is not None:
        load_site(site)
    layouts = []
    for plan in PLANS:
        folder = data / plan.name
        folder.mkdir(parents=True, exist_ok=True)
        node_toml, site_toml = folder / "node.toml", folder / "site.toml"
        if not node_toml.exists():
            node_toml.write_text(plan.node_toml())
        if site is not None:
            shutil.copyfile(site, site_toml)
        elif not site_toml.exists():
            site_toml.write_text(SITE_TOML)
        layout, _ = open_layout(folder)
        load_site(layout.site_toml)
        layout.create()
        layouts.append(layout)
    return layouts


def check_addresses() -> None:
    """Raise Taken for the first address that another program listens on."""
    for plan in PLANS:
        for endpoint in plan.endpoints:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((endpoint.host, endpoint.port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                    raise Taken(endpoint) from error


async def pair(layouts: Sequence[Layout]) -> None:
    """Pair the two nodes unless they are; raises PairingFailed, OSError."""
    stores = [KeyStore(layout.keys) for layout in layouts]
    if all(store.identity().peer for store in stores):
        return
    ours, theirs = (open_layout(layout.data)[1].link for layout in layouts)
    inviting = await start_pairing(stores[0], ours.pairing, ours.listen, replacing=True)
    code = PairingCode.parse(inviting.code)
    joined = join(stores[1], code, ours.pairing, theirs.listen, replacing=True)
    await asyncio.gather(inviting.wait(), joined)


def supervisor(data: Path, emit: Emit, on_ready: Callable[[], None]) -> Supervisor:
    """Runs both nodes as `twinpost node` does its services; each has a process tree of its own."""
    return Supervisor(list(_nodes(data)), emit, os.environ, data / "nodes.json", on_ready)


def _nodes(data: Path) -> Iterator[Command]:
    for plan in PLANS:
        folder = data.absolute() / plan.name
        arguments = [sys.executable, "-P", "-m", "appliance.cli", "node", "--data", str(folder)]
        yield Command(plan.name, arguments, folder / "log" / "node.log", _NODE_PATIENCE)
