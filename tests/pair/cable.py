"""The link between the nodes as a test holds it in its hands: a proxy that can be cut."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Self

from tests.pair.harness import LINK

_BLOCK = 1 << 16


class Cable:
    """A way to each node's link listener; each node is told the other's as its peer's address.

    Cut, it is a network that drops everything: connections stay open, nothing comes through.
    """

    def __init__(self, listen: str, a: str, b: str) -> None:
        """`listen` is an address for the proxy, `a` and `b` are those of the nodes."""
        self.peers = {"a": f"{listen}:{LINK + 1}", "b": f"{listen}:{LINK}"}
        self._listen = listen
        self._ways = {LINK: a, LINK + 1: b}
        self._servers: list[asyncio.Server] = []
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Nothing comes through any more."""
        self._whole.clear()

    def mend(self) -> None:
        """Everything comes through again."""
        self._whole.set()

    async def __aenter__(self) -> Self:
        for port, node in self._ways.items():
            connected = partial(self._connected, node)
            self._servers.append(await asyncio.start_server(connected, self._listen, port))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _connected(
        self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.create_task(self._carry(node, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, node: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Until one end closes; then the other is closed, too."""
        ends = [writer]
        try:
            await self._whole.wait()
            onward, answer = await asyncio.open_connection(node, LINK)
            ends.append(answer)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pipe(reader, answer))
                both.create_task(self._pipe(onward, writer))
        except* OSError:
            pass  # the node is away: so is the cable's end
        finally:
            for end in ends:
                end.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(_BLOCK):
            await self._whole.wait()
            writer.write(block)
            await writer.drain()
        raise ConnectionResetError("one end closed")
