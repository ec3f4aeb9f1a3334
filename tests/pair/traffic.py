"""Mail through a pair: senders that survive what happens to the nodes, and the sink as oracle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from tests.bench.load import Client, Load, Run
from tests.bench.sink import Sink, SinkSession

_AGAIN = 0.05
"""Seconds until a sender whose node refused or lost it connects again."""


class NextHop:
    """The sink in this process: `sink.seen` counts how often each token came."""

    def __init__(self, host: str) -> None:
        self.sink = Sink()
        self._host, self._port = host, 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{self._host}:{self._port}"

    async def up(self) -> None:
        """Listen; after `down` on the same port again."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def down(self) -> None:
        """Refuse connections, and end those there are."""
        assert self._server
        self._server.close()
        for transport in list(self._open):
            transport.abort()

    def _session(self) -> SinkSession:
        return _Session(self.sink, self._open)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.down()

    @property
    def repeated(self) -> int:
        """Deliveries beyond the first of each token."""
        return self.sink.seen.total() - len(self.sink.seen)


class _Session(SinkSession):
    def __init__(self, sink: Sink, transports: set[asyncio.Transport]) -> None:
        super().__init__(sink)
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._transports.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transports.discard(self._transport)


class Flow(Run):
    """Messages to one node until `stop`; one without a 250 is never sent again.

    So each token that comes twice was sent twice by the pair, not by its client.
    """

    def __init__(self, load: Load) -> None:
        super().__init__(load)
        self._stopped = False
        self._moved = asyncio.Event()
        self._senders: Sequence[asyncio.Task[None]] = ()

    @property
    def over(self) -> bool:
        """Whether the test has had enough."""
        return self._stopped

    def took(self, number: int, seconds: float) -> None:
        """Message `number` got its 250."""
        super().took(number, seconds)
        self._moved.set()

    @property
    def tokens(self) -> set[str]:
        """The tokens of everything that got 250."""
        return {self.template.token(number).decode() for number in self.accepted}

    async def accepts(self, more: int, patience: float = 60.0) -> None:
        """Return when so many more messages got 250."""
        goal = len(self.accepted) + more
        async with asyncio.timeout(patience):
            while len(self.accepted) < goal:
                self._moved.clear()
                await self._moved.wait()

    def start(self) -> None:
        """Begin to send."""
        loop = asyncio.get_running_loop()
        self._senders = [loop.create_task(self._send()) for _ in range(self.load.connections)]

    async def stop(self) -> None:
        """Let each connection end its message, then return."""
        self._stopped = True
        await asyncio.gather(*self._senders)

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.over:
            before = self.errors.total()
            try:
                _, client = await loop.create_connection(lambda: Client(self), *self.load.to)
                await client.closed
            except OSError:
                self.errors["connection refused"] += 1
            if self.errors.total() > before and not self.over:
                await asyncio.sleep(_AGAIN)


class Flows:
    """A flow to each node of a pair; stopped at the end whatever happens."""

    def __init__(self, *flows: Flow) -> None:
        self.flows = flows

    async def __aenter__(self) -> Self:
        for flow in self.flows:
            flow.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """No more mail."""
        await asyncio.gather(*(flow.stop() for flow in self.flows))

    @property
    def tokens(self) -> set[str]:
        """Everything that got 250."""
        return set().union(*(flow.tokens for flow in self.flows))

    @property
    def accepted(self) -> int:
        """How many got 250."""
        return sum(len(flow.accepted) for flow in self.flows)
