"""Telling the neighbours where a virtual address is now, and asking whether they have it too."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

from appliance.vip import arp, ndp
from appliance.vip.binder import Address, VirtualAddress

ETHERNET = 1  # ARPHRD_ETHER


def frames(address: Address, hardware: bytes) -> tuple[bytes, ...]:
    """What is sent for `address` from the interface with `hardware`, in order.

    The announcements come first: they end an outage. The probe finds a second holder of the
    address, which is answered for by `watch`.
    """
    if isinstance(address, IPv4Address):
        return (
            arp.gratuitous_request(address, hardware),
            arp.gratuitous_reply(address, hardware),
            arp.probe(address, hardware),
        )
    return ndp.unsolicited_advertisement(address, hardware), ndp.probe(address, hardware)


class Announcer:
    """Sends frames by sockets that it keeps: to close one takes the kernel 10 ms.

    Not for the loop's thread.
    """

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def tell(self, one: VirtualAddress) -> None:
        """Announce it and probe for it, once; raises OSError."""
        sender = self._sockets.get(one.interface)
        if sender is None:
            sender = self._sockets[one.interface] = _socket(one.interface)
        _, _, _, kind, hardware = sender.getsockname()
        if kind != ETHERNET:
            return  # a loopback interface, a tunnel: nobody there asks who has an address
        try:
            for frame in frames(one.address, hardware):
                sender.send(frame)
        except OSError:  # perhaps another interface has the name now
            del self._sockets[one.interface]
            sender.close()
            raise

    def close(self) -> None:
        while self._sockets:
            self._sockets.popitem()[1].close()


def _socket(interface: str) -> socket.socket:
    # Protocol 0: it receives nothing.
    made = socket.socket(
        socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0
    )
    try:
        made.bind((interface, 0))
    except OSError:
        made.close()
        raise
    return made
