"""What operators have paused: registers of both nodes, by domain or next hop."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.config.pools import normal_hop
from appliance.config.units import Hostname, Wrong
from appliance.decoding import from_json
from appliance.mail.address import normal_domain

TABLE = "pauses"
"""The registers' table; their keys are what is paused: "example.org" or "192.0.2.25:25"."""
REASON_LIMIT = 500
"""Characters."""


class Pause(msgspec.Struct, frozen=True):
    """Why it is paused, by whom, and since when (wall-clock milliseconds, for people)."""

    reason: str
    by: str
    at: int


class Pauses(msgspec.Struct, frozen=True):
    """All of them: recipient domains as routing knows them, next hops as delivery names them."""

    domains: frozenset[str] = frozenset()
    hops: frozenset[str] = frozenset()


def paused_name(what: str) -> str:
    """The key for a domain or "host:port"; raises Wrong."""
    if ":" in what:
        return normal_hop(what)
    try:
        return normal_domain(Hostname.parse(what))
    except Wrong as error:
        hint = 'write a domain, "example.org", or a next hop, "192.0.2.25:25"'
        raise Wrong(str(error), hint) from None


def pauses(table: Mapping[str, bytes]) -> Pauses:
    """What is paused; every key counts, whatever its value says."""
    hops = frozenset(key for key in table if ":" in key)
    return Pauses(frozenset(table) - hops, hops)


def read(value: bytes) -> Pause:
    """A register's value; one that is not understood is a pause all the same."""
    try:
        return from_json(value, Pause)
    except msgspec.DecodeError:
        return Pause("", "", 0)
