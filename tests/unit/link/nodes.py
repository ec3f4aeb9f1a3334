"""Nodes, links that record what they hear, and a network between them that can fail."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from appliance.config.units import Endpoint
from appliance.ipc.frames import ConnectionLost
from appliance.link.certificates import Authority
from appliance.link.connection import LinkConnection, Refusal, Timing
from appliance.link.identity import Identity, KeyStore, Pairing, Peer
from appliance.link.tls import link_context
from appliance.link.transport import PeerLink

ANYWHERE = Endpoint("127.0.0.1:0")
QUICK = Timing(backoff_first=0.001, backoff_most=0.01)


class Up(NamedTuple):
    connection: LinkConnection


class Frame(NamedTuple):
    kind: int
    payload: bytes


class Down(NamedTuple):
    error: ConnectionLost


class Refused(NamedTuple):
    refusal: Refusal
    detail: str


class Ear:
    """A link's user that keeps what it hears, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Up | Frame | Down | Refused] = asyncio.Queue()

    def on_up(self, connection: LinkConnection) -> None:
        self.heard.put_nowait(Up(connection))

    def on_frame(self, kind: int, payload: bytes) -> None:
        self.heard.put_nowait(Frame(kind, payload))

    def on_down(self, error: ConnectionLost) -> None:
        self.heard.put_nowait(Down(error))

    def on_refused(self, refusal: Refusal, detail: str) -> None:
        self.heard.put_nowait(Refused(refusal, detail))

    async def up(self) -> LinkConnection:
        """The next connection, whatever was refused before it."""
        event = await self.heard.get()
        while isinstance(event, Refused):
            event = await self.heard.get()
        assert isinstance(event, Up), event
        return event.connection

    async def frame(self) -> Frame:
        event = await self.heard.get()
        assert isinstance(event, Frame), event
        return event

    async def down(self) -> ConnectionLost:
        event = await self.heard.get()
        while isinstance(event, Frame):
            event = await self.heard.get()
        assert isinstance(event, Down), event
        return event.error

    async def refused(self) -> Refused:
        event = await self.heard.get()
        assert isinstance(event, Refused), event
        return event


@dataclass
class Side:
    """One node's link and what it heard."""

    link: PeerLink
    ear: Ear


class Nodes:
    """Makes what a test needs and ends it afterwards."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made = 0
        self._links: list[PeerLink] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.networks: list[Network] = []

    def store(self) -> KeyStore:
        self._made += 1
        directory = self._directory / f"keys{self._made}"
        directory.mkdir(mode=0o700)
        return KeyStore(directory)

    def pair(self) -> tuple[Identity, Identity]:
        """Two nodes paired with each other, the one that dials first."""
        authority = Authority.create()
        stores = sorted((self.store(), self.store()), key=lambda store: store.identity().node_id)
        low, high = stores
        return (
            low.save(pairing(authority, low.identity(), high.identity())),
            high.save(pairing(authority, high.identity(), low.identity())),
        )

    def third(self, authority: Authority, peer: Identity) -> Identity:
        """A node that `authority` certified too and that believes to be paired with `peer`."""
        store = self.store()
        return store.save(pairing(authority, store.identity(), peer))

    async def listening(self, identity: Identity, timing: Timing = QUICK, port: int = 0) -> Side:
        """The side that listens, wherever the system likes."""
        return await self._start(identity, Endpoint(f"127.0.0.1:{port}"), ANYWHERE, timing, None)

    async def dialling(
        self, identity: Identity, port: int, timing: Timing = QUICK, source: str | None = None
    ) -> Side:
        """The side that dials 127.0.0.1:`port`."""
        peer = Endpoint(f"127.0.0.1:{port}")
        return await self._start(identity, ANYWHERE, peer, timing, source)

    async def _start(
        self,
        identity: Identity,
        listen: Endpoint,
        peer: Endpoint,
        timing: Timing,
        source: str | None,
    ) -> Side:
        ear = Ear()
        link = PeerLink(identity, listen, peer, ear, lambda: 0.5, source=source, timing=timing)
        self._links.append(link)
        await link.start()
        return Side(link, ear)

    async def network(self, port: int) -> Network:
        """Something between a dialler and 127.0.0.1:`port` that can fail."""
        network = Network(port)
        await network.start()
        self.networks.append(network)
        return network

    async def raw(
        self, identity: Identity, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A TLS connection made with the keys of `identity`, to say anything over."""
        context = tls(identity, server=False)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=""
        )
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for link in self._links:
            await link.stop()
        for writer in self._writers:
            writer.transport.abort()
        for network in self.networks:
            network.close()
        for _ in range(5):
            await asyncio.sleep(0)


def pairing(authority: Authority, own: Identity, peer: Identity) -> Pairing:
    return Pairing(
        authority.certificate,
        authority.key.pem(),
        authority.issue(own.public_key),
        Peer(peer.public_key, "127.0.0.1:0"),
    )


def tls(identity: Identity, *, server: bool) -> ssl.SSLContext:
    assert identity.pairing is not None
    return link_context(
        server=server,
        certificate=identity.pairing.certificate,
        key=identity.key,
        authority=identity.pairing.authority_certificate,
    )


class Network:
    """Passes bytes between a dialler and a port, until told to lose them or to cut the line."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lines: list[_Line] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._dialled, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def vanish(self) -> None:
        """Lose every byte of the lines there are; new lines work."""
        for line in self._lines:
            line.lossy = True

    def cut(self) -> None:
        """Reset the lines there are; new lines work."""
        for line in self._lines:
            line.abort()
        self._lines.clear()

    def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def _dialled(self) -> _Line:
        line = _Line(self._port)
        self._lines.append(line)
        return line


class _Line(asyncio.Protocol):
    def __init__(self, port: int) -> None:
        self._port = port
        self._near: asyncio.Transport | None = None
        self._far: asyncio.Transport | None = None
        self._early = b""
        self._task: asyncio.Task[None] | None = None
        self.lossy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near = cast(asyncio.Transport, transport)
        self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            self._far, _ = await asyncio.get_running_loop().create_connection(
                lambda: _FarEnd(self), "127.0.0.1", self._port
            )
            self._far.write(self._early)
        except OSError:
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self.lossy:
            return
        if self._far is None:
            self._early += data
        else:
            self._far.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lossy and self._far is not None:
            self._far.close()

    def from_far(self, data: bytes) -> None:
        if not self.lossy and self._near is not None:
            self._near.write(data)

    def far_lost(self) -> None:
        if not self.lossy and self._near is not None:
            self._near.close()

    def abort(self) -> None:
        for transport in (self._near, self._far):
            if transport is not None:
                transport.abort()


class _FarEnd(asyncio.Protocol):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def data_received(self, data: bytes) -> None:
        self._line.from_far(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.far_lost()
