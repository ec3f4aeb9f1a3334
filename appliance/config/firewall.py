"""What a node has to let in, from its node.toml; all else is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.config.node import NodeSettings
from appliance.config.units import Address, NumericEndpoint

_NTP = 123
_HEAD = """\
# What this node lets in; all of it comes from node.toml.
table inet twinpost
delete table inet twinpost
table inet twinpost {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        meta l4proto { icmp, ipv6-icmp } accept
"""
# Below the ports: to a connection that the other node had until now, the kernel answers with a
# reset, so that its client comes again at once.
_TAIL = """\
        ct state established,related accept
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
}
"""


@dataclass(frozen=True)
class Opening:
    """A port at which strangers are heard, or only `sources`: addresses and networks."""

    protocol: str
    address: Address | None
    port: int
    sources: tuple[str, ...] = ()

    def rule(self) -> str:
        """As nft reads it."""
        parts = []
        if self.address is not None and not self.address.is_unspecified:
            parts.append(f"{_family(self.address)} daddr {self.address}")
        if self.sources:
            family = "ip6" if ":" in self.sources[0] else "ip"
            parts.append(f"{family} saddr {{ {', '.join(self.sources)} }}")
        return " ".join([*parts, f"{self.protocol} dport {self.port} accept"])


def ruleset(node: NodeSettings) -> str:
    """The table for `nft -f`, which takes the place of the one before in one step."""
    rules = "".join(f"        {one.rule()}\n" for one in openings(node))
    return _HEAD + rules + _TAIL


def openings(node: NodeSettings) -> Sequence[Opening]:
    """Every port that somebody elsewhere has to reach."""
    return list(dict.fromkeys(_openings(node)))


def _openings(node: NodeSettings) -> Iterator[Opening]:
    for endpoint in node.served:
        yield from _tcp(endpoint, ())
    for endpoint in node.smtp.proxied:
        yield from _tcp(endpoint, [str(one.network) for one in node.smtp.proxy_networks])
    for endpoint in node.account.endpoints if node.account else ():
        yield from _tcp(endpoint, ())
    peer = [str(node.link.peer.address)] if node.link.peer else []
    yield from _tcp(node.link.listen, peer)
    yield from _tcp(node.link.pairing, ())  # open only while a code is valid
    for endpoint in node.http.listen:
        yield from _tcp(endpoint, [str(one.network) for one in node.http.status])
    for path in node.failover.paths if node.failover else ():
        yield Opening("udp", path.address, path.listen.port, (str(path.peer.address),))
    if peer:
        yield Opening("udp", None, _NTP, tuple(peer))


def _tcp(endpoint: NumericEndpoint, sources: Sequence[str]) -> Iterator[Opening]:
    """One opening for each family of `sources`: a rule of nft has one."""
    if not sources:
        yield Opening("tcp", endpoint.address, endpoint.port)
        return
    for colon in (False, True):
        family = tuple(one for one in sources if (":" in one) is colon)
        fits = endpoint.address.is_unspecified or (endpoint.address.version == 6) is colon
        if family and fits:
            yield Opening("tcp", endpoint.address, endpoint.port, family)


def _family(address: Address) -> str:
    return "ip6" if address.version == 6 else "ip"
