"""Who the client is when a balancer stands between: the PROXY protocol, version 2.

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, §2.2. Strict where the text leaves a
choice: what says nothing about a TCP client (UNSPEC, datagrams, Unix sockets) is refused, because
the connection would otherwise have the balancer's own address, and its rights.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from appliance.config.units import Address, IpNetwork

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_HEAD = struct.Struct("!12sBBH")
_TLV = struct.Struct("!BH")
_LOCAL, _PROXY = 0x20, 0x21  # version 2 and the command
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES = {_TCP4: struct.Struct("!4s4sHH"), _TCP6: struct.Struct("!16s16sHH")}
_LONGEST = 1024
"""Bytes after the fixed part: addresses, and what a balancer tells besides."""


class BadHeader(ValueError):
    """The connection does not begin with a PROXY header that can be obeyed."""


@dataclass(frozen=True)
class Header:
    """What was said: the client's address, None if it is the balancer itself (a check).

    `size` is the header's length in bytes.
    """

    client: str | None
    size: int


@dataclass(frozen=True)
class Balancers:
    """The balancers that may speak for others, and the seconds they have for the header."""

    networks: tuple[IpNetwork, ...]
    timeout: float = 5.0

    def trust(self, address: str) -> bool:
        """Whether a balancer may connect from there."""
        found = _without_mapping(ipaddress.ip_address(address))
        return any(found in network for network in self.networks)


def read_header(received: bytes | bytearray) -> Header | None:
    """The header at the start of `received`, None while it is not all there; raises BadHeader."""
    if not received.startswith(SIGNATURE[: len(received)]):
        raise BadHeader("no PROXY v2 signature")
    if len(received) < _HEAD.size:
        return None
    _, command, family, length = _HEAD.unpack_from(received)
    if command not in (_LOCAL, _PROXY):
        raise BadHeader(f"version and command {command:#04x} are unknown")
    if length > _LONGEST:
        raise BadHeader(f"{length} bytes are too many")
    if len(received) < _HEAD.size + length:
        return None
    body = bytes(received[_HEAD.size : _HEAD.size + length])
    # LOCAL: the receiver must ignore family and addresses, and use the connection's own.
    client = _client(family, body) if command == _PROXY else None
    return Header(client, _HEAD.size + length)


def _client(family: int, body: bytes) -> str:
    addresses = _ADDRESSES.get(family)
    if addresses is None:
        raise BadHeader(f"family and protocol {family:#04x} are not TCP over IP")
    if len(body) < addresses.size:
        raise BadHeader("the addresses are cut short")
    _check_additions(body[addresses.size :])
    return str(_without_mapping(ipaddress.ip_address(addresses.unpack_from(body)[0])))


def _check_additions(rest: bytes) -> None:
    """Type, length and value, one after the other: none is used, each has to be whole."""
    at = 0
    while at < len(rest):
        if at + _TLV.size > len(rest):
            raise BadHeader("an addition is cut short")
        at += _TLV.size + _TLV.unpack_from(rest, at)[1]
    if at != len(rest):
        raise BadHeader("an addition is longer than the header")


def _without_mapping(address: Address) -> Address:
    """An IPv4 client of an IPv6 socket as IPv4: networks and limits are written so."""
    return getattr(address, "ipv4_mapped", None) or address
