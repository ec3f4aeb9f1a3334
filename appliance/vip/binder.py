"""What the failover driver asks of whoever holds the virtual addresses on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

import msgspec

Address = IPv4Address | IPv6Address


class VirtualAddress(msgspec.Struct, frozen=True):
    """An address that moves, the length of its prefix, and the interface that gets it.

    `interface` is "" where none is configured: the loopback binder needs none.
    """

    address: Address
    prefix: int
    interface: str = ""

    def __str__(self) -> str:
        return str(self.address)


class BinderFailed(Exception):
    """An address could not be taken or given up; `hint` says what to do about it."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


class Binder(Protocol):
    """Holds virtual addresses for this node while it is Active for them.

    Calls come one at a time, each after the one before has returned, for all addresses of a
    virtual router at once; doing again what is done already is no error. Whatever it holds is
    gone when the process ends, or very soon after.
    """

    async def start(self) -> None:
        """Get ready, and give up what an earlier life of this process left held.

        Raises BinderFailed if it will never be able to hold an address as things are.
        """

    async def acquire(self, addresses: Sequence[VirtualAddress]) -> None:
        """Hold all of them on return; raises BinderFailed, and then holds none of them."""

    async def release(self, addresses: Sequence[VirtualAddress]) -> None:
        """Hold none of them on return; raises BinderFailed if one may still be held."""

    def announce(self, addresses: Sequence[VirtualAddress]) -> None:
        """Tell the neighbours where they are: gratuitous ARP, unsolicited NA; once, never raises.

        When to repeat it is the router's to say.
        """

    def close(self) -> None:
        """Give up what is held, as well as it goes; nothing is called after it."""


class Sightings(Protocol):
    """Who is told what `watch` sees; called on the loop's thread."""

    def carrier(self, interface: str, up: bool) -> None:
        """The interface has a carrier and is up, or not; at the start once for each."""

    def foreign(self, address: Address, hardware: str) -> None:
        """Another machine answers for an address that this node holds; each time it is heard."""


class Watch(Protocol):
    """Watches the interfaces of the virtual addresses until closed."""

    async def start(self) -> None:
        """Begin; raises BinderFailed."""

    def close(self) -> None:
        """End."""
