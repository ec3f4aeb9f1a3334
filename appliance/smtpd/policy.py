"""Who may send to whom: the decision at RCPT TO."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from appliance.config.units import IpNetwork
from appliance.mail.aliases import Aliases
from appliance.mail.envelope import Recipient
from appliance.mail.reply import Reply
from appliance.mail.route import Bounce, Routes

RELAY_DENIED = Reply(554, "5.7.1", "Relay access denied")
_NO_ALIASES = Aliases({})


class Policy:
    """Relays for `relay_networks` only; takes mail for the site's own recipients from anybody."""

    def __init__(
        self,
        routes: Routes,
        relay_networks: Iterable[IpNetwork] = (),
        aliases: Aliases = _NO_ALIASES,
    ) -> None:
        self._routes = routes
        self._aliases = aliases
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
        §4.5.1). An alias is the site's own wherever it leads: only the settings can say so.
        """
        if self._aliases.targets(address):
            return None
        if not may_relay and not self._routes.open_to_all(address):
            return RELAY_DENIED
        transport = self._routes.resolve(address).transport
        return transport.reply if isinstance(transport, Bounce) else None

    def size(self, address: str) -> int:
        """How many recipients `address` comes to."""
        return self._aliases.size(address)

    def expand(self, recipients: Iterable[Recipient]) -> tuple[Recipient, ...]:
        """The recipients of a message, with those behind aliases in their place."""
        return self._aliases.expand(recipients)
