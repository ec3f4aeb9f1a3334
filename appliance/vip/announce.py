"""Telling the neighbours where a virtual address is now, and asking whether they have it too."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

from appliance.vip import arp, ndp
from appliance.vip.binder import Address, VirtualAddress
from appliance.vip.interface import source_address

ETHERNET = 1  # ARPHRD_ETHER


def announcements(address: Address, hardware: bytes) -> tuple[bytes, ...]:
    """The frames that tell the neighbours of the interface with `hardware`."""
    if isinstance(address, IPv4Address):
        return (
            arp.gratuitous_request(address, hardware),
            arp.gratuitous_reply(address, hardware),
        )
    return (ndp.unsolicited_advertisement(address, hardware),)


class Announcer:
    """Sends frames by sockets that it keeps: to close one takes the kernel 10 ms.

    Not for the loop's thread.
    """

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}

    def tell(self, one: VirtualAddress) -> None:
        """Announce it and probe for it, once; raises OSError.

        The announcements come first: they end an outage. The probe finds a second holder of the
        address; `watch` hears the answer.
        """
        sender = self._sockets.get(one.interface)
        if sender is None:
            sender = self._sockets[one.interface] = _socket(one.interface)
        _, _, _, kind, hardware = sender.getsockname()
        if kind != ETHERNET:
            return  # a loopback interface, a tunnel: nobody there asks who has an address
        try:
            for frame in announcements(one.address, hardware):
                sender.send(frame)
            if (probe := _probe(one, hardware)) is not None:
                sender.send(probe)
        except OSError:  # perhaps another interface has the name now
            del self._sockets[one.interface]
            sender.close()
            raise

    def close(self) -> None:
        while self._sockets:
            self._sockets.popitem()[1].close()


def _probe(one: VirtualAddress, hardware: bytes) -> bytes | None:
    """None where nobody could answer: there is no address to answer to."""
    if isinstance(one.address, IPv4Address):
        return arp.probe(one.address, hardware)
    source = source_address(one.interface)
    if source is None or source == one.address:
        return None
    return ndp.probe(one.address, hardware, source)


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
