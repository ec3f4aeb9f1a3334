"""The delivery process: leases in, transactions with next hops, outcomes back."""

from __future__ import annotations

import asyncio
import random
import secrets
import time

from appliance.config import NodeSettings
from appliance.delivery.agent import Agent
from appliance.delivery.desk import Desk, Identity
from appliance.delivery.dispatch import Dispatcher
from appliance.delivery.exchangers import Exchangers
from appliance.delivery.lookup import Lookup
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector
from appliance.mail.mx import Itself
from appliance.mail.route import NextHop
from appliance.services.clock import monotonic, wall
from appliance.services.process import Context
from appliance.spool.client import WorkClient
from appliance.spool.content import ContentReader

_FENCE_SHARE = 3
"""A lease is good for this part of `adopt_delay` after the spool was heard last: by the time the
peer adopts, nothing can be begun any more."""


async def serve(context: Context) -> None:
    """Run until told to stop; then finish or give back what is in hand."""
    settings, site = context.node, context.site
    work = WorkClient(
        context.layout.mail_socket, monotonic, int(settings.pair.adopt_delay) // _FENCE_SHARE
    )
    content = ContentReader(context.layout.spool)
    identity = Identity(str(settings.hostname), f"postmaster@{site.domains[0]}")
    desk = Desk(
        identity,
        site.retry.value(),
        context.emit,
        time.monotonic,
        wall,
        random.random,
        lambda: secrets.token_hex(12),
    )
    own = [NextHop(endpoint.host, endpoint.port) for endpoint in settings.served]
    exchangers = Exchangers(Lookup(site.dns, time.monotonic), _itself(settings), random.random)
    dispatcher = Dispatcher(
        content,
        site.table(own),
        Connector(str(settings.hostname), site.delivery, HostsFile(), exchangers),
        desk,
        site.delivery,
        context.emit,
        time.monotonic,
        random.random,
    )
    agent = Agent(work, dispatcher, site.delivery, context.emit)
    running = asyncio.create_task(agent.run())
    stopped = asyncio.create_task(context.stop.wait())
    context.ready()
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        agent.stop()
        await running
    finally:
        stopped.cancel()
        work.close()
        content.close()


def _itself(settings: NodeSettings) -> Itself:
    """What an MX record must not name: mail sent there would come back."""
    return Itself(
        frozenset({str(settings.hostname)}),
        frozenset(endpoint.host for endpoint in settings.served),
    )
