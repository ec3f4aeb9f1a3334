"""What the kernel says of one interface (netdevice(7))."""

from __future__ import annotations

import fcntl
import socket
import struct
from ipaddress import IPv6Address

from appliance.vip.binder import BinderFailed

_SIOCGIFFLAGS = 0x8913
_SIOCGIFHWADDR = 0x8927
_IFF_UP = 0x1
_IFF_RUNNING = 0x40  # RFC 2863 operational status up: it has a carrier, and is not dormant
_NAME_SIZE = 16
_REQUEST = struct.Struct(f"{_NAME_SIZE}s24x")
_FLAGS = struct.Struct("=H")
_HARDWARE = struct.Struct("=H6s")
_ALL_NODES = "ff02::1"
_DISCARD = 9  # RFC 863: any port, nothing is sent there


def interface_index(name: str) -> int:
    """The kernel's number for it; raises BinderFailed if there is no such interface."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        names = ", ".join(each for _, each in socket.if_nameindex())
        raise BinderFailed(f"there is no interface {name!r}", f"there are: {names}") from None


def has_carrier(name: str) -> bool:
    """Whether it is up and has a carrier; False also if there is no such interface."""
    try:
        flags: int = _FLAGS.unpack_from(_ask(_SIOCGIFFLAGS, name), _NAME_SIZE)[0]
    except OSError:
        return False
    return flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING


def hardware_address(name: str) -> bytes:
    """Its Ethernet address; raises OSError if there is no such interface."""
    _, hardware = _HARDWARE.unpack_from(_ask(_SIOCGIFHWADDR, name), _NAME_SIZE)
    return bytes(hardware)


def source_address(name: str) -> IPv6Address | None:
    """The address from which this machine speaks to IPv6 neighbours there; None if it has none."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        try:
            any_socket.connect((_ALL_NODES, _DISCARD, 0, socket.if_nametoindex(name)))
        except OSError:
            return None
        return IPv6Address(any_socket.getsockname()[0].partition("%")[0])


def _ask(request: int, name: str) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        return fcntl.ioctl(any_socket, request, _REQUEST.pack(name.encode()))
