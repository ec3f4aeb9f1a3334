"""Settings of a new node and a new site, from the answers of whoever sets them up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.config import toml
from appliance.config.answers import Answers
from appliance.config.document import checked
from appliance.config.introduction import Introduction, paths
from appliance.config.node import NodeSettings
from appliance.config.plain import plain, sparse
from appliance.config.site import SiteSettings
from appliance.config.units import Address, AddressWithPrefix, NumericEndpoint, Wrong

_NODE_HEAD = """\
# This machine's own settings (docs/settings.md), as they came from its setup.
# After a change: systemctl reload twinpost.

"""
_SITE_HEAD = """\
# The first version of the site. Later versions are the pair's, and this file says nothing any more:
# change them at the console, or with `twinpost config export` and `config import`.

"""
_FIRST, _SECOND = 200, 150
"""Priorities: of the node that has a virtual address while both are well, and of the other."""


def node_of(answers: Answers, peer: Introduction | None, group: str | None) -> NodeSettings:
    """The node's settings; `peer` is the other node of whoever joins, `group` the console's.

    Raises ConfigError, and Wrong for a peer that does not fit the answers.
    """
    settings = dict(_settings(answers, peer))
    if group is not None:
        settings["console"] = {"group": group}
    return checked(settings, NodeSettings, "node.toml")


def site_of(answers: Answers, peer: Introduction | None) -> SiteSettings:
    """What the node serves at first: the pair's site as the peer has it, or one without users.

    Raises ConfigError.
    """
    if peer is not None and peer.site is not None:
        return checked(peer.site, SiteSettings, "the other node's site")
    return checked({"domains": [str(answers.domain)]}, SiteSettings, "site.toml")


def joining(answers: Answers) -> Introduction:
    """What a node says of itself that joins, before it knows the pair's settings."""
    near = (answers.link or answers.network).address.address
    return Introduction(
        name=answers.name,
        link=NumericEndpoint(_end(near, answers.ports.link)),
        heartbeats=_heartbeats(answers),
    )


def node_text(node: NodeSettings) -> str:
    """node.toml."""
    return _NODE_HEAD + _written(node)


def site_text(site: SiteSettings) -> str:
    """site.toml."""
    return _SITE_HEAD + _written(site)


def _written(settings: NodeSettings | SiteSettings) -> str:
    said = sparse(settings)
    assert isinstance(said, dict)
    return toml.written(said)


def _settings(answers: Answers, peer: Introduction | None) -> Iterator[tuple[str, object]]:
    routers = _routers(answers, peer)
    virtual = [
        AddressWithPrefix.parse(one).address for each in routers for one in each["addresses"]
    ]
    hosts = [answers.network.address.address, *virtual]
    ports = answers.ports
    yield "name", str(answers.name)
    yield "hostname", str(answers.hostname or f"{answers.name}.{_domain(answers, peer)}")
    yield (
        "smtp",
        {
            "listen": _at(hosts, ports.smtp),
            "submission": _at(hosts, ports.submission),
            "submissions": _at(hosts, ports.submissions),
        },
    )
    # The page is also where certificates send whoever looks for the list of revoked ones.
    yield "account", {"listen": _at(hosts, ports.page), "http": _at(hosts, ports.plain)}
    near = (answers.link or answers.network).address.address
    link = {"listen": _end(near, ports.link), "pairing": _end(near, ports.pairing)}
    yield "link", link if peer is None else {**link, "peer": str(peer.link)}
    yield "failover", _failover(answers, routers, peer)


def _failover(
    answers: Answers, routers: Sequence[Mapping[str, Any]], peer: Introduction | None
) -> dict[str, object]:
    own = _heartbeats(answers)
    loopback = {"binder": "loopback"} if own[0].address.is_loopback else {}
    ways: dict[str, object] = {"listen": [str(one) for one in own]}
    if peer is not None:
        met = paths(own, peer.heartbeats)
        if not met:
            hint = f"{peer.name} listens at {', '.join(peer.heartbeats) or 'none'}"
            raise Wrong("no address of this node fits one of the other's", hint)
        ways = {"paths": plain(met)}
    interval = answers.advertisements if peer is None else peer.advertisements
    return {**loopback, **ways, "interval": plain(interval), "routers": list(routers)}


def _heartbeats(answers: Answers) -> tuple[NumericEndpoint, ...]:
    """Where they are heard: on every network that the nodes share."""
    hosts = [answers.network.address.address]
    if answers.link is not None:
        hosts.append(answers.link.address.address)
    return tuple(NumericEndpoint(one) for one in _at(hosts, answers.ports.heartbeat))


def _routers(answers: Answers, peer: Introduction | None) -> list[dict[str, Any]]:
    """The pair's virtual routers: the joiner of a pair has the other order of preference."""
    loopback = answers.network.address.address.is_loopback
    on = {} if loopback else {"interface": str(answers.network.interface)}
    if peer is None:
        return [
            {
                "vrid": number,
                "addresses": [str(address)],
                "priority": _FIRST if number == 1 else _SECOND,
                **on,
            }
            for number, address in enumerate(answers.virtual, 1)
        ]
    here = ipaddress.ip_interface(answers.network.address).network
    for router in peer.routers:
        for one in router.addresses:
            if one.address not in here:
                hint = "clients reach both nodes in one network: correct this node's address"
                raise Wrong(f"the pair's virtual address {one} is not of the network {here}", hint)
    return [
        {
            "vrid": router.vrid,
            "addresses": [str(one) for one in router.addresses],
            "priority": _SECOND if router.priority >= _FIRST else _FIRST,
            **on,
        }
        for router in peer.routers
    ]


def _domain(answers: Answers, peer: Introduction | None) -> str:
    domains = peer.site.get("domains") if peer is not None and peer.site else None
    return str(answers.domain or (domains[0] if domains else "invalid"))


def _at(hosts: Sequence[Address], port: int) -> list[str]:
    return [_end(host, port) for host in hosts]


def _end(host: Address, port: int) -> str:
    return f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
