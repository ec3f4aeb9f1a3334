"""Carriers and second holders, as another host and the switch make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from appliance.vip.announce import Announcer, announcements
from appliance.vip.binder import Address, BinderFailed, VirtualAddress
from appliance.vip.watch import InterfaceWatch
from tests.netns.addresses import BOTH, IPV4, IPV6, announce, assign, hardware, send
from tests.netns.lab import FRONT, Lab
from tests.pair.harness import until
from tests.support.patience import patiently

pytestmark = pytest.mark.netns

_HOP_LIMIT_AT = 14 + 7
_ANOTHER = ("ip", "link", "add", "eth0", "up", "type", "veth", "peer", "name", "far")


class Seen:
    """What a watch told."""

    def __init__(self) -> None:
        self.carriers: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self.foreigners: asyncio.Queue[tuple[Address, str]] = asyncio.Queue()

    def carrier(self, interface: str, up: bool) -> None:
        self.carriers.put_nowait((interface, up))

    def foreign(self, address: Address, hardware: str) -> None:
        self.foreigners.put_nowait((address, hardware))


@pytest.fixture
def at_a(lab: Lab) -> Iterator[Lab]:
    with lab.a.namespace.entered():
        yield lab


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def held() -> set[VirtualAddress]:
    return set(BOTH)


@pytest.fixture
async def watch(at_a: Lab, seen: Seen, held: set[VirtualAddress]) -> AsyncIterator[InterfaceWatch]:
    watch = InterfaceWatch(BOTH, lambda: held, seen)
    await watch.start()
    assert await patiently(seen.carriers.get()) == ("eth0", True)
    yield watch
    watch.close()


@pytest.mark.usefixtures("watch")
async def test_a_cable_is_pulled_and_put_in_again(seen: Seen, lab: Lab) -> None:
    lab.link_down(lab.a, FRONT)
    assert await patiently(seen.carriers.get()) == ("eth0", False)
    lab.link_up(lab.a, FRONT)
    assert await patiently(seen.carriers.get()) == ("eth0", True)


@pytest.mark.usefixtures("watch")
async def test_an_interface_that_is_switched_off_has_no_carrier(seen: Seen, lab: Lab) -> None:
    lab.a.namespace.run("ip", "link", "set", "eth0", "down")
    assert await patiently(seen.carriers.get()) == ("eth0", False)


async def test_without_a_carrier_from_the_start(at_a: Lab, seen: Seen) -> None:
    at_a.link_down(at_a.a, FRONT)
    watch = InterfaceWatch(BOTH, list, seen)
    await watch.start()
    assert await patiently(seen.carriers.get()) == ("eth0", False)
    watch.close()


async def test_an_interface_that_is_not_there(at_a: Lab, seen: Seen) -> None:
    absent = VirtualAddress(IPV4.address, IPV4.prefix, "absent0")
    watch = InterfaceWatch([absent], list, seen)
    with pytest.raises(BinderFailed, match="absent0"):
        await watch.start()
    watch.close()


@pytest.mark.usefixtures("watch")
async def test_another_machine_says_it_has_a_held_address(seen: Seen, lab: Lab) -> None:
    announce(lab.b, *BOTH)
    other = hardware(lab.b)
    heard = {await patiently(seen.foreigners.get()) for _ in range(3)}  # request, reply, NA
    assert heard == {(one.address, other) for one in BOTH}


@pytest.mark.parametrize("one", BOTH, ids=["IPv4", "IPv6"])
@pytest.mark.usefixtures("watch")
async def test_another_machine_has_it_and_says_nothing(
    one: VirtualAddress, seen: Seen, lab: Lab
) -> None:
    assign(lab.b, [one])
    assert seen.foreigners.empty()
    announcer = Announcer()
    announcer.tell(one)
    assert await patiently(seen.foreigners.get()) == (one.address, hardware(lab.b))
    announcer.close()


@pytest.mark.parametrize("one", BOTH, ids=["IPv4", "IPv6"])
@pytest.mark.usefixtures("watch")
async def test_what_is_not_held_and_what_comes_back_to_its_sender_is_no_claim(
    one: VirtualAddress, seen: Seen, lab: Lab
) -> None:
    own, other = (bytes.fromhex(hardware(host).replace(":", "")) for host in (lab.a, lab.b))
    send(lab.client, announcements(one.address + 1, other))
    send(lab.client, announcements(one.address, own))
    send(lab.client, announcements(one.address, other))
    assert await patiently(seen.foreigners.get()) == (one.address, other.hex(":"))


@pytest.mark.usefixtures("watch")
async def test_an_advertisement_from_beyond_a_router_is_no_claim(seen: Seen, lab: Lab) -> None:
    advertisement = bytearray(announcements(IPV6.address, b"router")[0])
    advertisement[_HOP_LIMIT_AT] -= 1
    send(lab.client, [bytes(advertisement)])
    announce(lab.b, IPV6)
    assert await patiently(seen.foreigners.get()) == (IPV6.address, hardware(lab.b))


@pytest.mark.usefixtures("watch")
async def test_another_interface_with_the_name_is_watched_as_well(seen: Seen, lab: Lab) -> None:
    lab.a.namespace.run("ip", "link", "del", "eth0")
    assert await patiently(seen.carriers.get()) == ("eth0", False)
    lab.a.namespace.run(*_ANOTHER)
    lab.a.namespace.run("ip", "link", "set", "far", "up")
    assert await patiently(seen.carriers.get()) == ("eth0", True)
    for one in BOTH:
        await until(partial(_heard, one, seen, lab), f"{one} heard")


async def _heard(one: VirtualAddress, seen: Seen, lab: Lab) -> bool:
    """Said as often as it takes: an interface that has just come up may lose a frame."""
    send(lab.a, announcements(one.address, b"second")[:1], "far")
    told = [seen.foreigners.get_nowait() for _ in range(seen.foreigners.qsize())]
    return (one.address, b"second".hex(":")) in told
