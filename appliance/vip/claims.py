"""Hearing which machines say that they have an address: ARP and Neighbor Advertisements."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable

from appliance.vip import arp, ndp
from appliance.vip.binder import Address

Claim = tuple[Address, bytes]
"""An address, and the hardware address that somebody gives for it."""

_KIND = socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
_ETHERTYPE_ARP = 0x0806
_ICMP6_FILTER = 1
_BLOCK_ALL = 0xFFFFFFFF
_AT_ONCE = 32  # packets before the loop gets its turn: a storm must not starve the heartbeat


class Ear:
    """Calls `hear` in the running loop for each claim that `receive` gets from its socket."""

    def __init__(
        self,
        ear: socket.socket,
        receive: Callable[[socket.socket], Claim | None],
        hear: Callable[[Address, bytes], None],
    ) -> None:
        self._socket = ear
        self._receive = receive
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(ear, self._readable)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                claim = self._receive(self._socket)
            except OSError:  # nothing more; or the interface is down, which is watched
                return
            if claim is not None:
                self._hear(*claim)


def arp_ear(interface: str, hear: Callable[[Address, bytes], None]) -> Ear:
    """Hears ARP requests and replies that are broadcast, or for us; raises OSError."""
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | _KIND, 0)
    try:
        ear.bind((interface, _ETHERTYPE_ARP))
    except OSError:
        ear.close()
        raise
    return Ear(ear, _arp_claim, hear)


def neighbor_ear(interface: str, hear: Callable[[Address, bytes], None]) -> Ear:
    """Hears Neighbor Advertisements to all nodes, or to us; raises OSError."""
    ear = socket.socket(socket.AF_INET6, socket.SOCK_RAW | _KIND, socket.IPPROTO_ICMPV6)
    try:
        ear.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _only(ndp.ADVERTISEMENT))
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    except OSError:
        ear.close()
        raise
    return Ear(ear, _neighbor_claim, hear)


def _arp_claim(ear: socket.socket) -> Claim | None:
    return arp.claim(ear.recv(64))


def _neighbor_claim(ear: socket.socket) -> Claim | None:
    message, ancillary, _, _ = ear.recvmsg(1500, socket.CMSG_SPACE(4))
    limits = [
        int.from_bytes(data, sys.byteorder)
        for level, kind, data in ancillary
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT)
    ]
    return ndp.claim(message) if limits == [ndp.HOP_LIMIT] else None


def _only(kind: int) -> bytes:
    """An ICMPv6 filter that lets one type pass (RFC 3542 §3.2): a bit that is set blocks."""
    words = [_BLOCK_ALL] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("=8I", *words)
