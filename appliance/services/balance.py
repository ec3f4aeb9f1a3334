"""The balance process: clients of the virtual addresses, spread over the nodes of the pair."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from appliance.balance.balancer import Balancer
from appliance.balance.checker import Checker
from appliance.balance.checks import check
from appliance.balance.desk import Desk
from appliance.config.balance import BalanceSettings, ServerSettings
from appliance.config.node import NodeSettings
from appliance.config.units import Endpoint
from appliance.ipc.balance import SERVER_CODEC
from appliance.ipc.failover import Standing
from appliance.ipc.server import serve as serve_ipc
from appliance.ipc.standing import StandingWatch
from appliance.monitor.events import Emit, Event
from appliance.pools.algorithms import (
    Algorithm,
    LeastConnections,
    Pool,
    RoundRobin,
    Server,
    Weighted,
)
from appliance.services.clock import monotonic
from appliance.services.process import Context

_AGAIN = 0.005
"""Seconds: a node that has just given up an address on this machine may still be closing it."""


async def serve(context: Context) -> None:
    """Run until told to stop; raises OSError if an address cannot be listened on."""
    node = context.node
    settings = node.balance
    if settings is None:
        raise RuntimeError("node.toml has no [balance]")
    _allow_many_connections()
    own = settings.own(node.smtp.proxy_listen)
    source, emit = own.address.host, context.emit
    pool = _pool(settings, own)

    async def look(server: ServerSettings) -> None:
        await check(server, source)

    checker = Checker(settings.servers, settings.checks, pool, look, emit, monotonic)
    balancer = Balancer(settings, pool, source, emit, checker.failed)
    desk = Desk(settings.algorithm, own.name, pool, checker, balancer, emit, monotonic)
    moving = await _listen(balancer, node)
    follower = Follower(context.layout.failover_socket, balancer, moving, emit)
    socket = await serve_ipc(context.layout.balance_socket, SERVER_CODEC, desk)
    running = asyncio.create_task(_run(checker, balancer, follower))
    stopped = asyncio.create_task(context.stop.wait())
    context.ready()
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        follower.stop()
        await balancer.stop(settings.stop_timeout.seconds)
    finally:
        stopped.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        socket.close()


async def _run(checker: Checker, balancer: Balancer, follower: Follower) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(checker.run())
        tasks.create_task(balancer.watch())
        tasks.create_task(follower.run())


def _allow_many_connections() -> None:
    """A client costs two descriptors; the usual soft limit is for programs that use select."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _pool(settings: BalanceSettings, own: ServerSettings) -> Pool:
    servers = [Server(str(one.name), one.weight, one.backup, one.limit) for one in settings.servers]
    return Pool(servers, _algorithm(settings, servers), str(own.name))


def _algorithm(settings: BalanceSettings, servers: Sequence[Server]) -> Algorithm:
    match settings.algorithm:
        case "round-robin":
            return RoundRobin(servers)
        case "weighted":
            return Weighted()
        case "least-connections":
            return LeastConnections()


async def _listen(balancer: Balancer, node: NodeSettings) -> Sequence[Endpoint]:
    """Listen wherever it can be done at once; returns the endpoints that come and go.

    A virtual address at an interface is listened on all the time: its clients get here only
    while this node holds it. On loopback it would be anybody's, so there it waits to be held.
    """
    assert node.balance is not None
    moving = []
    for endpoint in node.balance.listen:
        if endpoint.address not in node.virtual or node.failover is None:
            await balancer.listen(endpoint)
        elif node.failover.binder == "netlink":
            await balancer.listen(endpoint, freebind=True)
        else:
            moving.append(endpoint)
    return moving


class Follower:
    """Listens at `moving` only while this node holds their addresses; from `run` to `stop`."""

    def __init__(
        self, path: Path, balancer: Balancer, moving: Sequence[Endpoint], emit: Emit
    ) -> None:
        self._balancer = balancer
        self._moving = tuple(moving)
        self._emit = emit
        self._watch = StandingWatch(path, self._became)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow the failover process, if there is anything that moves."""
        if not self._moving:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            tasks.create_task(self._keep_listening())

    def stop(self) -> None:
        """Open no listener any more."""
        self._moving = ()

    def _became(self, standing: Standing) -> None:
        for endpoint in self._moving:
            self._leave_unless_held(endpoint)
        self._changed.set()

    async def _keep_listening(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            for endpoint in self._moving:
                await self._listen(endpoint)

    async def _listen(self, endpoint: Endpoint) -> None:
        told = False
        while self._is_due(endpoint):
            try:
                await self._balancer.listen(endpoint)
            except OSError as error:
                if not told:
                    self._emit(
                        Event.BALANCE_NOT_LISTENING,
                        address=endpoint.host,
                        port=endpoint.port,
                        error=str(error),
                    )
                told = True
                await asyncio.sleep(_AGAIN)
        self._leave_unless_held(endpoint)  # it may have gone meanwhile

    def _is_due(self, endpoint: Endpoint) -> bool:
        listening = endpoint in self._balancer.listening
        return endpoint in self._moving and self._is_held(endpoint) and not listening

    def _is_held(self, endpoint: Endpoint) -> bool:
        return str(endpoint.address) in self._watch.standing.held

    def _leave_unless_held(self, endpoint: Endpoint) -> None:
        if endpoint in self._balancer.listening and not self._is_held(endpoint):
            self._balancer.unlisten(endpoint)
