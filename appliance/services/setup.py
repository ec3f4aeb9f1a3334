"""This machine as somebody who sets it up has to know it (`control.setup.Machine`)."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from appliance.config.units import Address, NumericEndpoint
from appliance.control.schema_setup import CheckView, InterfaceView
from appliance.trust.clock import implausible, moment

_ZONES = "/zoneinfo/"
_DISCARD = 9  # RFC 863: any port; nobody has to listen there
_LOOPBACK, _LOWER_UP = 0x8, 0x10000  # linux/if.h
# States of a neighbour, linux/neighbour.h: somebody answered now, or not long ago.
_ANSWERED = 0x02 | 0x04 | 0x08 | 0x10
_FAILED = 0x20
_PATIENCE = 4.0
"""Seconds: the kernel asks three times, a second apart."""
_CONNECT = 3.0


class ThisMachine:
    """Asks the kernel; needs no rights."""

    def __init__(self, localtime: Path = Path("/etc/localtime")) -> None:
        self._localtime = localtime

    def interfaces(self) -> Sequence[InterfaceView]:
        with IPRoute() as route:
            addresses: dict[int, list[str]] = {}
            for one in route.get_addr():
                address = one.get("local") or one.get("address")
                addresses.setdefault(one["index"], []).append(f"{address}/{one['prefixlen']}")
            return [
                InterfaceView(
                    name=one.get("ifname"),
                    hardware=one.get("address") or "",
                    carrier=bool(one["flags"] & _LOWER_UP),
                    addresses=tuple(addresses.get(one["index"], ())),
                )
                for one in route.get_links()
                if not one["flags"] & _LOOPBACK
            ]

    def time_zone(self) -> str:
        with suppress(OSError):
            return os.readlink(self._localtime).partition(_ZONES)[2]
        return ""

    async def in_use(self, address: str) -> CheckView:
        return await asyncio.to_thread(_in_use, ipaddress.ip_address(address))

    async def answers(self, endpoint: NumericEndpoint) -> CheckView:
        what = f"{endpoint} answers"
        try:
            async with asyncio.timeout(_CONNECT):
                _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        except ConnectionRefusedError:
            hint = "start Twinpost there, or look at the port"
            text = "the machine is there, and nobody listens at that port"
            return CheckView(what=what, ok=False, text=text, hint=hint)
        except OSError as error:  # TimeoutError too
            if error.errno == errno.ENETUNREACH:
                text = "nobody can tell before this machine has its address"
                return CheckView(what=what, ok=None, text=text)
            hint = "is it switched on, in the same network, and is the address right?"
            text = f"no answer: {error.strerror or 'not in time'}"
            return CheckView(what=what, ok=False, text=text, hint=hint)
        writer.close()
        return CheckView(what=what, ok=True, text="somebody listens there")


def clock_problem(now: int) -> str:
    """Why a clock that shows `now` can't be right, "" if it may be."""
    return implausible(moment(now))


def _in_use(address: Address) -> CheckView:
    what = f"{address} is free"
    with IPRoute() as route:
        own = {one.get("local") or one.get("address") for one in route.get_addr()}
        if str(address) in own:
            return CheckView(what=what, ok=True, text="this machine has it itself")
        index = _on_link(route, address)
        if index is None:
            text = "nobody can tell: it is in no network of this machine"
            return CheckView(what=what, ok=None, text=text, hint="look at address and prefix")
        state, hardware = _asked(route, address, index)
    if state & _ANSWERED:
        text = f"another machine has it, with the hardware address {hardware}"
        hint = "choose another one, or take it from that machine"
        return CheckView(what=what, ok=False, text=text, hint=hint)
    return CheckView(what=what, ok=True, text="nobody answers for it")


def _on_link(route: IPRoute, address: Address) -> int | None:
    """The interface in whose network the address lies; None if it lies in none."""
    try:
        found = route.route("get", dst=str(address))[0]
    except NetlinkError:
        return None
    index: int = found.get("oif")
    flags = route.get_links(index)[0]["flags"]
    return None if found.get("gateway") or flags & _LOOPBACK else index


def _asked(route: IPRoute, address: Address, index: int) -> tuple[int, str]:
    """Have the kernel ask for the address (ARP, RFC 826; RFC 4861); state and hardware address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        with suppress(OSError):
            any_socket.sendto(b"", (str(address), _DISCARD))
        end = time.monotonic() + _PATIENCE
        state, hardware = 0, ""
        while time.monotonic() < end and not state & (_ANSWERED | _FAILED):
            time.sleep(0.05)
            for one in route.get_neighbours(family=family, ifindex=index):
                if one.get("dst") == str(address):
                    state, hardware = one["state"], one.get("lladdr") or ""
    return state, hardware
