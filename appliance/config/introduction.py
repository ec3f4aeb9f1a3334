"""What two nodes tell each other when they are paired, so that nobody has to type it twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from appliance.config.document import checked
from appliance.config.failover import ADVERTISEMENTS, HeartbeatPath, RouterSettings
from appliance.config.node import NodeSettings
from appliance.config.plain import sparse
from appliance.config.site import SiteSettings
from appliance.config.site_document import raw
from appliance.config.units import Duration, LocalName, NumericEndpoint

MOST = 5 << 20
"""Bytes of one: it may hold a whole site."""
_NAME = "what the other node says"


class Introduction(msgspec.Struct, frozen=True, kw_only=True):
    """`link` and `heartbeats`: where a node listens for the other one.

    Whoever invites adds `routers`, its virtual ones, `advertisements`, their interval, and `site`,
    which the joiner serves until it has caught up with the pair.
    """

    name: LocalName
    link: NumericEndpoint
    heartbeats: tuple[NumericEndpoint, ...] = ()
    routers: tuple[RouterSettings, ...] = ()
    advertisements: Duration = ADVERTISEMENTS
    site: dict[str, Any] | None = None


def introduction(node: NodeSettings, site: SiteSettings | None = None) -> Introduction:
    """What a node says of itself; `site` if it invites."""
    failover = node.failover
    document = sparse(site) if site is not None else None
    assert document is None or isinstance(document, dict)
    return Introduction(
        name=node.name,
        link=node.link.listen,
        heartbeats=failover.heartbeats if failover else (),
        routers=failover.routers if failover and site is not None else (),
        advertisements=failover.interval if failover else ADVERTISEMENTS,
        site=document,
    )


def encoded(one: Introduction) -> bytes:
    """As it is sent."""
    return msgspec.json.encode(sparse(one))


def decoded(said: bytes) -> Introduction:
    """Raises ConfigError."""
    return checked(raw(said, _NAME), Introduction, _NAME)


def introduced(node: NodeSettings, peer: Introduction) -> NodeSettings:
    """The settings of a node that now has `peer`; those it had if they are about it already."""
    failover = node.failover
    if failover is None or {path.peer for path in failover.paths} & set(peer.heartbeats):
        return node
    met = paths(failover.heartbeats, peer.heartbeats)
    if not met:
        return node
    link = msgspec.structs.replace(node.link, peer=peer.link)
    failover = msgspec.structs.replace(failover, paths=met, listen=())
    return msgspec.structs.replace(node, link=link, failover=failover)


def paths(
    own: Sequence[NumericEndpoint], theirs: Sequence[NumericEndpoint]
) -> tuple[HeartbeatPath, ...]:
    """The ways between two nodes: the first of one to the first of the other, and so on."""
    return tuple(
        HeartbeatPath(listen=here, peer=there)
        for here, there in zip(own, theirs, strict=False)
        if here.address.version == there.address.version and here != there
    )
