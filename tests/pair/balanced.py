"""A pair with a virtual address and a balancer on it, for tests."""

from __future__ import annotations

import asyncio
import re
import smtplib
from email.message import EmailMessage
from email.policy import SMTP as SMTP_LINES
from pathlib import Path

from appliance.control.client import ApiError, Client, NotRunning
from appliance.ipc.balance import BalanceView
from tests.pair.harness import (
    HTTP,
    SERVICES,
    SMTP,
    SUBMISSION,
    SUBMISSIONS,
    Cluster,
    Node,
    Settings,
    until,
)

PROXIED, HEARTBEAT = 2530, 2528
PROXIED_SUBMISSION, PROXIED_SUBMISSIONS = 2531, 2532
_PRIORITIES = {"a": 150, "b": 100}

_SMTP = """\
[smtp]
proxy_listen = ["{address}:{proxied}"]
proxy_submission = ["{address}:{submission}"]
proxy_submissions = ["{address}:{submissions}"]
proxy_networks = {networks}
"""

_BALANCE = """
[failover]
binder = "loopback"

[[failover.paths]]
listen = "{address}:{heartbeat}"
peer = "{peer}:{heartbeat}"

[[failover.routers]]
vrid = 1
addresses = ["{virtual}/32"]
priority = {priority}

[balance]
listen = ["{virtual}:{smtp}"]
submission = ["{virtual}:{submission}"]
submissions = ["{virtual}:{submissions}"]
algorithm = "round-robin"
checks = {{ interval = "100ms", timeout = "5s", rise = 1, fall = 2 }}
"""

_SERVER = """
[[balance.servers]]
name = "{name}"
address = "{address}:{proxied}"
submission = "{address}:{submission}"
submissions = "{address}:{submissions}"
check = "{check}"
check_address = "{checked}"
"""


class BalancedNode(Node):
    """One node, with a balancer for both."""

    services = (*SERVICES, "failover", "balance")

    def __init__(
        self, name: str, own: str, peer: str, virtual: str, data: Path, refuses_alone: bool
    ) -> None:
        """`refuses_alone`: it takes no mail without its peer, and the balancers ask /health."""
        super().__init__(name, own, data)
        self._refuses_alone = refuses_alone
        self._addresses = dict(zip("ab", (own, peer) if name == "a" else (peer, own), strict=True))
        self._peer = peer
        self._virtual = virtual

    def write(self, settings: Settings, peer: str) -> None:
        """Write its settings: those of every pair, the virtual address and the balancer."""
        super().write(settings, peer)
        path = self.data / "node.toml"
        both = list(self._addresses.values())
        node = path.read_text(encoding="ascii").replace(
            "[smtp]\n",
            _SMTP.format(
                address=self.address,
                proxied=PROXIED,
                submission=PROXIED_SUBMISSION,
                submissions=PROXIED_SUBMISSIONS,
                networks=both,
            ),
        )
        node += _BALANCE.format(
            address=self.address,
            peer=self._peer,
            virtual=self._virtual,
            heartbeat=HEARTBEAT,
            smtp=SMTP,
            submission=SUBMISSION,
            submissions=SUBMISSIONS,
            priority=_PRIORITIES[self.name],
        )
        check, port = ("http", HTTP) if self._refuses_alone else ("smtp", PROXIED)
        for name, address in self._addresses.items():
            node += _SERVER.format(
                name=name,
                address=address,
                proxied=PROXIED,
                submission=PROXIED_SUBMISSION,
                submissions=PROXIED_SUBMISSIONS,
                check=check,
                checked=f"{address}:{port}",
            )
        if self._refuses_alone:
            node = node.replace("[pair]\n", '[pair]\non_peer_loss = "refuse"\n')
        path.write_text(node, encoding="ascii")

    async def balance(self) -> BalanceView | None:
        """How its balancer is, None while there is nobody to ask."""
        return await balance_of(self)

    async def balances(self, *states: str) -> bool:
        """Whether it takes clients, and has found its servers a and b in such states."""
        view = await self.balance()
        if view is None or not view.listening:
            return False
        checked = all(server.checked is not None for server in view.servers)
        return checked and [server.state for server in view.servers] == list(states)


async def balance_of(node: Node) -> BalanceView | None:
    """How the balancer of a node is, None while there is nobody to ask."""
    client = Client(node.layout.control_socket, timeout=10.0)
    try:
        return await asyncio.to_thread(client.balance)
    except (NotRunning, ApiError):
        return None


class Balanced(Cluster):
    """Both nodes; either may have got the virtual address first."""

    a: BalancedNode
    b: BalancedNode

    def __init__(
        self, folder: Path, settings: Settings, virtual: str, *, refuses_alone: bool = False
    ) -> None:
        a, b = settings.addresses
        self.virtual = virtual
        self.a = BalancedNode("a", a, b, virtual, folder / "a", refuses_alone)
        self.b = BalancedNode("b", b, a, virtual, folder / "b", refuses_alone)
        self.nodes = (self.a, self.b)
        self._settings = settings

    async def serving(self, *states: str) -> BalancedNode:
        """The node that takes clients, once it has found servers a and b in such states."""

        async def look() -> BalancedNode | None:
            for node in (self.a, self.b):
                if await node.balances(*states):
                    return node
            return None

        return await until(look, f"a balancer serves, with servers {states}")


def message(subject: str) -> bytes:
    """A message for alice."""
    mail = EmailMessage(SMTP_LINES)
    mail["From"], mail["To"], mail["Subject"] = "x@elsewhere.test", "alice@site.test", subject
    mail.set_content("hello")
    return mail.as_bytes()


async def send(server: str, source: str, subject: str) -> None:
    """One message on a connection of its own, from the address `source`; it gets 250."""

    def deliver() -> None:
        with smtplib.SMTP(server, SMTP, "client.test", 60, (source, 0)) as client:
            client.sendmail("x@elsewhere.test", ["alice@site.test"], message(subject))

    await asyncio.to_thread(deliver)


async def recipient_reply(server: str, source: str, recipient: str) -> tuple[str, str]:
    """The node that greeted, and its reply to RCPT, for a client at `source`."""

    def ask() -> tuple[str, str]:
        with smtplib.SMTP("", 0, "client.test", 60, (source, 0)) as client:
            _, greeting = client.connect(server, SMTP)
            client.ehlo()
            client.mail("x@elsewhere.test")
            code, text = client.rcpt(recipient)
            return greeting.decode().split()[0], f"{code} {text.decode()}"

    return await asyncio.to_thread(ask)


async def traces(node: Node, count: int) -> list[tuple[str, str]]:
    """(client, node) of the Received field of each message to alice, once there are `count`."""

    def read() -> list[bytes]:
        client = Client(node.layout.control_socket)
        entries = [entry for page in client.mailbox("alice") for entry in page.entries]
        return [b"".join(client.content(entry.queue_id)) for entry in entries]

    async def look() -> list[bytes] | None:
        found = await asyncio.to_thread(read)
        return found if len(found) == count else None

    contents = await until(look, f"{count} messages in the mailbox")
    found = [re.search(rb"\(\[(\S+)\]\)\r\n\tby (\S+) ", content) for content in contents]
    return [(match[1].decode(), match[2].decode()) for match in found if match]
