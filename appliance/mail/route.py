"""Where a recipient's mail goes: a pure look-up that never loops and never asks anybody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from appliance.mail.address import canonical, carries_route, domain_key, normal_domain
from appliance.mail.reply import Reply

POSTMASTER = "postmaster"
ROLES = (POSTMASTER, "abuse")  # RFC 5321 §4.5.1, RFC 2142 §2
DEFAULT = "*"


class Tls(msgspec.Struct, frozen=True, order=True):
    """How much TLS a next hop must offer, in Postfix's words; `level` is one of `TLS_LEVELS`.

    none: never. may: if it is offered, whoever it may be. encrypt: always, whoever it may be.
    verify: always, with a certificate for `name` ("": the next hop as it is named) that comes from
    an authority which the site trusts.
    """

    level: str = "may"
    name: str = ""

    @property
    def required(self) -> bool:
        """Whether mail waits rather than going out as plain text."""
        return self.level in ("encrypt", "verify")

    def __str__(self) -> str:
        return f"tls={self.level}" + (f":{self.name}" if self.name else "")


TLS_LEVELS = ("none", "may", "encrypt", "verify")
USUAL_TLS = Tls()


class NextHop(msgspec.Struct, frozen=True, order=True):
    """An SMTP server named in the configuration: no DNS is asked for MX records."""

    host: str
    port: int = 25
    tls: Tls = USUAL_TLS

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Member(msgspec.Struct, frozen=True):
    """A next hop of a pool; `weight` is its share."""

    hop: NextHop
    weight: int = 1
    backup: bool = False


class Pool(msgspec.Struct, frozen=True):
    """Next hops that share mail by `algorithm` (see `appliance.config.pools.PoolSettings`).

    `check`: milliseconds between two looks at a member that is out.
    """

    name: str
    members: tuple[Member, ...]
    algorithm: str = "order"
    fall: int = 3
    rise: int = 2
    check: int = 10_000


class Smtp(msgspec.Struct, frozen=True, tag=True):
    """Relay to the first of `next_hops` that answers, or to those of a `pool` as it says."""

    next_hops: tuple[NextHop, ...]
    pool: Pool | None = None


class Mx(msgspec.Struct, frozen=True, tag=True):
    """Relay to the hosts that DNS names for the recipient's domain (RFC 5321 §5.1)."""

    tls: Tls = USUAL_TLS


class Mailbox(msgspec.Struct, frozen=True, tag=True):
    """File in the mailbox `name`, on both nodes."""

    name: str


class Discard(msgspec.Struct, frozen=True, tag=True):
    """Count as delivered and forget."""


class Hold(msgspec.Struct, frozen=True, tag=True):
    """Keep until an operator releases it."""


class Bounce(msgspec.Struct, frozen=True, tag=True):
    """Nobody here: refuse with `reply` at RCPT, return to the sender with it later on."""

    reply: Reply


Transport = Smtp | Mx | Mailbox | Discard | Hold | Bounce


class Route(msgspec.Struct, frozen=True):
    """A transport, and the key of what its mail must share: connections, concurrency, back-off."""

    transport: Transport
    destination: str


NO_USER = Bounce(Reply(550, "5.1.1", "No such user here"))
NO_ROUTE = Bounce(Reply(550, "5.4.4", "No route to this domain"))


