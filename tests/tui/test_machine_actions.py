"""What the screen of the machine asks of the node, by its keys, and of whom it is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from appliance.control.roles import Role
from appliance.control.schema import Failure
from appliance.control.schema_machine import Name, NewClock, NewNetwork
from appliance.control.schema_people import SessionView
from appliance.ipc.machine import Done, InterfaceSettings, NetworkTrial, Sticks
from tests.tui.acts import acts
from tests.tui.control import ControlServer, serving
from tests.tui.machines import LOOSE, MACHINE, MOUNTED, WHEN
from tests.tui.screen import Seen, joined, seen
from tests.tui.values import ANSWERS, STATUS_A

MOUNT = f"/machine/sticks/{LOOSE.id}/mount"
UNMOUNT = f"/machine/sticks/{MOUNTED.id}/unmount"
VALUES = {
    "z": ("Time zone", "Europe/Oslo", "UTC", "/machine/time-zone"),
    "k": ("Keyboard", "no", "de:nodeadkeys", "/machine/keyboard"),
    "h": ("Host name", "a", "node-a", "/machine/host-name"),
}
ENDS = {
    "r": ("Restart the node", "/machine/restart-node"),
    "X": ("Restart the machine", "/machine/reboot"),
    "P": ("Switch the machine off", "/machine/power-off"),
}
UNMANAGED = Failure(
    code="refused",
    error="this node does not manage its machine",
    hint="only a node of an installed Twinpost does: use the system's own tools",
)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlServer]:
    paths = ["/machine/clock", *(path for *_, path in [*VALUES.values(), *ENDS.values()])]
    with serving(tmp_path, ANSWERS) as server:
        server.answers |= dict.fromkeys(paths, Done("the helper has done it"))
        server.answers[MOUNT] = replace(LOOSE, folder="/media/twinpost/here")
        server.answers[UNMOUNT] = Done("everything is written; the stick may be pulled out")
        yield server


def posted(control: ControlServer) -> list[tuple[str, bytes]]:
    return [(path, body) for method, path, body in control.asked if method == "POST"]


def person(role: Role) -> SessionView:
    return SessionView(name="somebody", role=role, session=False, first_run=False)


async def opened(console: Seen) -> None:
    await console.go("machine")
    await console.sees(MOUNTED.folder)


async def retype(console: Seen, text: str) -> None:
    """Type in place of what a field has."""
    await console.press("end", "ctrl+u")
    await console.type(text)
    await console.press("enter")


@acts("machine.clock")
async def test_the_clock_is_set_to_what_was_typed_as_utc(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("c")
        await console.sees("2026-09-21 14:13:20")
        await retype(console, "tomorrow")
        await console.sees("write it like")
        assert posted(control) == []
        await retype(console, "2026-09-21 14:13:21")
        await console.sees("the helper has done it")
    body = msgspec.json.encode(NewClock(WHEN + 1000))
    assert posted(control) == [("/machine/clock", body)]


@acts(*(f"machine.{one}" for one in ("zone", "keyboard", "host_name")))
@acts(*(f"machine.{one}" for one in ("restart", "reboot", "power_off")))
async def test_each_key_asks_before_anything_is_done(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        for key, (title, *_) in [*VALUES.items(), *ENDS.items()]:
            await console.press(key)
            await console.sees(title)
            await console.press("escape")
    assert posted(control) == []


@pytest.mark.parametrize("key", VALUES)
async def test_a_value_is_changed_after_both_were_shown(key: str, control: ControlServer) -> None:
    title, before, after, path = VALUES[key]
    async with seen(control.path) as console:
        await opened(console)
        await console.press(key)
        await console.sees(f"{title}:")
        await retype(console, after)
        text = await console.sees(f"then    {after}")
        assert f"now     {before}" in text
        await console.press("escape")
        assert posted(control) == []
        await console.press(key)
        await console.sees(f"{title}:")
        await retype(console, after)
        await console.sees(f"then    {after}")
        await console.press("y")
        await console.sees("the helper has done it")
    assert posted(control) == [(path, msgspec.json.encode(Name(after)))]


async def test_the_same_value_or_none_changes_nothing(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        for text in ("Europe/Oslo", "  "):
            await console.press("z")
            await console.sees("Time zone:")
            await retype(console, text)
            await console.sees(lambda shown: "Another one" not in shown)
            assert "then    " not in console.text()
    assert posted(control) == []


@acts("machine.addresses")
async def test_addresses_are_tried_and_kept(control: ControlServer) -> None:
    first = MACHINE.interfaces[0]
    settings = InterfaceSettings(name="eth0", addresses=("192.0.2.11/24",), gateway="192.0.2.1")
    view = replace(MACHINE, interfaces=(replace(first, settings=settings), MACHINE.interfaces[1]))
    tried = NetworkTrial(before=view.interfaces, after=view.interfaces, trial=120)
    control.answers |= {"/machine": view, "/machine/network": tried}
    control.answers["/machine/network/confirm"] = Done("the addresses are kept")
    async with seen(control.path, (100, 30)) as console:
        await opened(console)
        await console.press("a")
        await console.sees("There is eth0, eth1.")
        await retype(console, "eth7")
        await console.sees("there is no such interface")
        await retype(console, "eth0")
        await console.sees("192.0.2.11/24 via 192.0.2.1")
        await retype(console, "192.0.2.21/24 via")
        await console.sees("write ADDRESS/PREFIX via GATEWAY")
        await retype(console, "192.0.2.21/24, 192.0.2.11/24 via 192.0.2.1")
        await console.sees("then    192.0.2.21/24 192.0.2.11/24 via 192.0.2.1")
        assert posted(control) == []
        await console.press("y")
        await console.sees(lambda text: "Press a to keep them" in joined(text))
        control.answers["/machine"] = replace(view, trial=100)
        await console.sees("unless kept")
        await console.press("a")
        await console.sees("taken back in 100 s")
        await console.press("y")
        await console.sees("the addresses are kept")
    wanted = replace(settings, addresses=("192.0.2.21/24", "192.0.2.11/24"))
    (path, body), (kept, _) = posted(control)
    assert (path, kept) == ("/machine/network", "/machine/network/confirm")
    assert msgspec.json.decode(body, type=NewNetwork) == NewNetwork((wanted,), 120)


@acts("machine.stick")
async def test_enter_mounts_a_stick_and_lets_go_of_one_that_is(control: ControlServer) -> None:
    async with seen(control.path) as console:
        await opened(console)
        await console.press("enter")
        await console.sees("It is at /media/twinpost/here")
        await console.press("down", "enter")
        await console.sees("everything is written")
    assert [path for path, _ in posted(control)] == [MOUNT, UNMOUNT]


async def test_a_stick_that_is_in_use_is_not_let_go(control: ControlServer) -> None:
    control.answers[UNMOUNT] = Failure(
        code="refused", error="the stick is in use", hint="wait for its end"
    )
    async with seen(control.path) as console:
        await opened(console)
        await console.press("down", "enter")
        await console.sees(lambda text: "the stick is in use → wait for its end" in joined(text))


async def test_without_a_stick_nothing_is_asked(control: ControlServer) -> None:
    control.answers["/machine/sticks"] = Sticks(())
    async with seen(control.path) as console:
        await console.go("machine")
        await console.sees("No stick is plugged in.")
        await console.press("enter")
        await console.sees("There is no stick.")
    assert posted(control) == []


@pytest.mark.parametrize("key", ENDS)
async def test_what_ends_wants_the_nodes_name(key: str, control: ControlServer) -> None:
    title, path = ENDS[key]
    async with seen(control.path) as console:
        await opened(console)
        await console.press(key)
        text = await console.sees(title)
        assert "The other node takes the mail meanwhile" in joined(text)
        await console.type("b")
        await console.press("enter")
        await console.sees("that is not a")
        assert posted(control) == []
        await retype(console, "a")
        await console.sees("the helper has done it")
    assert [asked for asked, _ in posted(control)] == [path]


async def test_a_node_that_is_alone_says_that_nobody_takes_mail(control: ControlServer) -> None:
    control.answers["/status"] = replace(STATUS_A, mode="solo")
    async with seen(control.path) as console:
        await opened(console)
        await console.press("r")
        await console.sees("nobody takes mail")


async def test_an_operator_has_the_sticks_and_nothing_else(control: ControlServer) -> None:
    control.answers["/sessions/current"] = person(Role.OPERATOR)
    async with seen(control.path) as console:
        await opened(console)
        await nothing_comes_of(console, "c", *VALUES, *ENDS)
        await console.press("enter")
        await console.sees("It is at /media/twinpost/here")
    assert [path for path, _ in posted(control)] == [MOUNT]


async def test_a_viewer_only_looks(control: ControlServer) -> None:
    control.answers["/sessions/current"] = person(Role.VIEWER)
    async with seen(control.path) as console:
        await opened(console)
        await nothing_comes_of(console, "enter", "c", *VALUES, *ENDS)
    assert posted(control) == []


async def test_names_of_a_debian_that_has_other_work_are_left_to_it(
    control: ControlServer,
) -> None:
    control.answers["/machine"] = replace(MACHINE, appliance=False)
    async with seen(control.path) as console:
        await opened(console)
        assert "keyboard" not in console.text()
        await nothing_comes_of(console, "k", "h")
        await console.press("z")
        await console.sees("Time zone:")


async def test_a_node_that_does_not_manage_its_machine_says_so(control: ControlServer) -> None:
    control.answers |= {"/machine": UNMANAGED, "/machine/sticks": UNMANAGED}
    async with seen(control.path) as console:
        await console.go("machine")
        await console.sees("this node does not manage its machine")
        await nothing_comes_of(console, "enter", "c", *VALUES, *ENDS)
    assert posted(control) == []


async def nothing_comes_of(console: Seen, *keys: str) -> None:
    """No key opens a dialog, or leads anywhere."""
    before = console.text()
    for key in keys:
        await console.press(key)
        assert console.text() == before, key
