"""Servers and clients of a balancer, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from appliance.balance.balancer import Balancer
from appliance.config.balance import BalanceSettings, ServerSettings
from appliance.config.units import Duration, LocalName, NumericEndpoint
from appliance.monitor.events import Event
from appliance.pools.algorithms import Pool, Server, Weighted
from appliance.smtpd.proxy import Header, read_header
from tests.support.patience import patiently

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Talk = Callable[[Reader, Writer], Awaitable[None]]
SOURCE = "127.0.0.1"
_LONG = Duration(60_000)


class Log:
    """Events; `seen` waits for one."""

    def __init__(self) -> None:
        self.events: list[tuple[Event, dict[str, object]]] = []
        self._more = asyncio.Event()

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.events.append((event, values))
        self._more.set()

    async def seen(self, event: Event) -> dict[str, object]:
        async def look() -> dict[str, object]:
            while True:
                self._more.clear()
                for kind, values in self.events:
                    if kind is event:
                        return values
                await self._more.wait()

        return await patiently(look())


class Upstream:
    """A server; `headers` are what the balancer told it of its clients."""

    def __init__(self, name: str, talk: Talk, host: str = "127.0.0.1") -> None:
        self.headers: list[Header] = []
        self.host = host
        self._name = name
        self._talk = talk
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._connected, self.host, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def settings(self) -> ServerSettings:
        return server(self._name, self.port, self.host)

    async def _connected(self, reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = await reader.readexactly(16)
            whole = head + await reader.readexactly(int.from_bytes(head[14:16], "big"))
            header = read_header(whole)
            assert header is not None
            self.headers.append(header)
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def echo(reader: Reader, writer: Writer) -> None:
    """Sends back what comes, and ends when that ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def named(name: str) -> Talk:
    """Says its name, then waits for the client to go."""

    async def talk(reader: Reader, writer: Writer) -> None:
        writer.write(name.encode() + b"\r\n")
        await reader.read()

    return talk


def server(
    name: str, port: int, host: str = "127.0.0.1", *, weight: int = 1, limit: int = 1000
) -> ServerSettings:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ServerSettings(
        name=LocalName(name),
        address=NumericEndpoint(address),
        weight=weight,
        limit=limit,
        check="tcp",
    )


def settings(
    *servers: ServerSettings,
    connect_timeout: Duration = _LONG,
    greeting_timeout: Duration = _LONG,
    idle_timeout: Duration = _LONG,
) -> BalanceSettings:
    return BalanceSettings(
        listen=(NumericEndpoint("127.0.0.1:0"),),
        servers=servers,
        connect_timeout=connect_timeout,
        greeting_timeout=greeting_timeout,
        idle_timeout=idle_timeout,
    )


class World:
    """A balancer that runs; `failures` are what it reports of servers."""

    def __init__(self, wanted: BalanceSettings) -> None:
        self.log = Log()
        self.failures: list[tuple[str, str]] = []
        self.pool = Pool(
            [Server(str(one.name), one.weight, one.backup, one.limit) for one in wanted.servers],
            Weighted(),
            str(wanted.servers[0].name),
        )
        self.balancer = Balancer(
            wanted,
            self.pool,
            SOURCE,
            self.log,
            lambda name, error: self.failures.append((name, error)),
        )
        self.wanted = wanted

    @property
    def address(self) -> tuple[str, int]:
        return self.balancer.listening[self.wanted.listen[0]]

    async def connect(self) -> tuple[Reader, Writer]:
        return await patiently(asyncio.open_connection(*self.address))


@asynccontextmanager
async def balancing(wanted: BalanceSettings) -> AsyncIterator[World]:
    """A balancer for the length of a test; nothing may be left over at its end."""
    world = World(wanted)
    for endpoint in wanted.listen:
        await world.balancer.listen(endpoint)
    watching = asyncio.create_task(world.balancer.watch())
    try:
        yield world
    finally:
        await patiently(world.balancer.stop(0.0))
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    assert world.balancer.clients == 0
    assert [server.connections for server in world.pool.servers] == [0] * len(world.pool.servers)
