"""Each page of the first boot: how it looks, what it refuses, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from appliance.control.schema_setup import GivenAnswers
from tests.support import golden
from tests.tui.control import ControlServer, serving
from tests.tui.new_machine import ANSWERS, BACKUPS, BUSY, CODE, FREE, REFUSED, SETUP
from tests.tui.screen import Seen, seen
from tests.tui.test_snapshots import LOOKS, check_look

PAGES = {
    "keyboard": ("Keyboard", ("de",)),
    "zone": ("Time zone", ("Europe/Berlin",)),
    "clock": ("Clock", ("2026-11-30 00:53:20",)),
    "name": ("Name of this node", ("a",)),
    "network": ("Network of the clients", ("eth0", "192.0.2.11/24", "192.0.2.1")),
    "link": ("Cable to the other node", ("eth1", "10.9.9.1/30")),
    "pair": ("The pair", ()),
    "domain": ("Domain", ("site.example",)),
    "virtual": ("Virtual address", (FREE,)),
    "administrator": ("Administrator", ("anna", "correct horse", "correct horse")),
}
TAKEN = ("keyboard", "zone", "clock", "network")
"""Pages that say at first what the test would."""
WRONG = {
    "keyboard": ((("dee",), "there is no keyboard 'dee' here"),),
    "zone": ((("Europe/Berlni",), "did you mean Europe/Berlin"),),
    "clock": ((("noon",), "'noon' is no moment"), (("1980-01-01 00:00",), "before this release")),
    "name": ((("node one",), "is no name"), (("a.b",), "no name of a machine")),
    "network": (
        (("eth9", None, None), "there is no interface 'eth9' here"),
        (("eth0", "192.0.2.11", ""), "says nothing of its network"),
        ((None, "192.0.2.300/24", None), "is no IP address"),
        ((None, "192.0.2.11/24", "10.0.0.1"), "is no gateway"),
    ),
    "link": (
        (("eth0", "10.9.9.1/30"), "one interface"),
        (("eth1", "192.0.2.12/24"), "network of clients"),
    ),
    "domain": ((("-",), "is no domain name"),),
    "virtual": (
        ((BUSY,), "another machine has it"),
        (("198.51.100.1",), "is not of the network"),
        (("192.0.2.11",), "is there twice"),
        (("",), "0 virtual addresses"),
    ),
    "administrator": (
        (("anna", "one", "two"), "the two passwords differ"),
        (("Änne", "x", "x"), "no operator can be called"),
    ),
}


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlServer]:
    with serving(tmp_path, ANSWERS) as found:
        yield found


async def fill(console: Seen, *values: str | None) -> None:
    """Type into the lines of a page, None leaves one as it is, and go on."""
    for value in values:
        if value is not None:
            await console.press("ctrl+u")
        if value:
            await console.type(value)
        await console.press("enter")
    if not values:
        await console.press("enter")


async def until_page(console: Seen, name: str) -> None:
    """Take everything before the page of that name as it stands there at first."""
    for page, (title, values) in PAGES.items():
        await console.sees(f": {title}")
        if page == name:
            return
        await fill(console, *(values if page not in TAKEN else [None] * len(values)))


@pytest.mark.parametrize("look", ["80x24", "ascii"])
async def test_every_page(look: str, control: ControlServer) -> None:
    size, theme = LOOKS[look]
    async with seen(control.path, size, theme, kiosk=True) as console:
        for page, (title, values) in PAGES.items():
            await console.sees(f": {title}")
            check_look(f"first-boot-{page}", look, console.text())
            await fill(console, *values)
        await console.sees("Set up this node")
        check_look("first-boot-all", look, console.text())
        assert "correct horse" not in console.text()


@pytest.mark.parametrize("look", ["80x24", "ascii"])
async def test_pages_of_other_ways(look: str, control: ControlServer) -> None:
    control.answers["/setup"] = msgspec.structs.replace(SETUP, backups=BACKUPS)
    size, theme = LOOKS[look]
    async with seen(control.path, size, theme, kiosk=True) as console:
        await until_page(console, "pair")
        for name, title in (("join", "Join the other node"), ("restore", "The backup")):
            await console.press("down")
            await console.press(*["down"] * (name == "restore"), "enter")
            await console.sees(f": {title}")
            check_look(f"first-boot-{name}", look, console.text())
            await console.press("escape")
            await console.sees(": The pair")


async def test_on_a_large_terminal(control: ControlServer) -> None:
    async with seen(control.path, (160, 45), kiosk=True) as console:
        await console.sees(": Keyboard")
        golden.check(
            Path(__file__).parent / "golden" / "first-boot-keyboard-160x45.txt", console.text()
        )


async def test_what_cannot_be_is_refused_where_it_is_typed(control: ControlServer) -> None:
    async with seen(control.path, kiosk=True) as console:
        for page, (title, values) in PAGES.items():
            await console.sees(f": {title}")
            for typed, said in WRONG.get(page, ()):
                await fill(console, *typed)
                await console.sees(partial(says, said))
                assert f": {title}" in console.text()
                await console.press(*["shift+tab"] * (len(typed) - 1))
            await fill(console, *values)
        await console.sees("Set up this node")


def says(said: str, text: str) -> bool:
    """Whether the box says so, over however many lines."""
    return said in " ".join(" ".join(line.strip(" │") for line in text.splitlines()).split())


async def test_what_the_network_speaks_against_can_be_insisted_on(control: ControlServer) -> None:
    async with seen(control.path, kiosk=True) as console:
        await until_page(console, "virtual")
        await fill(console, BUSY)
        await console.sees("Enter once more takes it all the same")
        await console.press("enter")
        await console.sees(": Administrator")


async def test_one_can_go_back_and_what_was_said_is_still_there(control: ControlServer) -> None:
    async with seen(control.path, kiosk=True) as console:
        await until_page(console, "domain")
        await console.press("escape")
        await console.sees(": The pair")
        await console.press("escape")
        await console.sees("10.9.9.1/30")
        await console.press("escape")
        await console.sees("192.0.2.11/24")
        await fill(console, "eth0", "192.0.2.12/24", "")
        await console.sees(lambda text: ": Cable" in text and "10.9.9.1/30" in text)
        given = [body for _, path, body in control.asked if path == "/setup/answers"][-1]
        said = msgspec.json.decode(given, type=GivenAnswers).answers
        assert said["network"]["address"] == "192.0.2.12/24"
        assert "link" not in said  # it is asked again, and checked then


async def test_the_mouse_does_what_keys_do(control: ControlServer) -> None:
    async with seen(control.path, kiosk=True) as console:
        await console.sees(": Keyboard")
        await console.pilot.click("#next")
        await console.sees(": Time zone")
        await console.pilot.click("#back")
        await console.sees(": Keyboard")


async def test_who_joins_is_not_asked_what_the_pair_knows(control: ControlServer) -> None:
    control.answers["/setup"] = lambda query, body: REFUSED if body else SETUP
    async with seen(control.path, kiosk=True) as console:
        await until_page(console, "pair")
        await console.press("down", "enter")
        await console.sees(": Join")
        await fill(console, "192.0.2.12", "")
        await console.sees("the code is missing")
        await fill(console, CODE)
        text = await console.sees("Set up this node")
        assert "192.0.2.12:2527" in text
        assert "Virtual" not in text
        await console.press("enter")
        await console.sees("4 more tries")
        await console.press("escape")
        await console.sees(": Join")
        given = [body for _, path, body in control.asked if path == "/setup" and body][-1]
        assert set(msgspec.json.decode(given, type=GivenAnswers).answers).isdisjoint(
            {"domain", "virtual", "administrator"}
        )


async def test_a_peer_that_does_not_answer_is_told_at_once(control: ControlServer) -> None:
    async with seen(control.path, kiosk=True) as console:
        await until_page(console, "pair")
        await console.press("down", "enter")
        await console.sees(": Join")
        await fill(console, BUSY, CODE)
        await console.sees("no answer: not in time")


async def test_a_plain_machine_is_asked_no_more_than_it_can_change(control: ControlServer) -> None:
    control.answers["/setup"] = msgspec.structs.replace(
        SETUP, machine=None, choices=None, interfaces=SETUP.interfaces[:1]
    )
    async with seen(control.path, kiosk=True) as console:
        await console.sees("1 of 7: Name of this node")
