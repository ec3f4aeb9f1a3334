"""Accepting connections from strangers: few at a time, the oldest gives way to the newest."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Address: TypeAlias = tuple[socket.AddressFamily, tuple[Any, ...]]
Serve: TypeAlias = Callable[[socket.socket, str], Coroutine[Any, Any, None]]

SHUTDOWN = 2.0  # seconds to part in order under TLS
_BACKLOG = 16
_MOST = 16
_PAUSE = 0.5


class Acceptor:
    """Listens at an address and runs `serve(socket, peer)` for each connection.

    At most 16 run at a time. Those of an honest peer settle in milliseconds, so the oldest is a
    stranger that says nothing: it is cancelled when another one comes. `port` is the port listened
    on, which the system may have chosen.
    """

    def __init__(
        self, address: Address, serve: Serve, tune: Callable[[socket.socket], None]
    ) -> None:
        """`tune` sets options on the listening socket, which what is accepted inherits."""
        self._address = address
        self._serve = serve
        self._tune = tune
        self.port = 0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._serving: dict[asyncio.Task[None], None] = {}

    def start(self) -> None:
        """Begin to listen; raises OSError."""
        family, address = self._address
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._tune(sock)
            sock.bind(address)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
        self._listener = sock
        self.port = int(sock.getsockname()[1])
        self._accepting = asyncio.get_running_loop().create_task(self._accept(sock))
        # Not closed before: the loop still watches its descriptor.
        self._accepting.add_done_callback(lambda _: sock.close())

    def close(self) -> None:
        """Listen no more, and cancel what runs but for the caller's own task."""
        for task in self._tasks():
            task.cancel()

    async def stop(self) -> None:
        """The same, returning when all of it has ended."""
        tasks = self._tasks()
        self.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _tasks(self) -> list[asyncio.Task[None]]:
        tasks = [*self._serving]
        if self._accepting is not None:
            tasks.append(self._accepting)
        return [task for task in tasks if task is not asyncio.current_task()]

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors or buffers: it may pass
                loop.call_exception_handler({"message": "cannot accept", "exception": error})
                await asyncio.sleep(_PAUSE)
                continue
            if len(self._serving) >= _MOST:
                oldest = next(iter(self._serving))
                del self._serving[oldest]
                oldest.cancel()
            task = loop.create_task(self._serve(sock, f"{address[0]}:{address[1]}"))
            self._serving[task] = None
            task.add_done_callback(lambda done: self._serving.pop(done, None))
            await asyncio.sleep(0)  # a flood of connections must not keep the loop here


def numeric(host: str, port: int) -> Address:
    """Family and socket address of a numeric address; no DNS is asked. Raises ValueError."""
    flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror:
        raise ValueError(f"a numeric address is needed here, not {host!r}") from None
    family, _, _, _, address = found[0]
    return family, address


def said(error: OSError) -> str:
    """What went wrong, also for errors without a text."""
    return str(error) or type(error).__name__
