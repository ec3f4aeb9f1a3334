"""TLS of the mail process: its certificate follows the site, its authority becomes the pair's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from appliance.config.node import SmtpSettings
from appliance.config.units import Endpoint, NumericEndpoint
from appliance.link.identity import Identity
from appliance.mail.reply import Refused
from appliance.monitor.events import Event
from appliance.replica.pair import Mode
from appliance.services.clock import wall
from appliance.services.process import Context
from appliance.smtpd.listener import RELAY, SUBMISSION, SUBMISSIONS, Listener
from appliance.smtpd.proxy import Balancers
from appliance.spool.spool import Spool
from appliance.trust.holdings import TABLE
from appliance.trust.keeper import Keeper, Value
from appliance.trust.names import names_of
from appliance.trust.revocation import REVOKED


class MailTls:
    """Keeps the context that SMTP sessions begin TLS with."""

    def __init__(self, context: Context, identity: Identity, spool: Spool) -> None:
        node, site = context.node, context.site
        self.keeper = Keeper(
            context.layout.keys,
            lambda: names_of(node, site.current),
            lambda: site.current.domains[0],
            wall,
            context.emit,
        )
        self._emit = context.emit
        self._spool = spool
        self._offers = identity.peer is not None and not identity.joined
        self._writing: asyncio.Task[None] | None = None
        self._sharing: asyncio.Task[None] | None = None
        self.keeper.heed(site.registers(TABLE))
        site.watch_registers(TABLE, self.keeper.heed)
        site.watch(lambda settings: self.keeper.refresh())

    def look(self) -> None:
        """What time brings about: to be called about once a second."""
        self.keeper.look()
        if self._writing is None and (values := self.keeper.to_revoke()):
            self._writing = asyncio.get_running_loop().create_task(self._revoke(values))
        if self._offers and self._spool.engine.pair.mode is Mode.PAIRED and self._sharing is None:
            value = self.keeper.to_share()
            self._offers = value is not None
            if value is not None:
                self._sharing = asyncio.get_running_loop().create_task(self._share(value))

    async def _revoke(self, values: Sequence[Value]) -> None:
        """Whatever became of the peer: it is about this node's own certificates."""
        with suppress(Refused):  # again in a second
            await self._spool.put_registers(*values, while_alone=True)
            for _, name, _ in values:
                self._emit(Event.TLS_CERTIFICATE_REVOKED, serial=name.removeprefix(REVOKED))
        self._writing = None

    async def _share(self, value: Value) -> None:
        try:
            await self._spool.put_registers(value)
        except Refused:
            pass  # the pair fell apart in between: again when it is paired
        else:
            self._emit(Event.TLS_AUTHORITY_SHARED)
        self._sharing = None


def listeners(smtp: SmtpSettings, chosen: Sequence[NumericEndpoint]) -> Mapping[Endpoint, Listener]:
    """What the `chosen` endpoints are for."""
    purposes = (
        (smtp.listen, RELAY),
        (smtp.submission, SUBMISSION),
        (smtp.submissions, SUBMISSIONS),
    )
    return {one: listener for found, listener in purposes for one in found if one in chosen}


def proxied_listeners(smtp: SmtpSettings) -> Mapping[Endpoint, Listener]:
    """What the endpoints for balancers are for: those two things at once."""
    balancers = Balancers(tuple(one.network for one in smtp.proxy_networks))
    purposes = (
        (smtp.proxy_listen, RELAY),
        (smtp.proxy_submission, SUBMISSION),
        (smtp.proxy_submissions, SUBMISSIONS),
    )
    return {
        one: replace(listener, balancers=balancers) for found, listener in purposes for one in found
    }
