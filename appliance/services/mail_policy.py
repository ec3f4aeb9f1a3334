"""The policy of the mail process: follows the site, asks next hops about recipients."""

from __future__ import annotations

import time

from appliance.config.site import SiteSettings
from appliance.delivery.callout import Callout
from appliance.services.mail_site import MailSite
from appliance.services.next_hops import connector
from appliance.services.process import Context
from appliance.smtpd.guard import Guard
from appliance.smtpd.verifier import Verifier


class MailPolicy:
    """Keeps the guard of the SMTP server as the site says."""

    def __init__(self, context: Context, site: MailSite) -> None:
        callout = Callout(connector(context), lambda: site.routes, site.aliased)
        self.verifier = Verifier(callout, time.monotonic_ns, context.emit)
        self.guard = Guard(time.monotonic_ns, self.verifier)
        self._hostname = str(context.node.hostname)
        self._site = site
        self._asked_by: object = None
        self._changed(context.site.current)
        context.site.watch(self._changed)

    def _changed(self, settings: SiteSettings) -> None:
        domains = [str(domain) for domain in settings.domains]
        restrictions = settings.policy.restrictions(domains, [self._hostname], self._site.listed)
        self.guard.configure(settings.policy, restrictions, settings.relay.networks)
        verify = settings.policy.verify
        asked_by = verify, settings.routes, settings.pools
        if asked_by != self._asked_by:  # else what next hops said is as good as before
            self._asked_by = asked_by
            self.verifier.configure(verify)
