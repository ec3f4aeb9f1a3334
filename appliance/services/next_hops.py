"""How a process of this node connects to next hops: as the site says at the moment."""

from __future__ import annotations

import random
import time

from appliance.config import NodeSettings, SiteSettings
from appliance.delivery.exchangers import Exchangers
from appliance.delivery.lookup import Lookup
from appliance.delivery.resolve import HostsFile
from appliance.delivery.smtp import Connector
from appliance.mail.mx import Itself
from appliance.monitor.events import Event
from appliance.services.process import Context
from appliance.trust.holdings import TABLE, Keys
from appliance.trust.outbound import Outbound


def connector(context: Context) -> Connector:
    """Follows the site of `context`."""
    settings, site = context.node, context.site.current
    lookup = Lookup(site.dns, time.monotonic)
    exchangers = Exchangers(lookup, _itself(settings), random.random)
    trust = Outbound(
        Keys(context.layout.keys), lambda problem: context.emit(Event.TLS_FAILED, reason=problem)
    )
    trust.heed(context.site.registers(TABLE))
    context.site.watch_registers(TABLE, trust.heed)
    made = Connector(
        str(settings.hostname), site.delivery, HostsFile(), exchangers, trust, time.monotonic
    )

    def changed(site: SiteSettings) -> None:
        lookup.configure(site.dns)
        made.configure(site.delivery)

    context.site.watch(changed)
    return made


def _itself(settings: NodeSettings) -> Itself:
    """What an MX record must not name: mail sent there would come back."""
    return Itself(
        frozenset({str(settings.hostname)}),
        frozenset(endpoint.host for endpoint in settings.served),
    )
