"""Addresses, through systemd-networkd: a change is on trial until somebody confirms it.

What is on trial lies below /run and sorts before what is kept below /etc, so that networkd takes
it first: a loss of power, a crash of this process or the end of the trial leave what was confirmed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from pyroute2 import IPRoute

from appliance.ipc.machine import (
    ConfirmNetwork,
    Done,
    InterfaceSettings,
    InterfaceState,
    NetworkTrial,
    RevertNetwork,
    SetNetwork,
)
from appliance.machine.command import Run
from appliance.machine.helper import HelperError, Operation, Tell
from appliance.machine.system import System
from appliance.monitor.events import Emit, Event

_KEPT, _TRIED = "etc/systemd/network", "run/systemd/network"
_KEPT_FILE, _TRIED_FILE = "10-twinpost-{}.network", "05-twinpost-{}.network"
_PATTERN = "05-twinpost-*.network"
_PATIENCE = 60.0
_LOOKS, _BETWEEN = 50, 0.2
_LEAST_TRIAL, _LONGEST_TRIAL = 15, 3600
_LOOPBACK, _LOWER_UP = 0x8, 0x10000  # linux/if.h


class Network:
    """The handlers; `links` tells the interfaces as they are."""

    def __init__(
        self,
        system: System,
        run: Run,
        emit: Emit,
        links: Callable[[], Sequence[InterfaceState]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._system = system
        self._run = run
        self._emit = emit
        self._links = links
        self._sleep = sleep
        self._ends = 0.0
        self._trial: asyncio.Task[None] | None = None

    def operations(self) -> Sequence[Operation[Any]]:
        """Those of this family."""
        return (
            Operation(SetNetwork, self.set, _PATIENCE, changes=True),
            Operation(ConfirmNetwork, self.confirm, _PATIENCE, changes=True),
            Operation(RevertNetwork, self.revert, _PATIENCE, changes=True),
        )

    @property
    def trial(self) -> int | None:
        """Seconds that are left of the trial, None if there is none."""
        return None if self._trial is None else max(0, int(self._ends - time.monotonic()))

    async def state(self) -> Sequence[InterfaceState]:
        """Every interface, with what is set for it."""
        return [
            InterfaceState(
                name=one.name,
                hardware=one.hardware,
                carrier=one.carrier,
                addresses=one.addresses,
                settings=self._settings(one.name),
            )
            for one in await asyncio.to_thread(self._links)
        ]

    async def begin(self) -> None:
        """Take back a trial that an earlier process did not see the end of."""
        if list((self._system.root / _TRIED).glob(_PATTERN)):
            await self._take_back()

    async def end(self) -> None:
        """Take back what is on trial."""
        if self._stop():
            await self._take_back()

    async def set(self, request: SetNetwork, tell: Tell) -> NetworkTrial:
        self._system.must_be_ours()
        if self._trial is not None:
            raise HelperError("a change of the network is on trial", "confirm it or take it back")
        if request.trial and not _LEAST_TRIAL <= request.trial <= _LONGEST_TRIAL:
            hint = f"{_LEAST_TRIAL} to {_LONGEST_TRIAL} seconds, or 0 for good"
            raise HelperError("that is no time to try a network in", hint)
        before = await self.state()
        check(request.interfaces, [one.name for one in before])
        folder, name = (_TRIED, _TRIED_FILE) if request.trial else (_KEPT, _KEPT_FILE)
        for one in request.interfaces:
            self._system.write(f"{folder}/{name.format(one.name)}", network_file(one))
        if request.trial:
            self._ends = time.monotonic() + request.trial
            self._trial = asyncio.create_task(self._until_the_end(request.trial))
        await self._reload()
        await self._settled(request.interfaces)
        return NetworkTrial(
            before=tuple(before), after=tuple(await self.state()), trial=request.trial
        )

    async def confirm(self, request: ConfirmNetwork, tell: Tell) -> Done:
        if not self._stop():
            raise HelperError("no change of the network is on trial", "see `twinpost machine`")
        for path in self._tried():
            name = path.name.removeprefix("05-twinpost-").removesuffix(".network")
            text = path.read_text("utf-8")
            self._system.write(f"{_KEPT}/{_KEPT_FILE.format(name)}", text)
            path.unlink()
        await self._reload()
        return Done("the network stays as it is now")

    async def revert(self, request: RevertNetwork, tell: Tell) -> Done:
        if not self._stop():
            raise HelperError("no change of the network is on trial", "see `twinpost machine`")
        await self._take_back()
        return Done("the network is as it was before")

    async def _until_the_end(self, seconds: float) -> None:
        await self._sleep(seconds)
        self._trial = None
        with suppress(HelperError):  # told in the journal; networkd reads its files when it starts
            await self._take_back()

    def _stop(self) -> bool:
        trial, self._trial = self._trial, None
        return trial is not None and trial.cancel()

    async def _take_back(self) -> None:
        for path in self._tried():
            path.unlink(missing_ok=True)
        self._emit(Event.NETWORK_TAKEN_BACK)
        await self._reload()

    def _tried(self) -> Sequence[Any]:
        return sorted((self._system.root / _TRIED).glob(_PATTERN))

    async def _reload(self) -> None:
        await self._run("systemctl", "start", "systemd-networkd.service")
        await self._run("networkctl", "reload")

    async def _settled(self, wanted: Sequence[InterfaceSettings]) -> None:
        """Return when interfaces have their addresses; a cable may be missing, so not for ever."""
        for _ in range(_LOOKS):
            if _have(await self.state(), wanted):
                return
            await self._sleep(_BETWEEN)

    def _settings(self, name: str) -> InterfaceSettings | None:
        for folder, file in ((_TRIED, _TRIED_FILE), (_KEPT, _KEPT_FILE)):
            if text := self._system.read(f"{folder}/{file.format(name)}"):
                return read_file(name, text)
        return None


def check(wanted: Sequence[InterfaceSettings], known: Sequence[str]) -> None:
    """Raise HelperError for what no network can be."""
    names = [one.name for one in wanted]
    if not names or len(set(names)) < len(names):
        raise HelperError("name each interface once", f"there are: {', '.join(known)}")
    for one in wanted:
        if one.name not in known or "/" in one.name:
            raise HelperError("there is no such interface", f"there are: {', '.join(known)}")
        _check_addresses(one)
    if sum(bool(one.gateway) for one in wanted) > 1:
        raise HelperError("there can be one gateway only", "leave it away for the others")
    seen = [str(_interface(text).ip) for one in wanted for text in one.addresses]
    if len(set(seen)) < len(seen):
        raise HelperError("one address cannot be at two places", "give each its own")


def _check_addresses(one: InterfaceSettings) -> None:
    found = [_interface(text) for text in one.addresses]
    for address in found:
        ip = address.ip
        if ip.is_multicast or ip.is_loopback or ip.is_unspecified or ip.is_link_local:
            raise HelperError(f"{ip} is no address of a machine", 'for example "192.0.2.11/24"')
        edges = (address.network.network_address, address.network.broadcast_address)
        if ip.version == 4 and address.network.prefixlen < 31 and ip in edges:
            raise HelperError(f"{ip} is the network itself", "choose one inside it")
    if one.gateway:
        try:
            gateway = ipaddress.ip_address(one.gateway)
        except ValueError:
            raise HelperError("that gateway is no address", 'for example "192.0.2.1"') from None
        if not any(gateway in address.network for address in found):
            hint = "it must be in the network of one of the interface's addresses"
            raise HelperError(f"the gateway {gateway} cannot be reached from there", hint)
        if any(gateway == address.ip for address in found):
            raise HelperError(f"{gateway} is this machine itself", "leave the gateway away")


def _interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    hint = 'with its prefix: "192.0.2.11/24"'
    if "/" not in text or "%" in text:
        raise HelperError("an address has no prefix", hint)
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        raise HelperError("that is no address", hint) from None


def network_file(one: InterfaceSettings) -> str:
    """What networkd reads. It leaves addresses alone that others gave: the virtual ones."""
    lines = ["# Written by Twinpost: `twinpost machine network`.", "[Match]", f"Name={one.name}"]
    lines += ["[Network]", "DHCP=no", "IPv6AcceptRA=no", "LinkLocalAddressing=ipv6"]
    lines += ["LLMNR=no", "MulticastDNS=no", "ConfigureWithoutCarrier=yes"]
    lines += ["KeepConfiguration=static"]
    lines += [f"Address={_interface(address)}" for address in one.addresses]
    if one.gateway:
        lines.append(f"Gateway={ipaddress.ip_address(one.gateway)}")
    return "\n".join([*lines, ""])


def read_file(name: str, text: str) -> InterfaceSettings:
    """The settings in a file that `network_file` wrote."""
    pairs = [line.partition("=") for line in text.splitlines()]
    return InterfaceSettings(
        name=name,
        addresses=tuple(value for key, _, value in pairs if key == "Address"),
        gateway=next((value for key, _, value in pairs if key == "Gateway"), ""),
    )


def _have(state: Sequence[InterfaceState], wanted: Sequence[InterfaceSettings]) -> bool:
    now = {one.name: set(one.addresses) for one in state}
    return all(set(one.addresses) <= now.get(one.name, set()) for one in wanted)


def links() -> Sequence[InterfaceState]:
    """The interfaces as the kernel has them, but loopback; takes its time. Raises OSError."""
    with IPRoute() as route:
        addresses: dict[int, list[str]] = {}
        for one in route.get_addr():
            address = one.get("local") or one.get("address")
            addresses.setdefault(one["index"], []).append(f"{address}/{one['prefixlen']}")
        return [
            InterfaceState(
                name=one.get("ifname"),
                hardware=one.get("address") or "",
                carrier=bool(one["flags"] & _LOWER_UP),
                addresses=tuple(addresses.get(one["index"], ())),
                settings=None,
            )
            for one in route.get_links()
            if not one["flags"] & _LOOPBACK
        ]


def gateway() -> str:
    """The way to everywhere else, "" if there is none; takes its time."""
    with IPRoute() as route:
        for one in route.get_default_routes():
            if found := one.get("gateway"):
                return str(found)
    return ""
