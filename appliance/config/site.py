"""site.toml: what both nodes of the pair share: domains, users, routes, limits, policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from appliance.config.aliases import address_of, check_aliases, expansion, right
from appliance.config.delivery import DeliverySettings, DnsSettings
from appliance.config.document import read
from appliance.config.limits import Limits
from appliance.config.policy import PolicySettings
from appliance.config.pools import NextHopSettings, PoolSettings, check_pools, normal_hop
from appliance.config.tls import TlsLevel, check_tls
from appliance.config.units import Duration, Endpoint, Hostname, LocalName, Network, Wrong
from appliance.mail.address import domain_key
from appliance.mail.retry import RetrySchedule
from appliance.mail.route import (
    POSTMASTER,
    USUAL_TLS,
    Discard,
    Hold,
    Mailbox,
    Mx,
    NextHop,
    Pool,
    Routes,
    Smtp,
    Tls,
    Transport,
)

_RETRY = RetrySchedule()


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person with a mailbox.

    Without `mailbox` it has the user's name; without `addresses` it receives for the user's
    name in every domain of the site. One that is `disabled` may not log in nor send as itself;
    its mail still comes in. It sends as its own addresses, and as `may_send_as`: addresses,
    "@example.org" for all of a domain, "*" for all there are.
    """

    mailbox: LocalName | None = None
    addresses: tuple[str, ...] | None = None
    disabled: bool = False
    may_send_as: tuple[str, ...] = ()


class RelaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may send to recipients outside the site's domains: users, and nobody else by default.

    `networks`: clients that may without logging in. `aliases`: whether an alias may lead outside.
    """

    networks: tuple[Network, ...] = ()
    aliases: bool = False


class SubmissionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for users who send. `check_from`: their right to an address in From, too."""

    check_from: bool = False


class RouteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail goes whose recipient matches the route's key.

    A key is an address "user@example.org", a domain "example.org", everything below one
    ".example.org", or "*" for all the rest. The most exact key decides. `next_hops` are in order
    of preference: the first that answers gets the mail. With `mx` DNS is asked for the hosts of
    the recipient's domain instead; no other route asks it anything. `pool` names one of [pools].
    `tls` is how much TLS a next hop must offer; for "verify" its certificate has to be for
    `tls_name`, else for the next hop as it is named here.
    """

    transport: Literal["smtp", "mailbox", "discard", "hold"]
    next_hops: tuple[Endpoint, ...] = ()
    mx: bool = False
    pool: LocalName | None = None
    tls: TlsLevel = "may"
    tls_name: Hostname | None = None
    mailbox: LocalName | None = None

    def __post_init__(self) -> None:
        self._check_tls()
        ways = bool(self.next_hops) + self.mx + (self.pool is not None)
        if self.transport == "smtp" and not ways:
            hint = 'for example next_hops = ["192.0.2.25:25"], or mx = true where there is DNS'
            raise Wrong('transport "smtp" needs a next hop', hint)
        if ways > 1:
            hint = "next hops and pools are used as they are, without DNS"
            raise Wrong("either next_hops or pool or mx", hint)
        if self.pool is not None and self.transport != "smtp":
            raise Wrong(f'a pool means nothing to transport "{self.transport}"')
        if self.mx and self.transport != "smtp":
            raise Wrong(f'mx means nothing to transport "{self.transport}"')
        if self.transport == "mailbox" and self.mailbox is None:
            raise Wrong('transport "mailbox" needs a mailbox', 'for example mailbox = "archive"')
        if self.next_hops and self.transport != "smtp":
            raise Wrong(f'next hops mean nothing to transport "{self.transport}"')
        if self.mailbox is not None and self.transport != "mailbox":
            raise Wrong(f'a mailbox means nothing to transport "{self.transport}"')

    def value(self, pools: Mapping[str, Pool]) -> Transport:
        """The same as the mail rules know it; raises Wrong."""
        match self.transport:
            case "smtp" if self.mx:
                return Mx(self._tls)
            case "smtp" if self.pool is not None:
                pool = pools.get(self.pool)
                if pool is None:
                    known = ", ".join(pools) or "none yet: add [pools.…]"
                    raise Wrong(f"there is no pool {str(self.pool)!r}", f"known: {known}")
                return Smtp(tuple(member.hop for member in pool.members), pool)
            case "smtp":
                tls = self._tls
                return Smtp(tuple(NextHop(hop.host, hop.port, tls) for hop in self.next_hops))
            case "mailbox":
                return Mailbox(str(self.mailbox))
            case "discard":
                return Discard()
            case "hold":
                return Hold()

    @property
    def _tls(self) -> Tls:
        return Tls(self.tls, str(self.tls_name or ""))

    def _check_tls(self) -> None:
        check_tls(self.tls, self.tls_name)
        if self._tls != USUAL_TLS and self.transport != "smtp":
            raise Wrong(f'tls means nothing to transport "{self.transport}"')
        if self._tls != USUAL_TLS and self.pool is not None:
            raise Wrong("tls stands in the pool, not in the route", f"set it in pools.{self.pool}")
        if self.mx and self.tls_name is not None:
            raise Wrong("mx and tls_name", "hosts that DNS names are checked by their own names")


class RetrySettings(msgspec.Struct, frozen=True, kw_only=True):
    """When to try again, warn and give up; see `appliance.mail.retry.RetrySchedule`."""

    first: tuple[Duration, ...] = tuple(map(Duration, _RETRY.first))
    base: Duration = Duration(_RETRY.base)
    growth: float = _RETRY.growth
    longest: Duration = Duration(_RETRY.longest)
    jitter: float = _RETRY.jitter
    lifetime: Duration = Duration(_RETRY.lifetime)
    warn_after: Duration = Duration(_RETRY.warn_after)

    def __post_init__(self) -> None:
        self.value()

    def value(self) -> RetrySchedule:
        """The same as the mail rules know it; raises ValueError."""
        return RetrySchedule(**msgspec.structs.asdict(self))


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of site.toml.

    `postmaster` is the mailbox of postmaster and abuse in every domain, unless a user or an alias
    has the address (RFC 5321 §4.5.1, RFC 2142 §2). `aliases`: address → the addresses and users
    that get its mail; an alias comes before a user's own address.
    """

    domains: tuple[Hostname, ...]
    postmaster: LocalName = LocalName(POSTMASTER)
    users: dict[str, User] = {}
    aliases: dict[str, tuple[str, ...]] = {}
    relay: RelaySettings = RelaySettings()
    submission: SubmissionSettings = SubmissionSettings()
    routes: dict[str, RouteSettings] = {}
    pools: dict[str, PoolSettings] = {}
    next_hops: dict[str, NextHopSettings] = {}
    limits: Limits = Limits()
    policy: PolicySettings = PolicySettings()
    delivery: DeliverySettings = DeliverySettings()
    dns: DnsSettings = DnsSettings()
    retry: RetrySettings = RetrySettings()

    def __post_init__(self) -> None:
        if not self.domains:
            raise Wrong("a site needs a domain", 'for example domains = ["example.org"]')
        for name in self.users:
            LocalName.parse(name)
        self.mailboxes()
        for key in self.routes:
            _check_route_key(key)
        check_pools(self.pools)
        self.hop_limits()
        for name in self.users:
            self.senders(name)
        check_aliases(self.expansion(), self.table(), self.domains, self.relay.aliases)

    def mailboxes(self) -> dict[str, str]:
        """Canonical address → mailbox, for every address of every user. Raises Wrong."""
        owners: dict[str, str] = {}
        mailboxes: dict[str, str] = {}
        for name, user in self.users.items():
            for address in self._addresses(name, user):
                owner = owners.setdefault(address, name)
                if owner != name:
                    raise Wrong(f"users.{name}: {address!r} already belongs to {owner!r}")
                mailboxes[address] = str(user.mailbox or name)
        return mailboxes

    def addresses(self, name: str) -> tuple[str, ...]:
        """The canonical addresses of a user. Raises Wrong."""
        return tuple(self._addresses(name, self.users[name]))

    def _addresses(self, name: str, user: User) -> Iterator[str]:
        if user.addresses is None:
            yield from (f"{name}@{domain}" for domain in self.domains)
            return
        for written in user.addresses:
            address = address_of(f"users.{name}", written)
            if domain_key(address) not in self.domains:
                known = " or ".join(f"@{domain}" for domain in self.domains)
                raise Wrong(
                    f"users.{name}: {written!r} is in none of the site's domains",
                    f"an address here ends in {known}",
                )
            yield address

    def senders(self, name: str) -> frozenset[str]:
        """What the user may send as: canonical addresses, "@domain", "*". Raises Wrong."""
        user = self.users[name]
        key = f"users.{name}.may_send_as"
        rights = (right(key, written) for written in user.may_send_as)
        return frozenset((*self._addresses(name, user), *rights))

    def expansion(self) -> dict[str, tuple[str, ...]]:
        """Canonical address of each alias → the addresses at its end. Raises Wrong."""
        first = {name: next(self._addresses(name, user), "") for name, user in self.users.items()}
        return expansion(self.aliases, first)

    def hop_limits(self) -> dict[str, NextHopSettings]:
        """What single next hops are given, by the name that delivery knows them by."""
        return {normal_hop(key): limits for key, limits in self.next_hops.items()}

    def table(self, itself: Collection[NextHop] = ()) -> Routes:
        """The routing table; `itself` are the pair's own listeners. Raises ValueError."""
        pools = {name: pool.value(name) for name, pool in self.pools.items()}
        transports = {key: route.value(pools) for key, route in self.routes.items()}
        return Routes(self.domains, self.mailboxes(), str(self.postmaster), transports, itself)


def load_site(path: Path) -> SiteSettings:
    """Read and check site.toml; raises ConfigError naming everything that is wrong."""
    return read(path, SiteSettings)


def _check_route_key(key: str) -> None:
    if key == "*":
        return
    if "@" in key:
        address_of("routes", key)
        return
    try:
        Hostname.parse(key.removeprefix("."))
    except Wrong as error:
        hint = 'a key is "user@example.org", "example.org", ".example.org" or "*"'
        raise Wrong(f"routes: {error}", hint) from None
