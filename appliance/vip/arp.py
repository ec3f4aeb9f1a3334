"""The ARP packets round a virtual IPv4 address (RFC 826, RFC 5227, RFC 9568 §8.1.2): bytes only."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

BROADCAST = b"\xff" * 6

_ETHERNET = struct.Struct("!6s6sH")
_PACKET = struct.Struct("!HHBBH6s4s6s4s")
_ETHERTYPE = 0x0806
_FOR_IPV4_ON_ETHERNET = (1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2
_NOBODY = bytes(6)
_NO_ADDRESS = bytes(4)


def gratuitous_request(address: IPv4Address, hardware: bytes) -> bytes:
    """The frame of an ARP Announcement (RFC 5227 §3): all who know `address` note `hardware`."""
    own = address.packed
    return _frame(hardware, _REQUEST, own, _NOBODY, own)


def gratuitous_reply(address: IPv4Address, hardware: bytes) -> bytes:
    """The same as a reply, for those who heed only replies (RFC 5944 §4.6)."""
    own = address.packed
    return _frame(hardware, _REPLY, own, hardware, own)


def probe(address: IPv4Address, hardware: bytes) -> bytes:
    """The frame of an ARP Probe (RFC 5227 §2.1.1): whoever has `address` answers.

    It names no sender address, so it changes nobody's cache.
    """
    return _frame(hardware, _REQUEST, _NO_ADDRESS, _NOBODY, address.packed)


def claim(packet: bytes) -> tuple[IPv4Address, bytes] | None:
    """The address that the sender of this ARP packet says it has, and its hardware address.

    None from a probe and from what is no ARP for IPv4 on Ethernet. An address in a request
    counts as much as in a reply (RFC 5227 §2.4).
    """
    if len(packet) < _PACKET.size:
        return None
    *kind, operation, hardware, address, _, _ = _PACKET.unpack_from(packet)
    if tuple(kind) != _FOR_IPV4_ON_ETHERNET or operation not in (_REQUEST, _REPLY):
        return None
    return None if address == _NO_ADDRESS else (IPv4Address(address), hardware)


def _frame(hardware: bytes, operation: int, sender: bytes, target: bytes, wanted: bytes) -> bytes:
    return _ETHERNET.pack(BROADCAST, hardware, _ETHERTYPE) + _PACKET.pack(
        *_FOR_IPV4_ON_ETHERNET, operation, hardware, sender, target, wanted
    )
