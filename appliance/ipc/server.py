"""The serving side of IPC."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol

import msgspec

from appliance.ipc.frames import ConnectionLost, FrameTooLarge, Lost
from appliance.ipc.socket_file import listening_socket, remove_socket_file
from appliance.ipc.wire import (
    DEFAULT_LIMIT,
    FAILURE,
    PUSH,
    REPLY,
    REQUEST,
    CallFailed,
    Codec,
    Failure,
    MessageProtocol,
    Received,
    Sent,
)

_UCRED = struct.Struct("3i")
_MOST_OPEN = 1024


class Credentials(NamedTuple):
    """Who connected, as the kernel knows it (SO_PEERCRED)."""

    pid: int
    uid: int
    gid: int


class Handler(Protocol[Sent, Received]):
    """What a server does with its connections; called on the loop's thread."""

    def connected(self, peer: Peer[Sent, Received]) -> None:
        """Somebody connected; `peer.close()` turns them away."""

    def request(
        self, peer: Peer[Sent, Received], message: Received
    ) -> Sent | Coroutine[Any, Any, Sent]:
        """Answer a call: at once, or by a coroutine. Raises CallFailed to refuse it.

        The coroutine is cancelled when the connection ends: shield what must not stop half-way.
        """

    def pushed(self, peer: Peer[Sent, Received], message: Received) -> None:
        """A message that wants no answer."""

    def lost(self, peer: Peer[Sent, Received], error: ConnectionLost) -> None:
        """The connection ended."""


class Peer(MessageProtocol[Sent, Received]):
    """One client of a server."""

    def __init__(self, server: Server[Sent, Received], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, server.limit)
        self.codec = server.codec
        self.credentials = Credentials(0, 0, 0)
        self._server = server
        self._handler = server.handler
        self._tasks: set[asyncio.Task[Sent]] = set()
        self._reading = True

    def opened(self) -> None:
        assert self._transport is not None
        sock: socket.socket = self._transport.get_extra_info("socket")
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        self.credentials = Credentials(*_UCRED.unpack(raw))
        if not self._server.listening:  # accepted while the server was closing
            self.close()
            return
        self._server.peers.add(self)
        self._handler.connected(self)

    def lost(self, error: ConnectionLost) -> None:
        if self not in self._server.peers:
            return
        self._server.peers.discard(self)
        for task in self._tasks:
            task.cancel()
        self._handler.lost(self, error)

    def received(self, kind: int, number: int, body: memoryview) -> None:
        if kind == REQUEST:
            self._answer(number, body)
        elif kind == PUSH:
            self._pushed(body, lambda message: self._handler.pushed(self, message))
        else:
            self.fail(Lost.MALFORMED, f"kind {kind} is none that a client sends")

    def _answer(self, number: int, body: memoryview) -> None:
        try:
            message = self.codec.decoder.decode(body)
        except msgspec.MsgspecError as error:
            self._refuse(number, Failure("malformed", str(error), permanent=True))
            return
        try:
            result = self._handler.request(self, message)
            if not isinstance(result, Coroutine):
                self._reply(number, result)
                return
        except Exception as error:  # see _failed
            self._failed(number, error)
            return
        if self._end is not None:  # the handler closed the connection
            result.close()
            return
        task = self._loop.create_task(result)
        self._tasks.add(task)
        task.add_done_callback(partial(self._call_done, number))
        self._gate()

    def _call_done(self, number: int, task: asyncio.Task[Sent]) -> None:
        self._tasks.discard(task)
        self._gate()
        if task.cancelled():
            # By the end of the connection, or by the handler itself: then the caller still waits.
            self._refuse(number, Failure("internal", "the call was cancelled"))
            return
        try:
            self._reply(number, task.result())
        except Exception as error:  # see _failed
            self._failed(number, error)

    def _reply(self, number: int, reply: Sent) -> None:
        if self._end is None:
            self._send(REPLY, number, reply)

    def _failed(self, number: int, error: Exception) -> None:
        """Answer the call that raised: whatever it was, only that one call fails by it."""
        if isinstance(error, CallFailed):
            self._refuse(number, error.failure)
            return
        if isinstance(error, FrameTooLarge):
            self._refuse(number, Failure("too large", str(error), permanent=True))
            return
        self._refuse(number, Failure("internal", f"{type(error).__name__}: {error}"))
        self._loop.call_exception_handler(
            {"message": "an IPC handler failed", "exception": error, "protocol": self}
        )

    def _refuse(self, number: int, failure: Failure) -> None:
        if self._end is None:
            self._send(FAILURE, number, failure)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._gate()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._gate()

    def _gate(self) -> None:
        """Read no more calls while too many are open or their replies are not being read.

        Only servers do this. A client always reads, so the two can't wait for each other.
        """
        wanted = len(self._tasks) < _MOST_OPEN and self._writable.is_set()
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self.resume_reading()
            else:
                self.pause_reading()


class Server(Generic[Sent, Received]):
    """A listening socket file and its connections (`peers`)."""

    def __init__(
        self,
        path: Path,
        codec: Codec[Sent, Received],
        handler: Handler[Sent, Received],
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self.codec = codec
        self.handler = handler
        self.limit = limit
        self.peers: set[Peer[Sent, Received]] = set()
        self._path = path
        self.listening = False
        self._listener: asyncio.Server | None = None
        self._inode = 0

    async def start(self) -> None:
        """Listen; raises SocketInUse, FileExistsError, OSError."""
        loop = asyncio.get_running_loop()
        self.listening = True
        with listening_socket(self._path) as sock:
            self._inode = os.lstat(self._path).st_ino
            self._listener = await loop.create_unix_server(lambda: Peer(self, loop), sock=sock)

    def close(self) -> None:
        """Stop listening, remove the socket file, end every connection."""
        self.listening = False
        if self._listener is not None:
            # In this order: while the socket is open nobody else gets its inode.
            remove_socket_file(self._path, self._inode)
            self._listener.close()
            self._listener = None
        for peer in list(self.peers):
            peer.close()


async def serve(
    path: Path,
    codec: Codec[Sent, Received],
    handler: Handler[Sent, Received],
    *,
    limit: int = DEFAULT_LIMIT,
) -> Server[Sent, Received]:
    """Serve `handler` at `path`; raises SocketInUse, FileExistsError, OSError."""
    server = Server(path, codec, handler, limit)
    await server.start()
    return server
