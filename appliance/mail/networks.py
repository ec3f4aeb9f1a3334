"""Networks of clients: one look-up for each length of prefix, however many networks there are."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

_BITS = {4: 32, 6: 128}


class Networks:
    """A set of IPv4 and IPv6 networks, written as in the settings; raises ValueError."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for text in networks:
            network = ipaddress.ip_network(text)
            shift = _BITS[network.version] - network.prefixlen
            found = self._prefixes.setdefault((network.version, shift), set())
            found.add(int(network.network_address) >> shift)

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def __contains__(self, client: str) -> bool:
        if not self._prefixes:
            return False
        version, number = _number(client)
        for (of, shift), prefixes in self._prefixes.items():
            if version == of and number >> shift in prefixes:
                return True
        return False


def group(client: str) -> str:
    """Whose doings are counted together: an IPv6 client has a whole /64 to choose from."""
    if ":" not in client:
        return client
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(client)) >> 64 << 64))


@lru_cache(4096)  # a client is looked for in several sets, for each recipient
def _number(client: str) -> tuple[int, int]:
    address = ipaddress.ip_address(client)
    # A client that a balancer names may be written like this (RFC 4291 §2.5.5.2).
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)
