"""A client and a server that can be asked for everything that may go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeAlias

import msgspec

from appliance.ipc.client import Client
from appliance.ipc.frames import ConnectionLost
from appliance.ipc.server import Peer
from appliance.ipc.wire import CallFailed, Codec, Failure

LIMIT = 100_000


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True):
    what: str
    body: bytes = b""


class News(msgspec.Struct, frozen=True, tag=True, array_like=True):
    text: Any


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True):
    what: str
    body: bytes = b""


class Unwanted(msgspec.Struct, frozen=True, tag=True, array_like=True):
    pass


ToServer: TypeAlias = Ask | News
ToClient: TypeAlias = Answer | News | Unwanted
ServerPeer: TypeAlias = Peer[ToClient, ToServer]
AClient: TypeAlias = Client[ToServer, ToClient]


class Recorder:
    """A server whose answers the tests steer: "hold" waits for `release`."""

    def __init__(self) -> None:
        self.peers: list[ServerPeer] = []
        self.news: asyncio.Queue[Any] = asyncio.Queue()
        self.ends: asyncio.Queue[ConnectionLost] = asyncio.Queue()
        self.release = asyncio.Event()
        self.somebody = asyncio.Event()
        self.held = 0
        self.cancelled = asyncio.Event()
        self.turn_away = False

    def connected(self, peer: ServerPeer) -> None:
        self.peers.append(peer)
        self.somebody.set()
        if self.turn_away:
            peer.close()

    def request(
        self, peer: ServerPeer, message: ToServer
    ) -> ToClient | Coroutine[Any, Any, ToClient]:
        assert isinstance(message, Ask)
        if message.what == "hold":
            return self._hold(message)
        if message.what == "refuse":
            raise CallFailed(Failure("full", "no room", hint="remove something"))
        if message.what == "bug":
            raise KeyError("bug")
        if message.what == "large":
            return Answer("large", b"x" * LIMIT)
        if message.what == "unwanted":
            return Unwanted()
        if message.what == "give up":
            return self._give_up()
        if message.what == "goodbye":
            peer.close()
            return self._hold(message)
        return Answer(message.what, message.body)

    async def _hold(self, message: Ask) -> Answer:
        self.held += 1
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Answer("held", message.body[:1])

    async def _give_up(self) -> Answer:
        raise asyncio.CancelledError

    def pushed(self, peer: ServerPeer, message: ToServer) -> None:
        assert isinstance(message, News)
        self.news.put_nowait(message.text)

    def lost(self, peer: ServerPeer, error: ConnectionLost) -> None:
        self.ends.put_nowait(error)


def client_codec() -> Codec[ToServer, ToClient]:
    return Codec(msgspec.msgpack.Decoder(ToClient))
