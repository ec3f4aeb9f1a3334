"""Values as people write them in TOML: durations, sizes, endpoints, networks, names.

Each is a `str` or `int` that was checked when it was made, so it needs no unwrapping later.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_NUMBER_UNIT = re.compile(r"(\d+) ?([A-Za-z]*)\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_INTERFACE = re.compile(r"[!-.0-9;-~]{1,15}\Z")  # dev_valid_name() in Linux, ASCII only
_LOCAL_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?\Z")


class Wrong(ValueError):
    """A value that cannot stand in a settings file; `hint` says what to write instead."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class Duration(int):
    """A length of time in milliseconds, written "300ms", "90s", "10m", "2h" or "5d"."""

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Raises Wrong; a bare number is refused because it does not say its unit."""
        hint = 'write a number and a unit, for example "300ms", "90s", "10m", "2h" or "5d"'
        return cls(_scaled(value, _DURATION_UNITS, "a duration", hint))

    def __str__(self) -> str:
        return _spelled(self, _DURATION_UNITS)

    @property
    def seconds(self) -> float:
        """The same in seconds, as asyncio wants it."""
        return int(self) / 1000


class Size(int):
    """A number of bytes, written 4096, "256KiB", "50MiB" or "2GiB"."""

    @classmethod
    def parse(cls, value: object) -> Size:
        """Raises Wrong."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        hint = 'write a number of bytes, or for example "256KiB", "50MiB" or "2GiB"'
        return cls(_scaled(value, _SIZE_UNITS, "a size", hint))

    def __str__(self) -> str:
        return _spelled(self, {unit: factor for unit, factor in _SIZE_UNITS.items() if unit != "B"})


