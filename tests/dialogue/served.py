"""A real server on loopback, in a uvloop of its own thread, and a client that reads replies."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import uvloop

from appliance.config.limits import Limits
from appliance.config.units import Endpoint
from appliance.mail.route import NextHop, Routes, Smtp
from appliance.smtpd.events import Event
from appliance.smtpd.guard import Guard
from appliance.smtpd.listener import RELAY, Listener
from appliance.smtpd.policy import Policy
from appliance.smtpd.proxy import Balancers
from appliance.smtpd.server import SmtpServer
from tests.dialogue.intake import MemoryIntake

HOSTNAME = "node.site.test"
NOW = 1_790_000_000_000  # Mon, 21 Sep 2026
PATIENCE = 30.0
"""Seconds until a test that waits for what never comes fails."""


def policy(relay: Sequence[str] = ()) -> Policy:
    """Of a site with the users ann and bob, and one next hop."""
    routes = Routes(
        ["site.test"],
        {"ann@site.test": "ann", "bob@site.test": "bob", "jörg@site.test": "joerg"},
        "postmaster",
        {"elsewhere.test": Smtp((NextHop("127.0.0.9"),))},
    )
    return Policy(routes, [ipaddress.ip_network(network) for network in relay])


class Log:
    """The events of a server; `wait_for` one of them."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, dict[str, object]]] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event, **fields: object) -> None:
        with self._changed:
            self.events.append((event, fields))
            self._changed.notify_all()

    def of(self, event: Event) -> list[dict[str, object]]:
        with self._changed:
            return [fields for kind, fields in self.events if kind is event]

    def wait_for(self, event: Event, count: int = 1) -> list[dict[str, object]]:
        """The events of that kind, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: sum(kind is event for kind, _ in self.events) >= count, PATIENCE
            ), f"no {event}: {self.events}"
        return self.of(event)


class _Anywhere(Endpoint):
    """An endpoint that equals no other: several may want any port."""

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class Served:
    """A started server."""

    def __init__(
        self,
        limits: Limits,
        intake: MemoryIntake,
        relay: Sequence[str],
        balancers: Balancers | None = None,
        listeners: Sequence[Listener] = (RELAY,),
        tls: ssl.SSLContext | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.intake = intake
        self.tls = tls
        self.log = Log()
        if balancers is not None:
            listeners = (*listeners, Listener(balancers=balancers))
        self.server = SmtpServer(
            {_Anywhere("127.0.0.1:0"): listener for listener in listeners},
            hostname=HOSTNAME,
            limits=limits,
            policy=policy(relay),
            intake=intake,
            emit=self.log,
            clock=lambda: NOW,
            tls_context=lambda: self.tls,
            guard=guard,
        )
        self.loop = uvloop.new_event_loop()
        self.loop.set_exception_handler(self._unhandled)
        self.unhandled: list[dict[str, object]] = []
        self._thread = threading.Thread(target=self.loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        self.run(self.server.start)

    def run(self, function: Callable[[], Awaitable[object]]) -> None:
        """Run a coroutine function in the server's loop."""

        async def call() -> None:
            await function()

        asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)

    def configure_policy(self, policy: Policy) -> None:
        """Another table of routes than that of `policy`."""

        async def configure() -> None:
            self.server.configure(Limits(), policy)

        self.run(configure)

    def stop(self, grace: float = 0.0) -> None:
        """Stop the server and its loop; whatever went wrong in there fails the test."""
        self.run(lambda: self.server.stop(grace))
        self.run(lambda: asyncio.sleep(0))  # connection_lost after abort
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()

    def check(self) -> None:
        """No connection, body or error is left over."""
        assert self.server.connections == 0
        assert not self.intake.open_bodies
        assert not self.unhandled

    def client(self, listener: int = 0) -> Client:
        return Client(self.server.addresses[listener])

    def balancer(self) -> Client:
        """A client of the listener that wants a PROXY header."""
        return Client(self.server.addresses[-1])

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.unhandled.append(context)


@contextmanager
def serving(
    limits: Limits | None = None,
    intake: MemoryIntake | None = None,
    relay: Sequence[str] = (),
    balancers: Balancers | None = None,
    listeners: Sequence[Listener] = (RELAY,),
    tls: ssl.SSLContext | None = None,
    guard: Guard | None = None,
) -> Iterator[Served]:
    """A server for the length of a test; nothing may be left over at its end."""
    served = Served(
        limits or Limits(), intake or MemoryIntake(), relay, balancers, listeners, tls, guard
    )
    served.start()
    try:
        yield served
    finally:
        served.stop()
    served.check()


class Client:
    """A socket that reads replies; every wait is bounded."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def reset(self) -> None:
        """Close with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def start_tls(self, context: ssl.SSLContext, name: str = "node.site.test") -> None:
        """The handshake, at once."""
        self._file.close()
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        self._file = self.socket.makefile("rb")

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> str:
        """One line, without its CRLF; "" at the end of the connection."""
        try:
            line = self._file.readline()
        except ConnectionResetError:
            return ""
        assert not line or line.endswith(b"\r\n"), line
        return line.decode()[:-2]

    def reply(self) -> str:
        """One reply, its lines joined by "\\n"; "" at the end of the connection."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        assert lines == [""] or all(re.match(r"[2-5]\d\d[ -]", line) for line in lines), lines
        return "\n".join(lines)

    def ask(self, command: str) -> str:
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def greet(self) -> None:
        """Greeting and EHLO."""
        assert self.reply().startswith("220 ")
        assert self.ask("EHLO client.test").startswith("250-")

    def begin(self, sender: str = "sender@example.org", *recipients: str) -> None:
        """MAIL and RCPT, accepted."""
        assert self.ask(f"MAIL FROM:<{sender}>").startswith("250 ")
        for recipient in recipients or ("ann@site.test",):
            assert self.ask(f"RCPT TO:<{recipient}>").startswith("250 ")

    def data(self, text: bytes) -> str:
        """DATA with `text` as it is to go over the wire, but for the final dot; the reply."""
        assert self.ask("DATA").startswith("354 ")
        self.send(text + b".\r\n")
        return self.reply()
