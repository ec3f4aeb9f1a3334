"""The peer link: at most one live connection to the peer, made again whenever it is lost.

The node with the lower id dials, the other listens. A dialler has one connection at a time, so
when another one comes up at the listener the one before is dead, whatever its socket says, and
is replaced: neither side ever waits for the other to notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from appliance.config.units import Endpoint
from appliance.ipc.frames import ConnectionLost, Lost
from appliance.link.acceptor import SHUTDOWN, Acceptor, numeric, said
from appliance.link.connection import LinkConnection, Refusal, Timing
from appliance.link.identity import Identity
from appliance.link.tls import link_context

_UNSENT = 128 * 1024


class NotPaired(Exception):
    """A link needs a peer: run `twinpost pair init` and `twinpost pair join` first."""


class LinkHandler(Protocol):
    """Who uses the link; called on the loop's thread, up and down strictly in turn."""

    def on_up(self, connection: LinkConnection) -> None:
        """The peer is there: `connection.send` until `on_down`."""

    def on_frame(self, kind: int, payload: bytes) -> None:
        """A frame of the connection that is up."""

    def on_down(self, error: ConnectionLost) -> None:
        """The connection ended; of what was sent, nobody knows how much arrived."""

    def on_refused(self, refusal: Refusal, detail: str) -> None:
        """A try to connect, by either side, came to nothing. The link goes on trying."""


class PeerLink:
    """Keeps the connection to the peer; `connection` is the live one, None while there is none."""

    def __init__(
        self,
        identity: Identity,
        listen: Endpoint,
        peer: Endpoint,
        handler: LinkHandler,
        random: Callable[[], float],
        *,
        source: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        """`random` draws from [0, 1); `source` is the address to dial from.

        Raises NotPaired, and ValueError for addresses that are not numeric (no DNS is asked).
        """
        if identity.pairing is None or identity.pairing.peer is None:
            raise NotPaired("this node is not paired")
        pairing, pinned = identity.pairing, identity.pairing.peer
        if pinned.public_key == identity.public_key:
            raise NotPaired("both nodes have the same key: was a data directory copied?")
        self.dials = identity.node_id < pinned.node_id
        self.connection: LinkConnection | None = None
        self._context = link_context(
            server=not self.dials,
            certificate=pairing.certificate,
            key=identity.key,
            authority=pairing.authority_certificate,
        )
        self._pinned = pinned.public_key
        here = peer if self.dials else listen
        self._address = numeric(here.host, here.port)
        self._source = numeric(source, 0) if source is not None else None
        self._handler = handler
        self._random = random
        self._timing = timing or Timing()
        self._task: asyncio.Task[None] | None = None
        self._acceptor: Acceptor | None = None

    @property
    def port(self) -> int:
        """The port it listens on, 0 if it does not; `listen` may leave the choice to the system."""
        return self._acceptor.port if self._acceptor is not None else 0

    async def start(self) -> None:
        """Begin to dial or listen; raises OSError if the address can't be listened on."""
        if self.dials:
            self._task = asyncio.create_task(self._dial_for_ever())
        else:
            self._acceptor = Acceptor(self._address, self._open, self._tune)
            self._acceptor.start()

    async def stop(self) -> None:
        """End the connection (`on_down` is called) and all tries."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._acceptor is not None:
            await self._acceptor.stop()
        if self.connection is not None:
            self.connection.close()

    # What a connection reports.

    def came_up(self, connection: LinkConnection) -> None:
        if self.connection is not None:
            self.connection.fail(Lost.REPLACED)
        self.connection = connection
        self._handler.on_up(connection)

    def frame(self, connection: LinkConnection, kind: int, payload: bytes) -> None:
        self._handler.on_frame(kind, payload)

    def went_down(self, connection: LinkConnection, error: ConnectionLost) -> None:
        self.connection = None
        self._handler.on_down(error)

    def refused(self, refusal: Refusal, detail: str) -> None:
        self._handler.on_refused(refusal, detail)

    # Dialling.

    async def _dial_for_ever(self) -> None:
        failures = 0
        while True:
            connection = None
            try:
                connection = await self._dial()
            except Exception as error:  # whatever one try runs into must not end the trying
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "dialling the peer failed", "exception": error}
                )
            if connection is not None:
                try:
                    await connection.ended.wait()
                finally:
                    connection.close()  # this side stops
            failures = 0 if connection is not None and connection.steady else failures + 1
            longest = min(
                self._timing.backoff_most, self._timing.backoff_first * 2 ** min(failures, 16)
            )
            await asyncio.sleep(longest * (0.5 + self._random() / 2))

    async def _dial(self) -> LinkConnection | None:
        family, address = self._address
        with contextlib.ExitStack() as undo:
            sock = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
            try:
                sock.setblocking(False)
                self._tune(sock)
                if self._source is not None:
                    sock.bind(self._source[1])
                async with asyncio.timeout(self._timing.handshake):
                    await asyncio.get_running_loop().sock_connect(sock, address)
            except OSError as error:  # TimeoutError too
                self.refused(Refusal.UNREACHABLE, f"{address[0]}:{address[1]}: {said(error)}")
                return None
            undo.pop_all()
        connection = self._new_connection()
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._context,
                server_hostname="",
                ssl_handshake_timeout=self._timing.handshake,
                ssl_shutdown_timeout=SHUTDOWN,
            )
        except OSError as error:
            self.refused(Refusal.TLS, f"{address[0]}:{address[1]}: {said(error)}")
            return None
        return connection

    # Listening.

    async def _open(self, sock: socket.socket, address: str) -> None:
        connection = self._new_connection()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=self._timing.handshake,
                ssl_shutdown_timeout=SHUTDOWN,
            )
        except OSError as error:
            self.refused(Refusal.TLS, f"{address}: {said(error)}")
            return
        try:
            await connection.settled.wait()
        finally:
            if not connection.up:  # this side stops, or others wait
                connection.close()

    def _new_connection(self) -> LinkConnection:
        return LinkConnection(asyncio.get_running_loop(), self._pinned, self, self._timing)

    def _tune(self, sock: socket.socket) -> None:
        """No delay for small frames; a vanished peer noticed by the kernel too."""
        tcp = socket.IPPROTO_TCP
        patience = 2 * self._timing.heartbeat * self._timing.missed
        sock.setsockopt(tcp, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(tcp, socket.TCP_KEEPIDLE, 2)
        sock.setsockopt(tcp, socket.TCP_KEEPINTVL, 1)
        sock.setsockopt(tcp, socket.TCP_KEEPCNT, 3)
        # Megabytes of bodies in the kernel's buffer would hold the records behind them up.
        sock.setsockopt(tcp, socket.TCP_NOTSENT_LOWAT, _UNSENT)
        sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, int(patience * 1000))
