"""Addresses of network interfaces, as the kernel's tables have them, through netlink."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import NamedTuple

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from appliance.vip.binder import BinderFailed, VirtualAddress
from appliance.vip.interface import interface_index

LIFETIME = 2
"""Seconds after which the kernel drops an address by itself, unless it is renewed.

So long two nodes may have it when nobody was left alive to remove it. It outlasts the moments in
which the kernel has no time for a renewal.
"""

_IFA_F_NODAD = 0x02


class Done(NamedTuple):
    """Those for which the answer was yes, and those that failed."""

    those: tuple[VirtualAddress, ...]
    failures: Mapping[VirtualAddress, BinderFailed]


class AddressTable:
    """Adds and removes addresses; to be used and closed in one thread, without a running loop.

    What fails for one address is done for the others before it is raised.
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

    def add(self, addresses: Iterable[VirtualAddress]) -> None:
        """Add them, or renew their lifetime; raises BinderFailed if one cannot be added.

        An IPv6 address is used at once, without Duplicate Address Detection (a second or more):
        the election has decided whose it is. It is deprecated from the start (RFC 4862 §5.5.4):
        it serves whoever asks for it, but is no source of connections that could not move with it.
        """
        _all(_each(addresses, self._add))

    def renew(self, addresses: Iterable[VirtualAddress]) -> Done:
        """As `add`; says which somebody had removed, and which could not be renewed."""
        there = self._there()

        def absent(one: VirtualAddress) -> bool:
            self._add(one)
            named = (interface_index(one.interface), str(one.address), one.prefix)
            return there is not None and named not in there

        return _each(addresses, absent)

    def remove(self, addresses: Iterable[VirtualAddress]) -> tuple[VirtualAddress, ...]:
        """Remove them; returns those that were there; raises BinderFailed if one may still be."""
        return _all(_each(addresses, self._remove))

    def _there(self) -> set[tuple[int, str, int]] | None:
        """All that interfaces have by now; None if that changed while it was listed."""
        try:
            return {
                (each["index"], each.get("local") or each.get("address"), each["prefixlen"])
                for each in self._route.get_addr()
            }
        except NetlinkDumpInterrupted:
            return None

    def _add(self, one: VirtualAddress) -> bool:
        if one.address.version == 6:
            self._change("replace", one, preferred=0, valid=LIFETIME, flags=_IFA_F_NODAD)
        else:
            self._change("replace", one, preferred=LIFETIME, valid=LIFETIME)
        return True

    def _remove(self, one: VirtualAddress) -> bool:
        if one.interface not in (name for _, name in socket.if_nameindex()):
            return False
        try:
            self._change("del", one)
        except _Refused as error:
            if error.code in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return False
            raise
        return True

    def _change(self, command: str, one: VirtualAddress, **options: int) -> None:
        index = interface_index(one.interface)
        family = socket.AF_INET if one.address.version == 4 else socket.AF_INET6
        try:
            self._route.addr(
                command,
                index=index,
                family=family,
                address=str(one.address),
                prefixlen=one.prefix,
                **options,
            )
        except NetlinkError as error:
            raise _Refused(command, one, error.code) from None


def _each(addresses: Iterable[VirtualAddress], change: Callable[[VirtualAddress], bool]) -> Done:
    those, failures = [], {}
    for one in addresses:
        try:
            if change(one):
                those.append(one)
        except BinderFailed as error:
            failures[one] = error
    return Done(tuple(those), failures)


def _all(done: Done) -> tuple[VirtualAddress, ...]:
    if done.failures:
        raise next(iter(done.failures.values()))
    return done.those


class _Refused(BinderFailed):
    """The kernel's answer to a change."""

    def __init__(self, command: str, one: VirtualAddress, code: int) -> None:
        hint = ""
        if code == errno.EPERM:
            hint = "it takes CAP_NET_ADMIN: run as root, or with this capability"
        elif code == errno.EACCES and one.address.version == 6:
            hint = f"IPv6 is switched off at {one.interface}"
        verb = "remove" if command == "del" else "hold"
        why = f"cannot {verb} {one}/{one.prefix} at {one.interface}: {os.strerror(code)}"
        super().__init__(why, hint)
        self.code = code
