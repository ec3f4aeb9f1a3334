"""Addresses of network interfaces, as the kernel's tables have them, through netlink."""

from __future__ import annotations

import errno
import os
import socket
from types import TracebackType

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from appliance.vip.binder import BinderFailed, VirtualAddress

LIFETIME = 3
"""Seconds after which the kernel drops an address by itself, unless it is renewed."""

_IFA_F_NODAD = 0x02
_NO_PRIVILEGE = "it takes CAP_NET_ADMIN: run as root, or with this capability"


class AddressTable:
    """Adds and removes addresses; to be used and closed in one thread, without a running loop.

    A call takes less than a millisecond unless somebody else makes the kernel wait (its lock is
    one for all changes of interfaces, addresses and routes), so not in the loop's thread.
    """

    def __init__(self) -> None:
        """Raises BinderFailed where there is no netlink."""
        try:
            self._route = IPRoute()
        except OSError as error:
            raise BinderFailed(f"no netlink socket: {error.strerror}") from None

    def __enter__(self) -> AddressTable:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """The addresses stay until their lifetime has run out."""
        self._route.close()

    def add(self, one: VirtualAddress, lifetime: int = LIFETIME) -> None:
        """Add it, or renew its `lifetime` (seconds); raises BinderFailed.

        An IPv6 address is used at once, without Duplicate Address Detection (a second or more):
        the election has decided whose it is. It is deprecated from the start (RFC 4862 §5.5.4),
        so it serves who asks for it but is no source of connections that would not move with it.
        """
        version_6 = one.address.version == 6
        options: dict[str, int] = {"flags": _IFA_F_NODAD} if version_6 else {}
        try:
            self._route.addr(
                "replace",
                **_named(one),
                preferred=0 if version_6 else lifetime,
                valid=lifetime,
                **options,
            )
        except NetlinkError as error:
            raise _failed("add", one, error.code) from None

    def remove(self, one: VirtualAddress) -> bool:
        """Remove it; False if it is not there. Raises BinderFailed if it may still be there."""
        if one.interface not in (name for _, name in socket.if_nameindex()):
            return False
        try:
            self._route.addr("del", **_named(one))
        except NetlinkError as error:
            if error.code in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return False
            raise _failed("remove", one, error.code) from None
        return True


def interface_index(name: str) -> int:
    """The kernel's number for it; raises BinderFailed if there is no such interface."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        names = ", ".join(each for _, each in socket.if_nameindex())
        raise BinderFailed(
            f"there is no interface {name!r}", f"this machine has: {names}"
        ) from None


def _named(one: VirtualAddress) -> dict[str, str | int]:
    """How netlink names it; raises BinderFailed."""
    return {
        "index": interface_index(one.interface),
        "family": socket.AF_INET if one.address.version == 4 else socket.AF_INET6,
        "address": str(one.address),
        "prefixlen": one.prefix,
    }


def _failed(verb: str, one: VirtualAddress, code: int) -> BinderFailed:
    hint = ""
    if code == errno.EPERM:
        hint = _NO_PRIVILEGE
    elif code == errno.EACCES and one.address.version == 6:
        hint = f"IPv6 is switched off at {one.interface}"
    return BinderFailed(
        f"cannot {verb} {one}/{one.prefix} at {one.interface}: {os.strerror(code)}", hint
    )