class Routes:
    """The routing table of a site.

    `domains` are the site's own. `mailboxes` maps addresses there to mailbox names;
    `postmaster` is the mailbox of the role addresses that none of them claims. `transports`
    maps "user@domain", "domain", ".domain" (all below it) or "*" to a transport; the most
    exact key decides. Users come before the domain, so that a key for an own domain says
    where unknown users go; without one they bounce, whatever ".domain" and "*" say. `itself`
    lists the pair's own listeners. Raises ValueError for a table that can't be meant.
    """

    def __init__(
        self,
        domains: Iterable[str],
        mailboxes: Mapping[str, str],
        postmaster: str,
        transports: Mapping[str, Transport],
        itself: Collection[NextHop] = (),
    ) -> None:
        self._own = frozenset(map(normal_domain, domains))
        self._exact: dict[str, Route] = {}
        self._domains: dict[str, Route] = {}
        self._no_user = _route(NO_USER)
        self._default = _route(NO_ROUTE)
        self._add_mailboxes(mailboxes, postmaster)
        for key, transport in transports.items():
            _check(key, transport, itself)
            self._add_transport(key, _route(transport))
        self._split = frozenset(map(domain_key, self._exact))

    def resolve(self, address: str) -> Route:
        """The route of `address` (a parsed path); takes a few look-ups, however large the table."""
        route = self._find(address)
        if isinstance(route.transport, Mx):
            tls = _unusual(route.transport.tls)
            return Route(route.transport, f"mx:{domain_key(address)}{tls}")
        return route

    def _find(self, address: str) -> Route:
        route = self._exact.get(canonical(address))
        if route is not None:
            return route
        domain = domain_key(address)
        route = self._domains.get(domain)
        if route is not None:
            return route
        if domain in self._own:
            return self._no_user
        return self._parent(domain) or self._default

    def matched(self, address: str) -> str:
        """The key that decides about `address`; "" if there is none."""
        domain = domain_key(address)
        if canonical(address) in self._exact:
            return canonical(address)
        if domain in self._domains:
            return domain
        if domain in self._own:
            return ""
        for at, letter in enumerate(domain):
            if letter == "." and domain[at:] in self._domains:
                return domain[at:]
        return DEFAULT if self._default.transport is not NO_ROUTE else ""

    def open_to_all(self, address: str) -> bool:
        """Whether a stranger may send to `address`: it is the site's own, and goes no further.

        A local part that names another hop (`user%other@site`) is not relayed for strangers,
        even to a next hop that has our domain's users: it might follow the hint.
        """
        domain = domain_key(address)
        if domain and domain not in self._own:
            return False
        relayed = isinstance(self._find(address).transport, Smtp | Mx)
        return not (relayed and carries_route(address))

    def uniform(self, domain: str) -> bool:
        """Whether all addresses of `domain` (a key of `domain_key`) have the same route."""
        return domain not in self._split

    def _parent(self, domain: str) -> Route | None:
        dot = domain.find(".")
        while dot >= 0:
            route = self._domains.get(domain[dot:])
            if route is not None:
                return route
            dot = domain.find(".", dot + 1)
        return None

    def _add_mailboxes(self, mailboxes: Mapping[str, str], postmaster: str) -> None:
        for role in ROLES:
            for domain in self._own:
                self._exact[f"{role}@{domain}"] = _route(Mailbox(postmaster))
        self._exact[POSTMASTER] = _route(Mailbox(postmaster))
        for address, name in mailboxes.items():
            key = canonical(address)
            if key != POSTMASTER and domain_key(key) not in self._own:
                raise ValueError(f"{address!r} is in none of the site's domains")
            self._exact[key] = _route(Mailbox(name))

    def _add_transport(self, key: str, route: Route) -> None:
        if key == DEFAULT:
            self._default = route
        elif "@" in key or key.lower() == POSTMASTER:
            self._exact[canonical(key)] = route
        elif key.startswith("."):
            self._domains["." + normal_domain(key[1:])] = route
        else:
            self._domains[normal_domain(key)] = route


def _unusual(tls: Tls) -> str:
    return "" if tls == USUAL_TLS else f" {tls}"


def _route(transport: Transport) -> Route:
    if isinstance(transport, Smtp):
        if transport.pool is not None:
            return Route(transport, f"pool:{transport.pool.name}")
        # Connections are not shared with routes that ask for another level of TLS.
        hops = [f"{hop}{_unusual(hop.tls)}" for hop in transport.next_hops]
        return Route(transport, ",".join(hops))
    return Route(transport, type(transport).__name__.lower())


def _check(key: str, transport: Transport, itself: Collection[NextHop]) -> None:
    if isinstance(transport, Smtp):
        if not transport.next_hops:
            raise ValueError(f"route {key!r} needs a next hop")
        own = {(one.host, one.port) for one in itself}
        for hop in transport.next_hops:
            if (hop.host, hop.port) in own:
                raise ValueError(f"route {key!r} leads back to this pair: {hop}")
    elif isinstance(transport, Mx):
        if canonical(key) == POSTMASTER:
            raise ValueError(f"route {key!r}: DNS knows no hosts of an address without a domain")
    elif not isinstance(transport, Mailbox) and canonical(key).split("@")[0] == POSTMASTER:
        raise ValueError(f"route {key!r}: mail to postmaster must reach somebody")
