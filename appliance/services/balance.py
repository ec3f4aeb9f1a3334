"""The balance process: clients of the virtual addresses, spread over the nodes of the pair."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from contextlib import suppress

from appliance.balance.balancer import Balancer
from appliance.balance.checker import Checker
from appliance.balance.checks import check
from appliance.balance.desk import Desk
from appliance.balance.shares import Shares
from appliance.config.balance import BalanceSettings, ServerSettings
from appliance.config.shares import TABLE as SHARES
from appliance.ipc.balance import SERVER_CODEC
from appliance.ipc.server import serve as serve_ipc
from appliance.ipc.standing import StandingWatch
from appliance.monitor.events import Event
from appliance.pools.algorithms import (
    Algorithm,
    LeastConnections,
    Pool,
    RoundRobin,
    Server,
    Weighted,
)
from appliance.services.clock import monotonic
from appliance.services.departures import Departures
from appliance.services.moving import Follower, listen
from appliance.services.process import Context
from appliance.services.site import following


async def serve(context: Context) -> None:
    """Run until told to stop; raises OSError if an address cannot be listened on."""
    node = context.node
    settings = node.balance
    if settings is None:
        raise RuntimeError("node.toml has no [balance]")
    _allow_many_connections()
    own = settings.own(node.smtp.proxied)
    source, emit = own.address.host, context.emit
    pool = _pool(settings, own)

    async def look(server: ServerSettings) -> None:
        await check(server, source)

    checker = Checker(settings.servers, settings.checks, pool, look, emit, monotonic)
    balancer = Balancer(settings, pool, source, emit, checker.failed)
    shares = Shares(settings.servers, str(own.name), pool, emit)
    shares.heed(context.site.registers(SHARES))
    context.site.watch_registers(SHARES, shares.heed)
    desk = Desk(settings.algorithm, own.name, pool, checker, balancer, shares, monotonic)
    moving = await listen(balancer, settings.listeners, node)
    follower = Follower(
        context.layout.failover_socket, balancer, moving, emit, Event.BALANCE_NOT_LISTENING
    )
    socket = await serve_ipc(context.layout.balance_socket, SERVER_CODEC, desk)
    running = asyncio.create_task(_run(checker, balancer, follower, _departing(context, balancer)))
    stopped = asyncio.create_task(context.stop.wait())
    context.ready()
    try:
        async with following(context.layout.mail_socket, context.site):
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


def _departing(context: Context, balancer: Balancer) -> StandingWatch | None:
    """Sees clients off; None where no address moves."""
    failover = context.node.failover
    if failover is None:
        return None
    departures = Departures(balancer, cuts=failover.binder == "netlink")
    return StandingWatch(context.layout.failover_socket, departures.became)


async def _run(
    checker: Checker, balancer: Balancer, follower: Follower, departing: StandingWatch | None
) -> None:
    async with asyncio.TaskGroup() as tasks:
        if departing is not None:
            tasks.create_task(departing.run())
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
