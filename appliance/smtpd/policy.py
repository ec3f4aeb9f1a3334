"""Who may send to whom: the decision at RCPT TO."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from appliance.config.units import IpNetwork
from appliance.mail.reply import Reply
from appliance.mail.route import Bounce, Routes

RELAY_DENIED = Reply(554, "5.7.1", "Relay access denied")


class Policy:
    """Relays for `relay_networks` only; takes mail for the site's own recipients from anybody."""

    def __init__(self, routes: Routes, relay_networks: Iterable[IpNetwork] = ()) -> None:
        self._routes = routes
        self._relay_networks = tuple(relay_networks)

    def may_relay(self, client: str) -> bool:
        """Whether the IP address `client` may send to other sites."""
        if not self._relay_networks:
            return False
        address = ipaddress.ip_address(client)
        return any(address in network for network in self._relay_networks)

    def refusal(self, address: str, may_relay: bool) -> Reply | None:
        """Why the recipient `address` (a parsed path) is refused, None if it is accepted.

        Postmaster, with or without one of the site's domains, always has a route (RFC 5321
        §4.5.1).
        """
        if not may_relay and not self._routes.open_to_all(address):
            return RELAY_DENIED
        transport = self._routes.resolve(address).transport
        return transport.reply if isinstance(transport, Bounce) else None
