"""What a node is called: the host names and addresses that its certificate is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar

from appliance.config import NodeSettings, SiteSettings
from appliance.trust.certificate import Address

T = TypeVar("T")
_USUAL = ("", "mail.", "smtp.")
"""Before a domain of the site: what people type in as their server."""
_MOST = 100
"""Names or addresses in a certificate: it is sent with every handshake."""
_LONGEST_HOST = 253
_FIB = Path("/proc/net/fib_trie")
_INET6 = Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL\n")


@dataclass(frozen=True)
class Names:
    """Host names (the node's own first) and addresses."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]

    @property
    def all(self) -> frozenset[str]:
        """As a certificate spells them."""
        return frozenset({*self.hosts, *map(str, self.addresses)})


def names_of(node: NodeSettings, site: SiteSettings) -> Names:
    """The names of a node; where it listens on all addresses, those that the machine has now."""
    domains = [prefix + domain for domain in site.domains for prefix in _USUAL]
    hosts = [found for name in (str(node.hostname), *domains) if (found := _ascii(name))]
    listening = [endpoint.address for endpoint in (*node.served, *node.smtp.proxy_listen)]
    every = any(address.is_unspecified for address in listening)
    addresses = [*node.virtual, *listening, *(_of_machine() if every else ())]
    known = [address for address in addresses if not address.is_unspecified]
    return Names(_first(hosts or ["localhost"]), _first(known))


def _first(found: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))[:_MOST]


def _ascii(name: str) -> str:
    """As DNS has it (RFC 5891), "" if it can't."""
    try:
        encoded = name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return encoded if len(encoded) <= _LONGEST_HOST else ""


def _of_machine() -> Iterator[Address]:
    """All addresses of this machine, but those of links, which no client can know."""
    found: list[Address] = [IPv4Address(one) for one in _LOCAL.findall(_text(_FIB))]
    for line in _text(_INET6).splitlines():
        found.append(IPv6Address(bytes.fromhex(line.split()[0])))
    yield from (one for one in sorted(set(found), key=str) if not one.is_link_local)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
