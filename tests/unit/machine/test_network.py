"""A change of the network is checked, tried, and kept only if somebody confirms it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.ipc.machine import (
    ConfirmNetwork,
    InterfaceSettings,
    InterfaceState,
    RevertNetwork,
    SetNetwork,
)
from appliance.machine.helper import HelperError
from appliance.machine.network import Network, check, network_file, read_file
from appliance.machine.system import System
from appliance.monitor.events import Event
from tests.unit.machine.talk import Commands

WANTED = InterfaceSettings(
    name="eth0", addresses=("192.0.2.11/24", "2001:db8::11/64"), gateway="192.0.2.1"
)
KEPT, TRIED = "etc/systemd/network/10-twinpost-eth0", "run/systemd/network/05-twinpost-eth0"


class Rig:
    """A machine with one interface, which networkd gives what its files say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "etc").mkdir(exist_ok=True)
        (root / "etc/twinpost-appliance").touch()
        self.commands = Commands()
        self.events: list[Event] = []
        self.over = asyncio.Event()
        self.taken_back = asyncio.Event()
        self.network = Network(
            System(root), self.commands, self._emit, self._links, lambda seconds: self._wait()
        )

    async def _wait(self) -> None:
        await self.over.wait()

    def _emit(self, event: Event, queue_id: str = "", **values: object) -> None:
        self.events.append(event)
        self.taken_back.set()

    def _links(self) -> list[InterfaceState]:
        now: tuple[str, ...] = ()
        for name in (TRIED, KEPT):
            if not now and self.has(name):
                now = read_file("eth0", (self.root / f"{name}.network").read_text()).addresses
        return [
            InterfaceState(
                name="eth0", hardware="02::1", carrier=True, addresses=now, settings=None
            )
        ]

    def has(self, name: str) -> bool:
        return (self.root / f"{name}.network").exists()


async def test_what_is_confirmed_stays(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    tried = await rig.network.set(SetNetwork((WANTED,), 60), print)
    assert (tried.before[0].addresses, tried.after[0].addresses) == ((), WANTED.addresses)
    assert tried.after[0].settings == WANTED
    assert rig.has(TRIED)
    assert not rig.has(KEPT)
    with pytest.raises(HelperError, match="on trial"):
        await rig.network.set(SetNetwork((WANTED,), 60), print)
    await rig.network.confirm(ConfirmNetwork(), print)
    assert rig.network.trial is None
    assert rig.has(KEPT)
    assert not rig.has(TRIED)
    assert rig.commands.run[-1] == ("networkctl", "reload")
    with pytest.raises(HelperError, match="on trial"):
        await rig.network.confirm(ConfirmNetwork(), print)


async def test_what_nobody_confirms_is_taken_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.network.set(SetNetwork((WANTED,), 60), print)
    rig.over.set()
    await rig.taken_back.wait()
    assert not rig.has(TRIED)
    assert rig.network.trial is None
    assert not rig.has(KEPT)
    assert rig.events == [Event.NETWORK_TAKEN_BACK]


async def test_what_an_operator_or_a_stop_takes_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.network.set(SetNetwork((WANTED,), 0), print)
    assert rig.has(KEPT)
    other = InterfaceSettings(name="eth0", addresses=("192.0.2.12/24",))
    for end in (lambda: rig.network.revert(RevertNetwork(), print), rig.network.end):
        await rig.network.set(SetNetwork((other,), 60), print)
        await end()
        assert not rig.has(TRIED)
        assert (await rig.network.state())[0].settings == WANTED


async def test_a_trial_whose_helper_was_killed_is_taken_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.network.set(SetNetwork((WANTED,), 60), print)
    again = Rig(tmp_path)
    await again.network.begin()
    assert not again.has(TRIED)
    rig.over.set()
    await rig.network.end()


async def test_somebody_elses_network_is_left_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (tmp_path / "etc/twinpost-appliance").unlink()
    with pytest.raises(HelperError, match="not Twinpost's alone"):
        await rig.network.set(SetNetwork((WANTED,), 60), print)
    assert rig.commands.run == []


def one(*addresses: str, gateway: str = "", name: str = "eth0") -> InterfaceSettings:
    return InterfaceSettings(name=name, addresses=addresses, gateway=gateway)


@pytest.mark.parametrize(
    "wanted",
    [
        (),
        (one(name="eth9"),),
        (one(name="../passwd"),),
        (one(), one()),
        (one("192.0.2.11"),),
        (one("192.0.2.11/24\nGateway=192.0.2.1"),),
        (one("192.0.2.0/24"),),
        (one("192.0.2.255/24"),),
        (one("127.0.0.2/8"),),
        (one("224.0.0.1/24"),),
        (one("0.0.0.0/0"),),
        (one("fe80::1%eth0/64"),),
        (one("192.0.2.11/24", "192.0.2.11/25"),),
        (one("192.0.2.11/24"), one("192.0.2.11/24", name="eth1")),
        (one("192.0.2.11/24", gateway="198.51.100.1"),),
        (one("192.0.2.11/24", gateway="192.0.2.11"),),
        (one("192.0.2.11/24", gateway="x"),),
        (one(gateway="192.0.2.1"),),
        (
            one("192.0.2.11/24", gateway="192.0.2.1"),
            one("198.51.100.1/24", gateway="198.51.100.2", name="eth1"),
        ),
    ],
)
def test_what_no_network_can_be(wanted: tuple[InterfaceSettings, ...]) -> None:
    with pytest.raises(HelperError):
        check(wanted, ["eth0", "eth1"])


def test_files_say_what_was_wanted() -> None:
    check([WANTED, one(name="eth1")], ["eth0", "eth1"])
    assert read_file("eth0", network_file(WANTED)) == WANTED
