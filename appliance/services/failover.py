"""The failover process: the virtual routers, their addresses, and what decides about them.

It depends on nobody: it reads its settings and keys at its start and then no disk any more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from appliance.config.failover import FailoverSettings
from appliance.failover.advertisement import Sender
from appliance.failover.conversation import NONCE, Conversation
from appliance.failover.node import Node
from appliance.failover.parameters import VirtualRouter
from appliance.ipc.failover import SERVER_CODEC
from appliance.ipc.server import serve as serve_ipc
from appliance.link.identity import Identity, KeyStore
from appliance.monitor.events import Event
from appliance.services.clock import boottime
from appliance.services.process import Context
from appliance.vip.addresses import virtual_addresses
from appliance.vip.binder import Binder, BinderFailed, VirtualAddress, Watch
from appliance.vip.desk import Desk
from appliance.vip.driver import Driver
from appliance.vip.health import Check, Health, RouterHealth
from appliance.vip.keeper import Keeper
from appliance.vip.loopback import LoopbackBinder
from appliance.vip.netlink import NetlinkBinder
from appliance.vip.scheduling import hurry
from appliance.vip.track import Tracker
from appliance.vip.watch import InterfaceWatch

_KEY = b"twinpost heartbeat 1"
_NS_PER_MS = 1_000_000
_MS_PER_CENTISECOND = 10


async def serve(context: Context) -> None:
    """Run until told to stop, then give the addresses up in order; raises BinderFailed."""
    settings = context.node.failover
    if settings is None:  # no address moves: nothing to do, and nothing wrong with that
        context.ready()
        await context.stop.wait()
        return
    binder, keeper, desk = _parts(context, settings)
    try:
        await binder.start()
    except BinderFailed as error:
        context.emit(Event.ADDRESS_FAILED, error=str(error), hint=error.hint)
        raise
    async with AsyncExitStack() as ending:
        server = await serve_ipc(context.layout.failover_socket, SERVER_CODEC, desk)
        ending.callback(server.close)
        keeper.start()
        ending.push_async_callback(keeper.stop)
        if settings.binder == "netlink":
            await _watch(settings, keeper, ending)
        tasks = [asyncio.create_task(desk.keep_telling())]
        tasks += [asyncio.create_task(Tracker(one, keeper.check).run()) for one in settings.track]
        ending.push_async_callback(_cancel, tasks)
        for refused in hurry():
            context.emit(Event.NOT_HURRIED, refused=refused)
        context.ready()
        await _until_over(context.stop, keeper.driver.failed, tasks)


def _parts(context: Context, settings: FailoverSettings) -> tuple[Binder, Keeper, Desk]:
    identity = KeyStore(context.layout.keys).identity()
    addresses = virtual_addresses(settings)

    def lost(address: VirtualAddress, error: BinderFailed) -> None:
        for vrid, each in addresses.items():
            if address in each:
                keeper.binder_failed(vrid, error)

    binder = _binder(settings, addresses, context, lost)
    conversation = _conversation(identity)
    driver = Driver(
        _node(settings, identity, conversation), binder, addresses, settings.paths, boottime
    )
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, problem: _end_with(driver.failed, loop, problem)
    )
    health = _health(settings)
    health.maintenance = context.layout.maintenance.exists()
    keeper = Keeper(
        driver,
        health,
        {str(one.name): Check(one.rise, one.fall) for one in settings.track},
        settings.mail_timeout.seconds,
        context.emit,
        _milliseconds,
        lambda: desk.tell(),
    )
    desk = Desk(keeper, conversation.rejected, context.emit, _milliseconds)
    return binder, keeper, desk


def _binder(
    settings: FailoverSettings,
    addresses: Mapping[int, Sequence[VirtualAddress]],
    context: Context,
    lost: Callable[[VirtualAddress, BinderFailed], None],
) -> Binder:
    all_of_them = [one for each in addresses.values() for one in each]
    if settings.binder == "loopback":
        return LoopbackBinder(all_of_them)
    return NetlinkBinder(all_of_them, context.emit, lost)


async def _watch(settings: FailoverSettings, keeper: Keeper, ending: AsyncExitStack) -> None:
    addresses = [one for each in virtual_addresses(settings).values() for one in each]
    watch: Watch = InterfaceWatch(addresses, lambda: keeper.driver.held, keeper)
    await watch.start()
    ending.callback(watch.close)


def _conversation(identity: Identity) -> Conversation:
    """With nobody to talk to, a key that nobody has."""
    if identity.pairing is None or identity.peer is None:
        key, peer = os.urandom(32), bytes(len(identity.node_id))
    else:
        key, peer = identity.pairing.authority.secret(_KEY), identity.peer.node_id
    return Conversation(key, identity.node_id, peer, os.urandom(NONCE))


def _node(settings: FailoverSettings, identity: Identity, conversation: Conversation) -> Node:
    routers = [
        VirtualRouter(
            vrid=router.vrid,
            addresses=tuple(one.address for one in router.addresses),
            priority=router.priority,
            interval=settings.interval // _MS_PER_CENTISECOND,
            preempt=settings.preempt,
        )
        for router in settings.routers
    ]
    sender = Sender(settings.heartbeats[0].address, identity.node_id)
    return Node(routers, sender, conversation, range(1, len(settings.paths) + 1))


def _health(settings: FailoverSettings) -> Health:
    routers = {
        one.vrid: RouterHealth(one.priority, str(one.interface or "")) for one in settings.routers
    }
    return Health(routers, {str(one.name): one.weight for one in settings.track})


def _milliseconds() -> int:
    return boottime() // _NS_PER_MS


def _end_with(
    failed: asyncio.Future[None], loop: asyncio.AbstractEventLoop, problem: dict[str, Any]
) -> None:
    """What nobody had foreseen: a router that missed an input must not hold addresses any longer.

    The peer takes over, and this process starts anew.
    """
    loop.default_exception_handler(problem)
    if not failed.done():
        failed.set_exception(problem.get("exception") or RuntimeError(problem.get("message")))


async def _until_over(
    stop: asyncio.Event, failed: asyncio.Future[None], tasks: Sequence[asyncio.Task[None]]
) -> None:
    """Until told to stop; raises what nobody had foreseen."""
    stopped = asyncio.create_task(stop.wait())
    ends: tuple[asyncio.Future[Any], ...] = (stopped, failed, *tasks)
    try:
        ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    for one in ended:
        one.result()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
