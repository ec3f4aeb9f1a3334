"""[failover] in node.toml: paths, virtual routers and what lowers this node's priority."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from appliance.config.units import (
    Address,
    AddressWithPrefix,
    Duration,
    InterfaceName,
    LocalName,
    NumericEndpoint,
    Wrong,
)

BinderName = Literal["netlink", "loopback"]
ADVERTISEMENTS = Duration(100)
"""How often one is sent, unless a pair says otherwise."""
_TICK = 10  # milliseconds: RFC 9568 counts in centiseconds
_LONGEST = 4095 * _TICK
_LEAST_MAIL_TIMEOUT = Duration(500)
_MOST_ROUTERS = 2
_LISTEN_HINT = 'for example listen = "192.0.2.11:2528", peer = "192.0.2.12:2528"'


class HeartbeatPath(msgspec.Struct, frozen=True, kw_only=True):
    """One way for advertisements between the nodes: a UDP address here, and one there."""

    listen: NumericEndpoint
    peer: NumericEndpoint

    def __post_init__(self) -> None:
        families = {end.address.version for end in (self.listen, self.peer)}
        if len(families) > 1 or self.listen == self.peer:
            raise Wrong("listen and peer must be two addresses of one family", _LISTEN_HINT)

    @property
    def address(self) -> Address:
        """This node's, without a scope."""
        found = self.listen.address
        return found.__class__(int(found))


class RouterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One virtual router (RFC 9568 §6.1): addresses that move together."""

    vrid: Annotated[int, msgspec.Meta(ge=1, le=255)]
    addresses: tuple[AddressWithPrefix, ...]
    priority: Annotated[int, msgspec.Meta(ge=1, le=254)]
    interface: InterfaceName | None = None

    def __post_init__(self) -> None:
        if not self.addresses:
            raise Wrong("no address", 'for example addresses = ["192.0.2.10/24"]')


class TrackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A command whose exit code says how this node is, as keepalived's vrrp_script.

    `fall` failures in a row make it fail, `rise` successes make it pass again. Weight 0: while
    it fails this node gives up. Above 0: added while it passes. Below 0: while it fails.
    """

    name: LocalName
    command: tuple[str, ...]
    interval: Duration = Duration(1_000)
    timeout: Duration = Duration(1_000)
    weight: Annotated[int, msgspec.Meta(ge=-253, le=253)] = 0
    rise: Annotated[int, msgspec.Meta(ge=1)] = 1
    fall: Annotated[int, msgspec.Meta(ge=1)] = 3

    def __post_init__(self) -> None:
        if not self.command or not self.command[0].startswith("/"):
            hint = 'for example command = ["/usr/local/bin/check-gateway", "192.0.2.1"]'
            raise Wrong("command must begin with the full path of a program", hint)
        if not self.interval or not self.timeout:
            raise Wrong("interval and timeout must be longer than 0", 'for example "1s"')


class FailoverSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the virtual addresses move between the nodes of the pair.

    `listen` stands in place of `paths` while this node has no peer: pairing makes paths of it.
    interval: Advertisement_Interval. mail_timeout: with nothing heard from the mail process for
    this long, this node gives up.
    """

    routers: tuple[RouterSettings, ...]
    paths: tuple[HeartbeatPath, ...] = ()
    listen: tuple[NumericEndpoint, ...] = ()
    interval: Duration = ADVERTISEMENTS
    preempt: bool = False
    binder: BinderName = "netlink"
    mail_timeout: Duration = Duration(3_000)
    track: tuple[TrackSettings, ...] = ()

    def __post_init__(self) -> None:
        if self.interval % _TICK or not _TICK <= self.interval <= _LONGEST:
            raise Wrong(f"interval {self.interval} is no multiple of 10ms, or over 40950ms")
        if self.mail_timeout < _LEAST_MAIL_TIMEOUT:
            hint = "the mail process reports about every 200ms"
            raise Wrong(f"mail_timeout must be at least {_LEAST_MAIL_TIMEOUT}", hint)
        if not 1 <= len(self.heartbeats) <= 255 or _repeats(self.heartbeats):
            raise Wrong("paths must be one or more, each with a listen of its own", _LISTEN_HINT)
        if self.paths and self.listen:
            raise Wrong("listen is for a node without a peer, and paths need one", _LISTEN_HINT)
        if not 1 <= len(self.routers) <= _MOST_ROUTERS:
            hint = "one: active-passive; two, the priorities crossed: active-active"
            raise Wrong(f"{len(self.routers)} virtual routers in [[failover.routers]]", hint)
        if _repeats([router.vrid for router in self.routers]):
            raise Wrong("two virtual routers with one vrid", "number them 1 and 2")
        if _repeats([one.address for router in self.routers for one in router.addresses]):
            raise Wrong("an address stands in the virtual routers twice")
        if _repeats([track.name for track in self.track]):
            raise Wrong("two of [[failover.track]] have one name")
        self._check_binder()

    def _check_binder(self) -> None:
        for router in self.routers:
            if self.binder == "netlink" and router.interface is None:
                hint = 'for example interface = "eth0"'
                raise Wrong(f"virtual router {router.vrid} names no interface", hint)
            for one in router.addresses:
                if self.binder == "loopback" and not one.address.is_loopback:
                    raise Wrong(
                        f"{one} is no loopback address",
                        'binder = "loopback" is for a pair on one machine; leave it out',
                    )

    @property
    def heartbeats(self) -> tuple[NumericEndpoint, ...]:
        """Where this node hears its peer, or will."""
        return self.listen or tuple(path.listen for path in self.paths)

    @property
    def virtual(self) -> tuple[Address, ...]:
        """All addresses that move."""
        return tuple(one.address for router in self.routers for one in router.addresses)


def _repeats(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)
