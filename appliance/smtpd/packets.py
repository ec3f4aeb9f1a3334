"""Which packets never reach a listening socket: classic BPF (the kernel's networking/filter.rst).

The kernel drops what the filter of a socket does not want before there is a connection, so it costs
the process nothing, however much comes.
"""

from __future__ import annotations

import ctypes
import ipaddress
import socket
import struct
from collections.abc import Iterable

_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_IP_HEADER = 0xFFF00000  # SKF_NET_OFF
_ALL = 0xFFFFFFFF
_SOURCE = {4: (12,), 6: (8, 12)}
"""Where the words of the source stand (RFC 791 §3.1, RFC 8200 §3); of IPv6 those of its /64."""


def keep_out(listening: socket.socket, clients: Iterable[str]) -> None:
    """Take packets from all others than these addresses; raises OSError.

    Of an IPv6 address its /64 is meant. Connections that are there, accepted or not, go on.
    """
    version = 6 if listening.family == socket.AF_INET6 else 4
    filtered = program(version, clients)
    steps = ctypes.create_string_buffer(filtered, len(filtered))
    # struct sock_fprog (linux/filter.h); the kernel makes its own of it before it returns.
    described = struct.pack("HP", len(filtered) // 8, ctypes.addressof(steps))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)


def program(version: int, clients: Iterable[str]) -> bytes:
    """The filter of a socket of that version of IP: clients of the other one can't come there."""
    addresses = (ipaddress.ip_address(one) for one in clients)
    steps = [_drop(one) for one in addresses if one.version == version]
    return b"".join(steps) + _step(_RETURN, value=_ALL)


def _drop(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bytes:
    offsets = _SOURCE[address.version]
    steps = []
    for number, offset in enumerate(offsets):
        (word,) = struct.unpack_from(">I", address.packed, 4 * number)
        rest = 2 * (len(offsets) - number) - 1  # to be skipped if this word is another
        steps += [_step(_LOAD, value=_IP_HEADER + offset), _step(_JUMP_IF_EQUAL, rest, word)]
    return b"".join((*steps, _step(_RETURN, value=0)))


def _step(code: int, else_skip: int = 0, value: int = 0) -> bytes:
    return struct.pack("HBBI", code, 0, else_skip, value)  # struct sock_filter
