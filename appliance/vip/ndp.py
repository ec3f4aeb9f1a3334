"""The Neighbor Discovery packets round a virtual IPv6 address (RFC 4861): bytes only."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

ADVERTISEMENT = 136
HOP_LIMIT = 255
"""No router passes it on: who receives 255 knows that the sender is a neighbour (§7.1)."""

_SOLICITATION = 135
_ETHERNET = struct.Struct("!6s6sH")
_ETHERTYPE = 0x86DD
_HEADER = struct.Struct("!IHBB16s16s")
_VERSION = 6 << 28
_ICMPV6 = 58
_PSEUDO = struct.Struct("!16s16sI3xB")  # RFC 8200 §8.1
_MESSAGE = struct.Struct("!BBHI16s")
_OVERRIDE = 0x20000000
_ALL_NODES = IPv6Address("ff02::1").packed
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed
_SOURCE_LINK_LAYER, _TARGET_LINK_LAYER = 1, 2


def unsolicited_advertisement(address: IPv6Address, hardware: bytes) -> bytes:
    """The frame that says where `address` is now (RFC 4861 §7.2.6): all override what they knew."""
    own = address.packed
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER, 1, hardware)
    return _frame(hardware, own, _ALL_NODES, ADVERTISEMENT, _OVERRIDE, own + option)


def probe(address: IPv6Address, hardware: bytes, source: IPv6Address) -> bytes:
    """The frame that asks for `address` (RFC 4861 §7.2.2): whoever has it answers to `source`.

    Not the one of Duplicate Address Detection: that is answered to all nodes, who would turn to
    whoever answers, be it a machine that just is not dead enough.
    """
    own = address.packed
    solicited = _SOLICITED_NODE[:13] + own[13:]
    option = struct.pack("!BB6s", _SOURCE_LINK_LAYER, 1, hardware)
    return _frame(hardware, source.packed, solicited, _SOLICITATION, 0, own + option)


def claim(message: bytes) -> tuple[IPv6Address, bytes] | None:
    """The address that this ICMPv6 message advertises, and the hardware address it gives for it.

    None from all else: not an advertisement, damaged, or without the hardware address, which one
    to all nodes has, and so has the answer to a probe (RFC 4861 §4.4). The kernel has checked the
    checksum.
    """
    if len(message) < _MESSAGE.size:
        return None
    kind, code, _, _, address = _MESSAGE.unpack_from(message)
    if kind != ADVERTISEMENT or code != 0:
        return None
    hardware = _link_layer(message[_MESSAGE.size :])
    return None if hardware is None else (IPv6Address(address), hardware)


def _link_layer(options: bytes) -> bytes | None:
    while len(options) >= 8:
        kind, size = options[0], options[1] * 8
        if size == 0:  # §7.1.2: such a message is to be discarded, and has no end
            return None
        if kind == _TARGET_LINK_LAYER and size == 8:
            return options[2:8]
        options = options[size:]
    return None


def _frame(
    hardware: bytes, source: bytes, destination: bytes, kind: int, flags: int, body: bytes
) -> bytes:
    message = struct.pack("!BBHI", kind, 0, 0, flags) + body
    pseudo = _PSEUDO.pack(source, destination, len(message), _ICMPV6)
    message = message[:2] + _checksum(pseudo + message).to_bytes(2, "big") + message[4:]
    header = _HEADER.pack(_VERSION, len(message), _ICMPV6, HOP_LIMIT, source, destination)
    multicast = b"\x33\x33" + destination[12:]  # RFC 2464 §7
    return _ETHERNET.pack(multicast, hardware, _ETHERTYPE) + header + message


def _checksum(data: bytes) -> int:
    """Of an even number of bytes (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total
