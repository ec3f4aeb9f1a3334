"""The delivery process: leases in, transactions with next hops, outcomes back."""

from __future__ import annotations

import asyncio
import random
import secrets
import time

from appliance.config import NodeSettings, SiteSettings
from appliance.config.pauses import TABLE as PAUSES
from appliance.delivery.agent import Agent
from appliance.delivery.desk import Desk, Identity
from appliance.delivery.dispatch import Dispatcher
from appliance.delivery.pauser import Pauser
from appliance.delivery.view import DeliverySocket
from appliance.ipc.delivery import SERVER_CODEC
from appliance.ipc.server import serve as serve_ipc
from appliance.mail.aliases import Aliases
from appliance.services.clock import monotonic, wall
from appliance.services.next_hops import connector
from appliance.services.process import Context
from appliance.services.site import following, own_hops
from appliance.spool.client import WorkClient
from appliance.spool.content import ContentReader

_FENCE_SHARE = 3
"""A lease is good for this part of `adopt_delay` after the spool was heard last: by the time the
peer adopts, nothing can be begun any more."""


async def serve(context: Context) -> None:
    """Run until told to stop; then finish or give back what is in hand."""
    settings, site = context.node, context.site.current
    work = WorkClient(
        context.layout.mail_socket, monotonic, int(settings.pair.adopt_delay) // _FENCE_SHARE
    )
    content = ContentReader(context.layout.spool)
    desk = Desk(
        _identity(settings, site),
        site.retry.value(),
        context.emit,
        time.monotonic,
        wall,
        random.random,
        lambda: secrets.token_hex(12),
    )
    own = own_hops(settings)
    connect = connector(context)
    dispatcher = Dispatcher(
        content,
        site.table(own),
        connect,
        desk,
        site.delivery,
        context.emit,
        time.monotonic,
        random.random,
        site.hop_limits(),
    )
    agent = Agent(work, dispatcher, site.delivery, context.emit)

    def changed(site: SiteSettings) -> None:
        desk.configure(_identity(settings, site), site.retry.value())
        dispatcher.configure(site.table(own), site.delivery, site.hop_limits())
        agent.configure(site.delivery)

    context.site.watch(changed)
    pauser = Pauser(dispatcher, context.emit)
    pauser.heed(context.site.registers(PAUSES))
    context.site.watch_registers(PAUSES, pauser.heed)
    socket = await serve_ipc(
        context.layout.delivery_socket,
        SERVER_CODEC,
        DeliverySocket(dispatcher, connect.handshakes, time.monotonic),
    )
    running = asyncio.create_task(agent.run())
    stopped = asyncio.create_task(context.stop.wait())
    context.ready()
    try:
        async with following(context.layout.mail_socket, context.site):
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
            agent.stop()
            await running
    finally:
        stopped.cancel()
        socket.close()
        work.close()
        content.close()


def _identity(node: NodeSettings, site: SiteSettings) -> Identity:
    aliases = Aliases(site.expansion())
    return Identity(str(node.hostname), f"postmaster@{site.domains[0]}", aliases)
