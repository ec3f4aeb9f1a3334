"""Addresses at an interface: who has them is asked of the kernel, and seen from another host."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from appliance.monitor.events import Event
from appliance.vip import netlink
from appliance.vip.binder import Address, BinderFailed, VirtualAddress
from appliance.vip.guardian import take_away
from appliance.vip.netlink import NetlinkBinder
from appliance.vip.table import LIFETIME
from appliance.vip.watch import InterfaceWatch
from tests.netns.addresses import (
    BOTH,
    IPV4,
    IPV6,
    assign,
    assigned,
    hardware,
    until_assigned,
    withdraw,
)
from tests.netns.lab import Host, Lab
from tests.netns.namespace import DIE_TOO
from tests.pair.harness import until
from tests.support.patience import patiently

pytestmark = pytest.mark.netns

ROOT = Path(__file__).parents[2]
_DISCARD = 9  # RFC 863


class Told(list[tuple[Event, object]]):
    """Every event with the address it names."""

    def __init__(self) -> None:
        self.lost_ones: asyncio.Queue[tuple[VirtualAddress, str]] = asyncio.Queue()

    def __call__(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.append((event, values.get("address")))

    def lost(self, address: VirtualAddress, error: BinderFailed) -> None:
        self.lost_ones.put_nowait((address, str(error)))

    def addresses(self, event: Event) -> set[object]:
        return {address for each, address in self if each is event}


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[Process]:
    """A process whose lines are read, and which does not outlive the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*DIE_TOO, *command, cwd=ROOT, stdout=pipe)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@asynccontextmanager
async def holding(*prefix: str) -> AsyncIterator[tuple[Process, str]]:
    """Another process that holds the addresses here, and what it said when it did."""
    async with started(*prefix, sys.executable, "-m", "tests.netns.holder") as process:
        yield process, await patiently(next_line(process))


@asynccontextmanager
async def holder() -> AsyncIterator[Process]:
    async with holding() as (process, said):
        assert said == "held\n"
        yield process


async def next_line(process: Process) -> str:
    assert process.stdout
    return (await process.stdout.readline()).decode()


def neighbours(host: Host) -> dict[str, str]:
    """The hardware addresses that a host knows for the virtual ones."""
    told = host.namespace.run("ip", "neighbor", "show", "dev", "eth0")
    words = [line.split() for line in told.splitlines()]
    return {
        each[0]: each[each.index("lladdr") + 1]
        for each in words
        if "lladdr" in each and each[0] in map(str, BOTH)
    }


def send_datagram(host: Host, to: VirtualAddress) -> None:
    """The host's kernel asks its neighbours who has the address."""
    kind = socket.AF_INET if to.address.version == 4 else socket.AF_INET6
    with host.namespace.entered(), socket.socket(kind, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (str(to), _DISCARD))


@pytest.fixture
def at_a(lab: Lab) -> Iterator[Lab]:
    with lab.a.namespace.entered():
        yield lab


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def binder(at_a: Lab, told: Told) -> AsyncIterator[NetlinkBinder]:
    binder = NetlinkBinder(BOTH, told, told.lost)
    await binder.start()
    yield binder
    binder.close()
    assert assigned(at_a.a) == {}


async def test_addresses_come_and_go(binder: NetlinkBinder, lab: Lab) -> None:
    for _ in range(2):
        await binder.acquire(BOTH)
        await binder.acquire(BOTH)
        there = assigned(lab.a)
        assert {one.address: one.prefix for one in BOTH} == {
            address: each.prefixlen for address, each in there.items()
        }
        assert all(0 < each.valid_life_time <= LIFETIME for each in there.values())
        # Usable at once, and not the source of what this node sends.
        assert not there[IPV6.address].tentative
        assert there[IPV6.address].deprecated
        await binder.release(BOTH)
        await binder.release(BOTH)
        assert assigned(lab.a) == {}


async def test_one_that_cannot_be_held_leaves_none_held(binder: NetlinkBinder, lab: Lab) -> None:
    lab.a.namespace.run("sysctl", "-q", "-w", "net.ipv6.conf.eth0.disable_ipv6=1")
    with pytest.raises(BinderFailed, match="2001:db8::10/64 at eth0") as failed:
        await binder.acquire(BOTH)
    assert "IPv6 is switched off" in failed.value.hint
    assert assigned(lab.a) == {}
    await binder.acquire([IPV4])
    await until_assigned(lab.a, IPV4)


async def test_what_a_crash_left_is_taken_away_at_the_start(at_a: Lab, told: Told) -> None:
    assign(at_a.a)
    binder = NetlinkBinder(BOTH, told, told.lost)
    await binder.start()
    assert assigned(at_a.a) == {}
    assert told == [(Event.ADDRESS_LEFT_BEHIND, one.address) for one in BOTH]
    binder.close()


@pytest.fixture
def never_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink, "RENEWAL", 3600.0)


