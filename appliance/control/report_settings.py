"""The settings that a report tells: those named here, and no others.

What is not named does not leave the node: a setting that a later release adds has to be put here by
somebody who has thought of what it tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.config.node import NodeSettings
from appliance.config.plain import plain
from appliance.mail.visible import visible
from appliance.report.content import Table

_VALUE = 400
NODE = (
    "name",
    "hostname",
    "smtp.listen",
    "smtp.submission",
    "smtp.submissions",
    "smtp.proxy_listen",
    "smtp.proxy_networks",
    "link.listen",
    "link.peer",
    "http.listen",
    "http.status",
    "disk_reserve",
    "keep_ended",
    "pair.on_peer_loss",
    "pair.adopt_delay",
    "pair.stale_wait",
    "search.enabled",
    "backup.target",
    "backup.keep",
    "backup.every",
    "failover.interval",
    "failover.preempt",
    "failover.binder",
)
SITE = (
    "domains",
    "postmaster",
    "relay.networks",
    "limits.message_size",
    "limits.recipients",
    "limits.connections",
    "limits.connections_per_client",
    "policy.denied_clients",
    "policy.allowed_clients",
    "policy.greet_wait",
    "policy.reject_own_sender",
    "policy.rates.connections_per_minute",
    "policy.rates.messages_per_minute",
    "policy.rates.user_messages_per_minute",
    "policy.verify.domains",
    "delivery.connections",
    "delivery.connections_per_hop",
    "delivery.leases",
    "dns.servers",
    "retry.first",
    "retry.longest",
    "retry.lifetime",
    "retry.warn_after",
)
_EACH: Mapping[str, Sequence[str]] = {
    "routes": ("transport", "next_hops", "mx", "pool", "tls", "mailbox"),
    "pools": ("members", "algorithm", "tls"),
    "next_hops": ("connections", "messages_per_connection", "messages_per_minute"),
}
"""Tables by name, with the fields that are told of each entry."""
_COUNTED = ("users", "aliases")


def words() -> frozenset[str]:
    """The names of settings, which look like those of hosts."""
    return frozenset((*NODE, *SITE))


def configuration(node: NodeSettings, document: Mapping[str, Any] | None) -> Iterator[Table]:
    """This node's settings in force; of the site's what was set."""
    settings = plain(node)
    assert isinstance(settings, dict)
    title = f"Node {node.name}: node.toml"
    yield Table(title=title, heads=("", ""), rows=tuple(_told(settings, NODE)))
    if document is not None:
        rows = (*_told(document, SITE), *_counted(document), *_entries(document))
        yield Table(title="The site, where it differs from the usual", heads=("", ""), rows=rows)


def _told(document: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        value: object = document
        for key in name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None and value not in ([], ""):
            yield name, _text(value)


def _counted(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _COUNTED:
        yield name, f"{len(document.get(name, {})):,}"


def _entries(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for table, fields in _EACH.items():
        for key, entry in sorted(document.get(table, {}).items()):
            said = [f"{field} = {_text(entry[field])}" for field in fields if field in entry]
            yield visible(f"{table}: {key}", _VALUE), "; ".join(said)


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(one)}" for key, one in value.items())
    return visible(str(value), _VALUE)
