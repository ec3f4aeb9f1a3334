"""The calling side of an IPC connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from appliance.ipc.frames import ConnectionLost, Lost
from appliance.ipc.socket_file import connected_socket
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

Reply = TypeVar("Reply")
_FAILURES = msgspec.msgpack.Decoder(Failure)


class Client(MessageProtocol[Sent, Received]):
    """Calls a server: many calls may be under way, replies come in any order.

    When the connection ends every open call fails with ConnectionLost, then `on_lost` is told.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        codec: Codec[Sent, Received],
        on_push: Callable[[Received], None],
        on_lost: Callable[[ConnectionLost], None],
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        super().__init__(loop, limit)
        self.codec = codec
        self._on_push = on_push
        self._on_lost = on_lost
        self._open: dict[int, tuple[type[Any], asyncio.Future[Any]]] = {}
        self._last = 0

    async def request(self, message: Sent, expect: type[Reply]) -> Reply:
        """Call, waiting first while the server reads slowly; the reply is an `expect`.

        Raises CallFailed (the server refused), ConnectionLost (it may or may not have been done)
        and FrameTooLarge. Cancelling only stops the waiting: the server still does it.
        """
        if not self.writable:
            await self.wait_writable()
        return await self.call(message, expect)

    def call(self, message: Sent, expect: type[Reply]) -> asyncio.Future[Reply]:
        """Like `request` without waiting for anything: for many calls in one tick."""
        number = self._last + 1
        self._send(REQUEST, number, message)
        self._last = number
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._open[number] = (expect, future)
        return future

    def received(self, kind: int, number: int, body: memoryview) -> None:
        if kind == PUSH:
            self._pushed(body, self._on_push)
            return
        if kind not in (REPLY, FAILURE) or number not in self._open:
            self.fail(Lost.MALFORMED, f"kind {kind} for call {number}, which is not open")
            return
        try:
            if kind == FAILURE:
                self._refused(number, CallFailed(_FAILURES.decode(body)))
            else:
                self._replied(number, self.codec.decoder.decode(body))
        except msgspec.MsgspecError as error:
            self.fail(Lost.MALFORMED, str(error))

    def _replied(self, number: int, reply: Received) -> None:
        expect, future = self._open[number]
        if not isinstance(reply, expect):
            text = f"expected {expect.__name__}, got {type(reply).__name__}"
            self._refused(number, CallFailed(Failure("malformed", text, permanent=True)))
            return
        del self._open[number]
        if not future.done():  # it is, when the caller was cancelled
            future.set_result(reply)

    def _refused(self, number: int, error: CallFailed) -> None:
        _, future = self._open.pop(number)
        if not future.done():
            future.set_exception(error)

    def lost(self, error: ConnectionLost) -> None:
        waiting, self._open = self._open, {}
        for _, future in waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(error.reason, error.detail))
        self._on_lost(error)


def _ignore(_: object) -> None:
    """For a client that expects no pushes, or watches its calls only."""


async def connect(
    path: Path,
    codec: Codec[Sent, Received],
    *,
    on_push: Callable[[Received], None] = _ignore,
    on_lost: Callable[[ConnectionLost], None] = _ignore,
    limit: int = DEFAULT_LIMIT,
) -> Client[Sent, Received]:
    """Connect to the server that listens at `path`; OSError if there is none."""
    loop = asyncio.get_running_loop()
    client = Client(loop, codec, on_push, on_lost, limit)
    await loop.create_unix_connection(lambda: client, sock=connected_socket(path))
    return client
