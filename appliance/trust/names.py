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
LIST_PATH = "/ca.crl"
_HTTP = 80
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
    """Host names (the node's own first) and addresses; URLs of the list of what was revoked."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]
    lists: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        """As a certificate spells them."""
        return frozenset({*self.hosts, *map(str, self.addresses)})


def names_of(node: NodeSettings, site: SiteSettings) -> Names:
    """The names of a node; where it listens on all addresses, those that the machine has now."""
    domains = [prefix + domain for domain in site.domains for prefix in _USUAL]
    hosts = [found for name in (str(node.hostname), *domains) if (found := _ascii(name))]
    page = node.account.endpoints if node.account is not None else ()
    served = (*node.served, *node.smtp.proxied, *page)
    listening = [endpoint.address for endpoint in served]
    every = any(address.is_unspecified for address in listening)
    addresses = [*node.virtual, *listening, *(_of_machine() if every else ())]
    known = [address for address in addresses if not address.is_unspecified]
    return Names(_first(hosts or ["localhost"]), _first(known), _first(_lists(node)))


def _lists(node: NodeSettings) -> Iterator[str]:
    """Plain HTTP: who checks a certificate can't trust one for it. What moves comes first."""
    plain = node.account.http if node.account is not None else ()
    for one in sorted(plain, key=lambda one: one.address not in node.virtual):
        hosts = [one.host]
        if one.address.is_unspecified:
            hosts = [*map(str, node.virtual), _ascii(str(node.hostname))]
        for host in hosts:
            port = f":{one.port}" if one.port != _HTTP else ""
            yield f"http://{f'[{host}]' if ':' in host else host}{port}{LIST_PATH}"


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
