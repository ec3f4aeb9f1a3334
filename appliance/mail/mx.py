"""Which hosts take mail for a domain, and in what order to try them (RFC 5321 §5.1, RFC 7505)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from appliance.mail.address import domain_key
from appliance.mail.reply import Refused, Reply

MOST_HOSTS = 20
"""Hosts of a domain that are looked up; nobody sane names more."""
MOST_PLACES = 8
"""Addresses tried for one message: each may cost a whole connect timeout."""

NO_DOMAIN = Reply(550, "5.1.2", "DNS knows no such domain")
TAKES_NO_MAIL = Reply(556, "5.1.10", "the domain says that it takes no mail (null MX, RFC 7505)")
NO_HOST = Reply(550, "5.4.4", "no host that DNS names for the domain has an address")
OURSELVES = Reply(554, "5.4.6", "DNS says that mail for the domain comes to this node: a loop")


class Exchanger(msgspec.Struct, frozen=True, order=True):
    """An MX record; `host` without trailing dot, "" for the root of a null MX."""

    preference: int
    host: str


class Place(msgspec.Struct, frozen=True):
    """Where to connect: `host` is the name it goes by."""

    host: str
    address: str
    port: int


class Itself(msgspec.Struct, frozen=True):
    """The names (lower case) and IP addresses by which this node is known in mail."""

    names: frozenset[str]
    addresses: frozenset[str]


def exchangers(domain: str, records: Collection[Exchanger], itself: Itself) -> list[Exchanger]:
    """The hosts to look up for `domain`, most preferred first; raises Refused.

    Without an MX record the domain itself is the host (§5.1, implicit MX). Where this node is
    named, hosts that are no more preferred are left out: they would hand the mail back.
    """
    if not records:
        records = [Exchanger(0, domain)]
    named = sorted(record for record in records if record.host)
    if not named:
        raise Refused(TAKES_NO_MAIL, "its owner wants no mail there: check the address")
    return _before_us([r.preference for r in named if r.host.lower() in itself.names], named)


def places(
    hosts: Sequence[Exchanger],
    addresses: Mapping[str, Sequence[str]],
    itself: Itself,
    port: int,
    random: Callable[[], float],
) -> list[Place]:
    """Where to connect, in this order; raises Refused if there is nowhere.

    `addresses` is what became of looking up each of `hosts`. Hosts of the same preference
    share the load (§5.1): `random`, from [0, 1), decides.
    """
    us = [h.preference for h in hosts if not itself.addresses.isdisjoint(addresses[h.host])]
    left = _before_us(us, hosts)
    shuffled = sorted(left, key=lambda host: (host.preference, random()))
    found = [Place(h.host, address, port) for h in shuffled for address in addresses[h.host]]
    if not found:
        raise Refused(NO_HOST, "the domain's owner must give its mail hosts addresses")
    return found[:MOST_PLACES]


def literal(address: str) -> str | None:
    """The IP address of "user@[192.0.2.1]" (§4.1.3), for which no DNS is asked; else None."""
    domain = domain_key(address)
    if not domain.startswith("["):
        return None
    return str(ipaddress.ip_address(domain[1:-1].removeprefix("ipv6:")))


def _before_us(ours: Collection[int], hosts: Sequence[Exchanger]) -> list[Exchanger]:
    left = [host for host in hosts if not ours or host.preference < min(ours)]
    if not left:
        raise Refused(OURSELVES, "list the domain as the site's own, or give it next hops")
    return left[:MOST_HOSTS]
