"""site.toml: what both nodes of the pair share: domains, users, routes, limits, policy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from appliance.config.delivery import DeliverySettings
from appliance.config.document import read
from appliance.config.limits import Limits
from appliance.config.units import Endpoint, Hostname, LocalName, Network, Wrong
from appliance.mail.address import canonical, domain_key, parse_address
from appliance.mail.reply import Refused

POSTMASTER = "postmaster"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person with a mailbox.

    Without `mailbox` it has the user's name; without `addresses` it receives for the user's
    name in every domain of the site.
    """

    mailbox: LocalName | None = None
    addresses: tuple[str, ...] | None = None


class RelaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may send to recipients outside the site's domains. Nobody by default."""

    networks: tuple[Network, ...] = ()


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes whose recipient matches the route's key.

    A key is an address "user@example.org", a domain "example.org", everything below one
    ".example.org", or "*" for all the rest. The most exact key decides.
    """

    transport: Literal["smtp", "mailbox", "discard", "hold"]
    next_hop: Endpoint | None = None
    mailbox: LocalName | None = None

    def __post_init__(self) -> None:
        if self.transport == "smtp" and self.next_hop is None:
            raise Wrong(
                'transport "smtp" needs a next hop', 'for example next_hop = "192.0.2.25:25"'
            )
        if self.transport == "mailbox" and self.mailbox is None:
            raise Wrong('transport "mailbox" needs a mailbox', 'for example mailbox = "archive"')
        if self.next_hop is not None and self.transport != "smtp":
            raise Wrong(f'a next hop means nothing to transport "{self.transport}"')
        if self.mailbox is not None and self.transport != "mailbox":
            raise Wrong(f'a mailbox means nothing to transport "{self.transport}"')


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of site.toml. `postmaster` is the mailbox for <postmaster> (RFC 5321 §4.5.1)."""

    domains: tuple[Hostname, ...]
    postmaster: LocalName = LocalName(POSTMASTER)
    users: dict[str, User] = {}
    relay: RelaySettings = RelaySettings()
    routes: dict[str, RouteSettings] = {}
    limits: Limits = Limits()
    delivery: DeliverySettings = DeliverySettings()

    def __post_init__(self) -> None:
        if not self.domains:
            raise Wrong("a site needs a domain", 'for example domains = ["example.org"]')
        self._check_users()
        for key in self.routes:
            _check_route_key(key)

    def _check_users(self) -> None:
        owners: dict[str, str] = {}
        for name, address, _ in self._addresses():
            LocalName.parse(name)
            if domain_key(address) not in self.domains:
                raise Wrong(
                    f"users.{name}: {address!r} is in none of the site's domains",
                    f"an address here ends in {' or '.join('@' + one for one in self.domains)}",
                )
            owner = owners.setdefault(address, name)
            if owner != name:
                raise Wrong(f"users.{name}: {address!r} already belongs to {owner!r}")

    def _addresses(self) -> Iterator[tuple[str, str, LocalName]]:
        """(user, canonical address, mailbox) for every address of every user."""
        for name, user in self.users.items():
            mailbox = user.mailbox or LocalName(name)
            if user.addresses is None:
                for domain in self.domains:
                    yield name, f"{name}@{domain}", mailbox
            else:
                for address in user.addresses:
                    yield name, _address(f"users.{name}", address), mailbox

    def mailboxes(self) -> dict[str, str]:
        """Canonical address → mailbox, postmaster's included ("postmaster" has no domain)."""
        by_address = {POSTMASTER: str(self.postmaster)}
        by_address |= {f"{POSTMASTER}@{domain}": str(self.postmaster) for domain in self.domains}
        by_address |= {address: str(mailbox) for _, address, mailbox in self._addresses()}
        return by_address


def load_site(path: Path) -> SiteSettings:
    """Read and check site.toml; raises ConfigError naming everything that is wrong."""
    return read(path, SiteSettings)


def _address(key: str, text: str) -> str:
    try:
        return canonical(parse_address(text))
    except Refused as error:
        raise Wrong(f"{key}: {text!r}: {error.reply.text}", 'write "user@example.org"') from None


def _check_route_key(key: str) -> None:
    if key == "*":
        return
    if "@" in key:
        _address("routes", key)
        return
    try:
        Hostname.parse(key.removeprefix("."))
    except Wrong as error:
        hint = 'a key is "user@example.org", "example.org", ".example.org" or "*"'
        raise Wrong(f"routes: {error}", hint) from None
