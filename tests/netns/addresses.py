"""What the tests of binder and watch share: the virtual addresses of the lab, and who has them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address

import msgspec

from appliance.vip.announce import Announcer
from appliance.vip.binder import Address, VirtualAddress
from appliance.vip.interface import hardware_address
from tests.netns.lab import PREFIX, PREFIX6, VIRTUAL, VIRTUAL6, Host
from tests.pair.harness import until

IPV4 = VirtualAddress(ip_address(VIRTUAL), PREFIX, "eth0")
IPV6 = VirtualAddress(ip_address(VIRTUAL6), PREFIX6, "eth0")
BOTH = (IPV4, IPV6)


class Assigned(msgspec.Struct, frozen=True):
    """What `ip -json address` says of an address. Lifetimes in seconds."""

    local: str
    prefixlen: int
    valid_life_time: int
    tentative: bool = False
    deprecated: bool = False


class _Interface(msgspec.Struct):
    addr_info: list[Assigned]


def assigned(host: Host) -> dict[Address, Assigned]:
    """The virtual addresses that a host has."""
    told = host.namespace.run("ip", "-json", "address", "show", "dev", "eth0")
    interfaces = msgspec.json.decode(told, type=list[_Interface])
    those = {ip_address(one.local): one for each in interfaces for one in each.addr_info}
    return {one.address: those[one.address] for one in BOTH if one.address in those}


async def until_assigned(host: Host, *addresses: VirtualAddress) -> None:
    """Wait until it has these of the virtual addresses and no other."""
    wanted = {one.address for one in addresses}

    async def equal() -> bool:
        return (await asyncio.to_thread(assigned, host)).keys() == wanted

    await until(equal, f"{host.name} has {wanted or 'no virtual address'}")


def assign(host: Host, addresses: Collection[VirtualAddress] = BOTH) -> None:
    """As an operator would, or a machine that is configured wrongly."""
    for one in addresses:
        host.namespace.run("ip", "address", "add", f"{one}/{one.prefix}", "dev", "eth0", "nodad")


def withdraw(host: Host, addresses: Collection[VirtualAddress] = BOTH) -> None:
    """As somebody who does not know better."""
    for one in addresses:
        host.namespace.run("ip", "address", "del", f"{one}/{one.prefix}", "dev", "eth0")


def announce(host: Host, *addresses: VirtualAddress) -> None:
    """Say in a host's name that it has them."""
    with host.namespace.entered():
        announcer = Announcer()
        for one in addresses:
            announcer.tell(one)
        announcer.close()


def send(host: Host, frames: Iterable[bytes], interface: str = "eth0") -> None:
    """Let a host send these."""
    with (
        host.namespace.entered(),
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender,
    ):
        sender.bind((interface, 0))
        for frame in frames:
            sender.send(frame)


def hardware(host: Host) -> str:
    """Its Ethernet address at the front."""
    with host.namespace.entered():
        return hardware_address("eth0").hex(":")
