"""What whoever sets a node up has to say: in the console's wizard, or in twinpost-install.toml.

    name = "a"
    domain = "site.example"
    pair = "new"
    time_zone = "Europe/Berlin"
    keyboard = "de"
    virtual = ["192.0.2.10/24"]

    [network]
    interface = "eth0"
    address = "192.0.2.11/24"
    gateway = "192.0.2.1"

    [link]
    interface = "eth1"
    address = "10.9.9.1/30"

    [administrator]
    name = "anna"
    password = "…"

A node that joins says `pair = "join"` and [join] with `at` and `code`. Domain, virtual addresses
and administrators are the pair's: it does not say them. Nor does one with `pair = "restore"`, whose
[restore] has `file` and `key`: they are in the backup, but for the virtual addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec

from appliance.config.failover import ADVERTISEMENTS
from appliance.config.units import (
    AddressWithPrefix,
    Duration,
    Hostname,
    InterfaceName,
    LocalName,
    NumericEndpoint,
    Wrong,
)

Manner = Literal["new", "join", "later", "restore"]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_OPERATOR = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_KEYBOARD = re.compile(r"[a-z0-9_-]{2,16}(:[a-z0-9_-]{1,32})?")
_MOST_VIRTUAL = 2
_PREFIX_HINT = 'with the prefix of its network, for example "192.0.2.11/24"'
_FOREIGN: Mapping[Manner, Sequence[str]] = {
    "new": ("join", "restore"),
    "later": ("join", "restore"),
    "join": ("virtual", "domain", "administrator", "restore"),
    "restore": ("domain", "administrator", "join"),
}
"""Answers that make no sense where a node comes into being in this way."""


class NetworkAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Where clients reach this machine: an interface, its address there, the way out if any."""

    interface: InterfaceName
    address: AddressWithPrefix
    gateway: str = ""

    def __post_init__(self) -> None:
        check_own(self.address)
        if self.gateway:
            _check_gateway(self.gateway, self.address)


class PairLinkAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """A network between the two nodes alone: mostly a cable from one to the other."""

    interface: InterfaceName
    address: AddressWithPrefix

    def __post_init__(self) -> None:
        check_own(self.address)


class AdministratorAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """The first operator, who may do everything."""

    name: str
    password: str

    def __post_init__(self) -> None:
        if not _OPERATOR.fullmatch(self.name):
            hint = "a letter, then up to 31 letters, digits, dots, dashes: all lower case"
            raise Wrong(f"no operator can be called {self.name!r}", hint)
        if not self.password:
            raise Wrong("an administrator needs a password")

    def __repr__(self) -> str:
        return f"AdministratorAnswers({self.name!r}, …)"


class JoinAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Where the other node shows its pairing code, and that code."""

    at: NumericEndpoint
    code: str

    def __repr__(self) -> str:
        return f"JoinAnswers({self.at!r}, …)"


class RestoreAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """A backup, by its whole path, and the recovery key from the paper."""

    file: str
    key: str

    def __post_init__(self) -> None:
        if not self.file.startswith("/"):
            raise Wrong("the backup is missing", "its whole path, for example that on a stick")

    def __repr__(self) -> str:
        return f"RestoreAnswers({self.file!r}, …)"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node listens; nobody is asked, and nearly nobody has a reason to change them."""

    smtp: Port = 25
    submission: Port = 587
    submissions: Port = 465
    page: Port = 443
    plain: Port = 80
    link: Port = 2526
    pairing: Port = 2527
    heartbeat: Port = 2528

    def __post_init__(self) -> None:
        taken = msgspec.structs.astuple(self)
        if len(set(taken)) < len(taken):
            raise Wrong("one port has two purposes")


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """All of them.

    `pair`: begin a new pair, join the other node, stay alone until later, or come from a backup.

    `hostname` is NAME.DOMAIN unless said. `clock_step`: milliseconds by which the machine's clock
    is slow. What is "" or 0 of time zone, keyboard and clock stays as it is. `advertisements`: the
    pair's Advertisement_Interval (RFC 9568 §6.1): longer for slow machines, and a joiner takes it
    from the pair.
    """

    name: LocalName
    pair: Manner
    network: NetworkAnswers
    link: PairLinkAnswers | None = None
    virtual: tuple[AddressWithPrefix, ...] = ()
    domain: Hostname | None = None
    hostname: Hostname | None = None
    administrator: AdministratorAnswers | None = None
    join: JoinAnswers | None = None
    restore: RestoreAnswers | None = None
    time_zone: str = ""
    keyboard: str = ""
    clock_step: int = 0
    advertisements: Duration = ADVERTISEMENTS
    ports: Ports = Ports()

    def __post_init__(self) -> None:
        if "." in self.name or "_" in self.name:
            raise Wrong(f"{str(self.name)!r} is no name of a machine", "letters, digits and dashes")
        if self.time_zone and not _ZONE.fullmatch(self.time_zone):
            raise Wrong(f"{self.time_zone!r} is no time zone", 'for example "Europe/Berlin"')
        if self.keyboard and not _KEYBOARD.fullmatch(self.keyboard):
            raise Wrong(f"{self.keyboard!r} is no keyboard", 'for example "us" or "de"')
        self._check_link()
        if self.pair == "join" and self.join is None:
            raise Wrong("the code of the other node is missing", "[join] at and code")
        if self.pair == "restore" and self.restore is None:
            raise Wrong("the backup is missing", "[restore] file and key")
        for name in _FOREIGN[self.pair]:
            if getattr(self, name):
                raise Wrong(*_foreign(name, self.pair))
        if self.pair in ("new", "later"):
            self._check_first()
        if self.pair != "join":
            check_virtual(self.virtual, self.network.address)

    def _check_link(self) -> None:
        if self.link is None:
            return
        if self.link.interface == self.network.interface:
            raise Wrong(
                f"the pair link and clients have one interface, {self.network.interface}",
                "leave out [link] if there is but one: the pair link then uses it, too",
            )
        if ipaddress.ip_interface(self.link.address).network.overlaps(self._own.network):
            raise Wrong(
                f"{self.link.address} is in the network of clients",
                "a cable between the nodes has a network of its own, for example 10.9.9.0/30",
            )

    def _check_first(self) -> None:
        if self.domain is None:
            raise Wrong("the domain is missing", 'for example domain = "site.example"')
        if self.administrator is None:
            raise Wrong("the administrator is missing", "[administrator] name and password")

    @property
    def _own(self) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
        return ipaddress.ip_interface(self.network.address)


def _foreign(name: str, manner: Manner) -> tuple[str, str]:
    if name in ("join", "restore"):
        what = "a code is for a node that joins" if name == "join" else "a backup is for a restore"
        return what, f'pair = "{name}"'
    if manner == "join":
        return f"{name} is the pair's", "leave it out: the other node has it already"
    return f"{name} is in the backup", "leave it out"


def check_own(address: AddressWithPrefix) -> None:
    """Raise Wrong for what no machine can have as its own."""
    own = ipaddress.ip_interface(address)
    longest = own.max_prefixlen
    if own.network.prefixlen == longest:
        raise Wrong(f"{address} says nothing of its network", _PREFIX_HINT)
    if own.ip.is_multicast or own.ip.is_unspecified:
        raise Wrong(f"{own.ip} is no address of a machine", _PREFIX_HINT)
    ends = {own.network.network_address, own.network.broadcast_address}
    if own.version == 4 and own.network.prefixlen < longest - 1 and own.ip in ends:
        raise Wrong(f"{own.ip} is the network {own.network} itself, or all of it", _PREFIX_HINT)


def check_virtual(virtual: tuple[AddressWithPrefix, ...], own: AddressWithPrefix) -> None:
    """Raise Wrong unless `virtual` are addresses that can move between nodes at `own`'s network."""
    if not 1 <= len(virtual) <= _MOST_VIRTUAL:
        hint = "one, or two so that both nodes serve clients: each has one while both are well"
        raise Wrong(f"{len(virtual)} virtual addresses", hint)
    here = ipaddress.ip_interface(own)
    seen = {here.ip}
    for one in virtual:
        check_own(one)
        if one.address in seen:
            raise Wrong(f"{one} is there twice", "the virtual address is one more, of no machine")
        seen.add(one.address)
        if ipaddress.ip_interface(one).network != here.network:
            raise Wrong(
                f"{one} is not of the network {here.network}",
                f"clients reach it where they reach {here.ip}: the same network and prefix",
            )


def _check_gateway(gateway: str, address: AddressWithPrefix) -> None:
    try:
        found = ipaddress.ip_address(gateway)
    except ValueError:
        raise Wrong(f"gateway {gateway!r} is no IP address", 'for example "192.0.2.1"') from None
    own = ipaddress.ip_interface(address)
    if found not in own.network or found == own.ip:
        hint = "it is another machine of the same network; leave it out if there is none"
        raise Wrong(f"{gateway} is no gateway for {address}", hint)