class Endpoint(str):
    """Where to listen or connect: "127.0.0.1:2525", "[::1]:2525" or "relay.example:25"."""

    @classmethod
    def parse(cls, value: object) -> Endpoint:
        """Raises Wrong."""
        text = _text(value, "an address with a port")
        host, colon, port = text.rpartition(":")
        hint = 'write host:port, for example "127.0.0.1:2525" or "[::1]:2525"'
        if not colon or not host:
            raise Wrong(f"{text!r} names no port", hint)
        if not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise Wrong(f"{port!r} is no port number (0 to 65535)", hint)
        if host.startswith("[") and host.endswith("]"):
            _address(host[1:-1], hint)
        elif ":" in host:
            raise Wrong(f"an IPv6 address needs brackets before its port: {text!r}", hint)
        elif re.fullmatch(r"[0-9.]+", host):
            _address(host, hint)
        else:
            Hostname.parse(host)
        return cls(text)

    @property
    def host(self) -> str:
        """The host or address, without brackets."""
        return self.rpartition(":")[0].removeprefix("[").removesuffix("]")

    @property
    def address(self) -> Address | None:
        """The host as an address, None if it is a name."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def port(self) -> int:
        """The port."""
        return int(self.rpartition(":")[2])


class NumericEndpoint(Endpoint):
    """An endpoint whose host is an IP address: a node asks no DNS to listen or to find its peer."""

    @classmethod
    def parse(cls, value: object) -> NumericEndpoint:
        """Raises Wrong."""
        endpoint = cls(Endpoint.parse(value))
        _address(
            endpoint.host, 'a node asks no DNS: write its IP address, for example "192.0.2.11:25"'
        )
        return endpoint

    @property
    def address(self) -> Address:
        """The host."""
        return ipaddress.ip_address(self.host)


class NumericAddress(str):
    """The address of a machine, "192.0.2.7" or "2001:db8::7"."""

    @classmethod
    def parse(cls, value: object) -> NumericAddress:
        """Raises Wrong."""
        text = _text(value, "an address")
        hint = 'write it like "192.0.2.7" or "2001:db8::7"'
        _address(text, hint)
        if "%" in text:  # a zone may be any text
            raise Wrong(f"{text!r} is good on one interface only", hint)
        return cls(ipaddress.ip_address(text))


class Network(str):
    """A network "10.1.0.0/16", "2001:db8::/32", or one address."""

    @classmethod
    def parse(cls, value: object) -> Network:
        """Raises Wrong, also when bits are set to the right of the prefix."""
        text = _text(value, "a network")
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            hint = 'write it like "10.1.0.0/16", "2001:db8::/32" or "192.0.2.7"'
            raise Wrong(str(error), hint) from None
        return cls(text)

    @property
    def network(self) -> IpNetwork:
        """The same as a network object."""
        return ipaddress.ip_network(self)


class AddressWithPrefix(str):
    """An address as an interface has it, "192.0.2.10/24"; alone it is the whole network."""

    @classmethod
    def parse(cls, value: object) -> AddressWithPrefix:
        """Raises Wrong."""
        text = _text(value, "an address")
        try:
            ipaddress.ip_interface(text)
        except ValueError:
            hint = 'write it like "192.0.2.10/24" or "2001:db8::10/64"'
            raise Wrong(f"{text!r} is no IP address", hint) from None
        return cls(text)

    @property
    def address(self) -> Address:
        """The address alone."""
        return ipaddress.ip_interface(self).ip

    @property
    def prefix(self) -> int:
        """The length of the prefix."""
        return ipaddress.ip_interface(self).network.prefixlen


class InterfaceName(str):
    """The name of a network interface, "eth0"."""

    @classmethod
    def parse(cls, value: object) -> InterfaceName:
        """Raises Wrong."""
        text = _text(value, "the name of an interface")
        if not _INTERFACE.match(text) or text in (".", ".."):
            raise Wrong(f"{text!r} is no name of an interface", "`ip link` shows them")
        return cls(text)


class Hostname(str):
    """A host or domain name (RFC 5321 §2.3.5), lower case, without a trailing dot."""

    @classmethod
    def parse(cls, value: object) -> Hostname:
        """Raises Wrong. A name with non-ASCII letters is kept (RFC 6531)."""
        text = _text(value, "a domain name").lower()
        hint = 'write it like "mail.example.org"'
        if len(text) > 255:
            raise Wrong("a domain name has at most 255 octets (RFC 5321 §4.5.3.1.2)", hint)
        for label in text.split("."):
            if not (_LABEL.match(label) or (not label.isascii() and label.isprintable())):
                raise Wrong(f"{text!r} is no domain name: {label!r} cannot be a part of one", hint)
        return cls(text)


class LocalName(str):
    """The name of a node, user or mailbox: lower-case letters, digits, ".", "-", "_"."""

    @classmethod
    def parse(cls, value: object) -> LocalName:
        """Raises Wrong."""
        text = _text(value, "a name")
        if not _LOCAL_NAME.match(text) or ".." in text:
            raise Wrong(
                f"{text!r} is no name",
                'use at most 63 of "a" to "z", "0" to "9", ".", "-" and "_", no mark at either end',
            )
        return cls(text)


Unit = (
    Duration
    | Size
    | Endpoint
    | NumericAddress
    | Network
    | AddressWithPrefix
    | InterfaceName
    | Hostname
    | LocalName
)
UNITS: tuple[type[Unit], ...] = (
    Duration, Size, Endpoint, NumericEndpoint, NumericAddress, Network, AddressWithPrefix,
    InterfaceName, Hostname, LocalName,
)  # fmt: skip


def _text(value: object, wanted: str) -> str:
    if not isinstance(value, str):
        raise Wrong(f"expected {wanted} as text in quotes, got {value!r}")
    return value.strip()


def _address(text: str, hint: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise Wrong(f"{text!r} is no IP address", hint) from None


def _scaled(value: object, units: Mapping[str, int], wanted: str, hint: str) -> int:
    match = _NUMBER_UNIT.match(value.strip()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise Wrong(f"{value!r} is not {wanted}", hint)
    return int(match[1]) * units[match[2]]


def _spelled(value: int, units: Mapping[str, int]) -> str:
    """The number with the largest unit that leaves it whole."""
    unit, factor = max(
        ((unit, factor) for unit, factor in units.items() if value % factor == 0),
        key=lambda item: item[1] if value else -item[1],
    )
    return f"{int(value) // factor}{unit}"
