"""Next-hop pools, and what single next hops are given at most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from appliance.config.delivery import Count
from appliance.config.tls import TlsLevel, check_tls
from appliance.config.units import Duration, Endpoint, Hostname, LocalName, Wrong
from appliance.mail.route import Member, NextHop, Pool, Tls

Algorithm = Literal["order", "round-robin", "weighted", "least-connections"]
Weight = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Times = Annotated[int, msgspec.Meta(ge=1, le=100)]
Rate = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class MemberSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A next hop of a pool; a `backup` gets mail only while no other member is up."""

    address: Endpoint
    weight: Weight = 1
    backup: bool = False


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Next hops that share the mail of a route.

    `algorithm`: "order" gives all to the first that is up; "round-robin", "weighted" and
    "least-connections" spread it. `fall` failures in a row take a member out; then it is asked
    for its greeting and EHLO each `check`, and `rise` right answers in a row take it in.
    `tls` and `tls_name` are as in a route.
    """

    members: tuple[MemberSettings, ...]
    algorithm: Algorithm = "weighted"
    tls: TlsLevel = "may"
    tls_name: Hostname | None = None
    fall: Times = 3
    rise: Times = 2
    check: Duration = Duration(10_000)

    def __post_init__(self) -> None:
        addresses = [str(member.address) for member in self.members]
        if len(set(addresses)) < len(addresses):
            raise Wrong("a pool has one member twice", "give it a weight instead")
        if all(member.backup for member in self.members):
            raise Wrong("there is no member, or only backup ones", "members = [{address = …}]")
        check_tls(self.tls, self.tls_name)
        if self.check < 1000:
            raise Wrong("check must be 1s or more")

    def value(self, name: str) -> Pool:
        """The same as the mail rules know it."""
        tls = Tls(self.tls, str(self.tls_name or ""))
        members = tuple(
            Member(NextHop(one.address.host, one.address.port, tls), one.weight, one.backup)
            for one in self.members
        )
        return Pool(name, members, self.algorithm, self.fall, self.rise, int(self.check))


class NextHopSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one next hop is given at most; what is not said here is as in [delivery].

    `messages_per_minute` is what it gets on average; after a quiet time a tenth of it may go
    at once.
    """

    connections: Count | None = None
    messages_per_connection: Count | None = None
    messages_per_minute: Rate | None = None


def check_pools(pools: Mapping[str, PoolSettings]) -> None:
    """Raises Wrong for a pool with a bad name."""
    for name in pools:
        LocalName.parse(name)


def normal_hop(key: str) -> str:
    """What a next hop is called: "host:port", or the domain of a route with `mx`.

    Raises Wrong.
    """
    if ":" in key:
        endpoint = Endpoint.parse(key)
        return str(NextHop(endpoint.host, endpoint.port))
    try:
        return "mx:" + str(Hostname.parse(key)).lower()
    except Wrong as error:
        hint = 'write "192.0.2.25:25", or the domain of a route with mx = true'
        raise Wrong(str(error), hint) from None