@pytest.mark.usefixtures("never_renewed")
async def test_what_somebody_removes_is_put_back_at_once(
    binder: NetlinkBinder, told: Told, lab: Lab
) -> None:
    await binder.acquire(BOTH)
    withdraw(lab.a)
    await until_assigned(lab.a, *BOTH)
    await binder.release([IPV6])
    withdraw(lab.a, [IPV4])
    await until_assigned(lab.a, IPV4)
    assert IPV4.address in told.addresses(Event.ADDRESS_PUT_BACK)


async def test_what_cannot_be_kept_is_told_and_the_rest_is_kept(
    binder: NetlinkBinder, told: Told, lab: Lab
) -> None:
    await binder.acquire(BOTH)
    lab.a.namespace.run("sysctl", "-q", "-w", "net.ipv6.conf.eth0.disable_ipv6=1")
    withdraw(lab.a, [IPV4])
    address, why = await patiently(told.lost_ones.get())
    assert address == IPV6
    assert "Permission denied" in why
    await until_assigned(lab.a, IPV4)
    await binder.release(BOTH)


async def test_what_is_held_outlives_its_lifetime(
    binder: NetlinkBinder, told: Told, lab: Lab
) -> None:
    command = lab.a.namespace.command("ip", "-oneline", "monitor", "address")
    async with started(*command) as monitor:
        await binder.acquire(BOTH)
        times = dict.fromkeys(map(str, BOTH), 0)
        while min(times.values()) * netlink.RENEWAL < LIFETIME + 1:
            line = await patiently(next_line(monitor))
            assert not line.startswith("Deleted")
            for each in times:
                times[each] += f" {each}/" in line
    assert not told


async def test_what_a_dead_process_held_dies_too(at_a: Lab) -> None:
    async with holder() as process:
        process.kill()
        await process.wait()
        await until_assigned(at_a.a)


async def test_what_a_stopped_process_held_dies_and_comes_back_with_it(at_a: Lab) -> None:
    async with holder() as process:
        process.send_signal(signal.SIGSTOP)
        await until_assigned(at_a.a)
        process.send_signal(signal.SIGCONT)  # and no router there that says otherwise
        await until_assigned(at_a.a, *BOTH)


async def test_the_guardian_does_not_wait_for_that(at_a: Lab) -> None:
    async with holder() as process:
        process.kill()
        await process.wait()
        assert await take_away(BOTH) == BOTH
        assert assigned(at_a.a) == {}
        assert await take_away(BOTH) == ()


@pytest.mark.parametrize("capability", ["net_admin", "net_raw"])
async def test_without_the_right_it_says_which(capability: str, at_a: Lab) -> None:
    less = f"-{capability}"
    async with holding("setpriv", "--bounding-set", less, "--inh-caps", less) as (process, said):
        assert f"CAP_{capability.upper()}" in said
        assert await patiently(process.wait()) == 0


class SecondHolder:
    """Hears that another machine answers for the addresses."""

    def __init__(self) -> None:
        self.found: set[VirtualAddress] = set()

    def carrier(self, interface: str, up: bool) -> None:
        pass

    def foreign(self, address: Address, hardware: str) -> None:
        self.found.update(one for one in BOTH if one.address == address)


@pytest.mark.parametrize("others_end", [True, False], ids=["a dead one", "one that lives on"])
async def test_neighbours_learn_who_has_an_address_now(
    others_end: bool, binder: NetlinkBinder, lab: Lab
) -> None:
    """Also while the other still has it, and answers whoever asks for it."""

    async def learnt(host: Host) -> bool:
        return neighbours(lab.client) == dict.fromkeys(map(str, BOTH), hardware(host))

    async def found() -> bool:
        return second.found == set(BOTH)

    assign(lab.b)
    for one in BOTH:
        send_datagram(lab.client, one)
    await until(partial(learnt, lab.b), "the client asked who has the addresses")
    second = SecondHolder()
    watch = InterfaceWatch(BOTH, lambda: BOTH, second)
    await watch.start()
    if others_end:
        withdraw(lab.b)
    await binder.acquire(BOTH)
    binder.announce(BOTH)
    if not others_end:
        await until(found, "it is known that there is another")
    await until(partial(learnt, lab.a), "the client was told who has the addresses", 5.0)
    watch.close()


async def test_tshark_sees_the_announcements(binder: NetlinkBinder, lab: Lab) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("not installed: tshark")
    command = lab.client.namespace.command("tshark", "-l", "-n", "-i", "eth0", "-f", "arp or icmp6")
    own = hardware(lab.a)
    missing = {
        f"ARP Announcement for {IPV4}",
        f"Gratuitous ARP for {IPV4} (Reply)",
        f"Neighbor Advertisement {IPV6} (ovr) is at {own}",
    }
    async with started(*command) as tshark:
        await binder.acquire(BOTH)
        repeating = asyncio.create_task(_repeat(lambda: binder.announce(BOTH)))
        try:
            while missing:
                line = await patiently(next_line(tshark))
                missing -= {each for each in missing if each in line}
        finally:
            repeating.cancel()


async def _repeat(announce: Callable[[], None]) -> None:
    """Nobody says when tshark has begun to look."""
    while True:
        announce()
        await asyncio.sleep(0.2)
