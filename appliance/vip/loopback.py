"""Holding addresses of 127.0.0.0/8, which need nobody's leave: the demo's virtual addresses.

Linux lets every process bind them, on both nodes of a pair on one machine. So whoever has bound
and listens at one port of such an address, which no second process can, holds it; servers at its
other ports go by what the failover process says it holds.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from appliance.vip.binder import Address, BinderFailed, VirtualAddress

LOCK_PORT = 2529


class LoopbackBinder:
    """A `Binder` of loopback addresses by one listening socket each at `port`.

    The kernel closes the sockets with the process: nothing is left behind by a crash. Without
    SO_REUSEADDR and SO_REUSEPORT, which would hide that two nodes are Active.
    """

    def __init__(self, addresses: Sequence[VirtualAddress], port: int = LOCK_PORT) -> None:
        self._addresses = tuple(addresses)
        self._port = port
        self._locks: dict[Address, socket.socket] = {}

    async def start(self) -> None:
        """Find out that the addresses are loopback ones; raises BinderFailed."""
        for one in self._addresses:
            if not one.address.is_loopback:
                raise BinderFailed(
                    f"{one} is not a loopback address",
                    'binder = "netlink" holds addresses on a network',
                )
            self._listening(one.address, port=0).close()

    async def acquire(self, addresses: Sequence[VirtualAddress]) -> None:
        taken: dict[Address, socket.socket] = {}
        try:
            for one in addresses:
                if one.address not in self._locks:
                    taken[one.address] = self._listening(one.address, self._port)
        except BinderFailed:
            for lock in taken.values():
                lock.close()
            await self.release(addresses)
            raise
        self._locks |= taken

    async def release(self, addresses: Sequence[VirtualAddress]) -> None:
        for one in addresses:
            if lock := self._locks.pop(one.address, None):
                lock.close()

    def announce(self, addresses: Sequence[VirtualAddress]) -> None:
        """There are no neighbours to tell."""

    def close(self) -> None:
        while self._locks:
            self._locks.popitem()[1].close()

    def _listening(self, address: Address, port: int) -> socket.socket:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        lock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            lock.bind((str(address), port))
            lock.listen()
        except OSError as error:
            lock.close()
            raise BinderFailed(
                f"cannot listen at {address} port {port}: {error.strerror}",
                "another node on this machine holds it"
                if error.errno == errno.EADDRINUSE
                else "only addresses that this machine has can be held like this",
            ) from None
        return lock
